//! What signed statements about the roster say: lines of a fixed form, so that nobody has to guess what a text means.
//!
//! ```text
//! APPROVE b-…            OBJECT b-…
//! APPOINT fingerprint TO list
//! REPLACE fingerprint BY fingerprint ON list
//! ```

use crate::id::{BallotId, Fingerprint};
use crate::mail::list::List;
use crate::roster::ballot::Choice;
use crate::time::Timestamp;

/// A text that somebody signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The certificate that signed it.
    pub signer: Fingerprint,
    /// When.
    pub made_at: Timestamp,
    /// What it says.
    pub text: String,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// A vote.
    Vote(Choice, BallotId),
    /// Somebody is to be of a list's team.
    Appoint(Fingerprint, String),
    /// Somebody is to come in the place of somebody else.
    Replace(Fingerprint, Fingerprint, String),
}

/// The lines that say something; the others are for people.
#[must_use]
pub fn said(text: &str) -> Vec<Says> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Says> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (verb, rest) = words.split_first()?;
    let is = |word: &str, what: &str| word.eq_ignore_ascii_case(what);
    let at = |what: &str| rest.iter().position(|word| is(word, what));
    // gpg shows fingerprints in groups.
    let cert = |words: &[&str]| words.concat().parse::<Fingerprint>().ok();
    let place = |words: &[&str]| match words {
        [_, place] => Some(place.to_ascii_lowercase()),
        _ => None,
    };
    match () {
        () if is(verb, "APPROVE") || is(verb, "OBJECT") => {
            let [ballot] = rest else { return None };
            let choice = if is(verb, "APPROVE") { Choice::Approve } else { Choice::Object };
            Some(Says::Vote(choice, ballot.parse().ok()?))
        }
        () if is(verb, "APPOINT") => {
            let (who, to) = rest.split_at_checked(at("TO")?)?;
            Some(Says::Appoint(cert(who)?, place(to)?))
        }
        () if is(verb, "REPLACE") => {
            let (old, more) = rest.split_at_checked(at("BY")?)?;
            let (new, on) = more.split_at_checked(at("ON")?.checked_sub(old.len())?)?;
            Some(Says::Replace(cert(old)?, cert(new.get(1..)?)?, place(on)?))
        }
        () => None,
    }
}

/// Whether these words name the list: its name or its address.
#[must_use]
pub fn names(list: &List, words: &str) -> bool {
    words.eq_ignore_ascii_case(list.name.as_str()) || words.eq_ignore_ascii_case(&list.address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_form_say_something() {
        let (one, two) = (Fingerprint::V4([0xAB; 20]), Fingerprint::V4([0xCD; 20]));
        let grouped: String = one
            .to_string()
            .as_bytes()
            .chunks(4)
            .fold(String::new(), |all, group| all + std::str::from_utf8(group).unwrap() + " ");
        let ballot: BallotId = "b-1".parse().unwrap();
        let text = format!(
            "We met on Monday.\n  approve b-1\nI do not APPROVE b-1\nAPPOINT {grouped}TO security@lists.example\n\
             REPLACE {one} by {two} on security\nAPPOINT {one}\nAPPOINT x TO y\nOBJECT b-1 now\n> OBJECT b-1\n"
        );
        assert_eq!(
            said(&text),
            [
                Says::Vote(Choice::Approve, ballot),
                Says::Appoint(one, "security@lists.example".to_owned()),
                Says::Replace(one, two, "security".to_owned()),
            ]
        );
    }
}
