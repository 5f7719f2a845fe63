//! What stands beside a command, where its purpose asks for more: lines with a label. Of what leaked only that it is said is
//! taken out of the mail, never what.

use crate::id::OrgName;
use crate::mail::address::Address;
use crate::policy::{BreachField, TextHash};

/// The answers in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// `Name:`.
    pub name: Option<String>,
    /// `Address:`.
    pub address: Option<Address>,
    /// `Accepts:`.
    pub accepts: Option<TextHash>,
    /// The questions about a leak that have an answer: `What:`, `To whom:`, `Prevention:`.
    pub leak: Vec<BreachField>,
    /// `Organisation:`, whose leak it was.
    pub org: Option<OrgName>,
    /// Whether nothing stands there but `Name:`, `Address:`, `Accepts:` and what belongs to them. In doubt something does.
    pub staff_alone: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Name,
    Address,
    Accepts,
    Org,
    Leak(BreachField),
}

/// The answers in the lines of a signed text that are no command. What is quoted answers nothing; an answer may begin below
/// its label.
#[must_use]
pub fn answers<'t>(lines: impl Iterator<Item = &'t str>) -> Answers {
    let mut all = Answers { staff_alone: true, ..Answers::default() };
    let mut open = None;
    // RFC 3676 §4.3: what follows these two hyphens and the space is the signature block.
    for line in lines.take_while(|line| *line != "-- ") {
        let line = line.trim();
        if line.starts_with('>') {
            continue;
        }
        let (label, value) = match labelled(line) {
            Some((label, value)) => (Some(label), value),
            None => (open, line),
        };
        open = label;
        all.staff_alone &=
            matches!(label, Some(Label::Name | Label::Address | Label::Accepts)) || value.is_empty();
        if value.is_empty() {
            continue;
        }
        if let Some(label) = open.take() {
            all.take(label, value);
        }
    }
    all
}

impl Answers {
    fn take(&mut self, label: Label, value: &str) {
        match label {
            Label::Name if self.name.is_none() => {
                let name: String = value.chars().filter(|c| !c.is_control()).take(100).collect();
                self.name = Some(name).filter(|name| !name.trim().is_empty());
            }
            Label::Address if self.address.is_none() => self.address = value.parse().ok(),
            Label::Accepts if self.accepts.is_none() => self.accepts = value.parse().ok(),
            Label::Org if self.org.is_none() => self.org = value.to_ascii_lowercase().parse().ok(),
            Label::Leak(field) if !self.leak.contains(&field) => self.leak.push(field),
            Label::Name | Label::Address | Label::Accepts | Label::Org | Label::Leak(_) => {}
        }
    }
}

fn labelled(line: &str) -> Option<(Label, &str)> {
    let (label, value) = line.split_once(':')?;
    let label = label.trim().to_ascii_lowercase().replace([' ', '_'], "-");
    let label = match label.as_str() {
        "name" => Label::Name,
        "address" => Label::Address,
        "accepts" => Label::Accepts,
        "organisation" | "organization" => Label::Org,
        "what" => Label::Leak(BreachField::What),
        "to-whom" => Label::Leak(BreachField::ToWhom),
        "prevention" => Label::Leak(BreachField::Prevention),
        _ => return None,
    };
    Some((label, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Answers {
        answers(text.lines())
    }

    #[test]
    fn a_label_is_answered_on_its_line_or_below_it() {
        let hash = TextHash::of("terms");
        let read = of(&format!(
            "Name: Erin Example\r\nADDRESS:\r\n  erin@distro.example\r\n\
             Accepts: {hash}\r\n"
        ));
        assert_eq!(read.name.as_deref(), Some("Erin Example"));
        assert_eq!(read.address, Some("erin@distro.example".parse().unwrap()));
        assert_eq!((read.accepts, &read.leak, read.staff_alone), (Some(hash), &vec![], true));
        assert!(!of("Name: Erin\n\nBy the way, it leaks.\n").staff_alone);
        assert!(!of("Name: Erin\nWhat: it leaks\n").staff_alone);
    }

    #[test]
    fn of_a_leak_only_that_it_is_said_is_taken() {
        let said = |text: &str| of(text).leak;
        use BreachField::{Prevention, ToWhom, What};
        assert_eq!(
            said("What: the patch\nTo whom: a vendor\nPrevention:\n\n  training\n"),
            [What, ToWhom, Prevention]
        );
        assert_eq!(
            said("What:\nTo whom:\nPrevention: training\n"),
            [Prevention],
            "an empty label answers nothing"
        );
        assert_eq!(said("> What: quoted\nto-whom: all\n-- \nPrevention: in the signature\n"), [ToWhom]);
        assert!(!format!("{:?}", of("What: the patch\n")).contains("patch"));
    }
}
