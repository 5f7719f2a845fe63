//! The form of an application: plain lines `Key: value`, one key for the organisation's facts and one for each criterion
//! of the list's policy. Pure; whatever bytes come, they are read or returned, naming exactly what is missing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::id::OrgName;
use crate::mail::address::Address;
use crate::mail::list::List;
use crate::policy::Strictness;
use crate::roster::application::Filled;
use crate::roster::org::OrgKind;
use crate::roster::role_address;

/// The key that makes a text an application.
const FIRST: &str = "application";
/// The longest value, in characters: what is longer belongs on a page that the value links.
const LONGEST: usize = 2_000;
/// So much of a text is looked at, in bytes.
const MOST: usize = 256 * 1024;

/// The organisation's facts: key and wording.
const FACTS: [(&str, &str); 7] = [
    ("organisation", "Your organisation's short name, 1 to 40 of a-z, 0-9 and inner hyphens"),
    ("title", "Your organisation's name in full"),
    ("kind", "What it is: distribution, vendor, service, project or other"),
    ("website", "Its website"),
    ("upstream", "Whose product you rebuild; \"none\" if it is nobody's"),
    ("users", "Who uses what you make, beyond your own organisation"),
    ("contact", "The address that copies go to; it has to be in your certificate"),
];

/// The wording of the criteria that are built in.
const CRITERIA: [(&str, &str); 8] = [
    ("monitored-alias", "Who reads the contact address, and how soon: it has to be monitored"),
    ("external-user-base", "Evidence of users outside your own organisation"),
    ("fix-track-record", "Links to security fixes that you published, up to now"),
    ("not-downstream", "That you are not downstream or a rebuild of another distribution"),
    ("active-contributor", "How you contribute to the community: links"),
    ("accept-embargo", "That you accept the embargo policy: \"yes\""),
    ("contribute-back", "What you will contribute back to the list"),
    ("vouched", "Who on the list vouches for you: the member's organisation, or its contact"),
];

/// One key of a list's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// As it is written, in lower case.
    pub name: String,
    /// What it asks for.
    pub wording: String,
}

/// What is wrong with a form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The key is not there, or nothing stands behind it.
    Missing(String),
    /// It stands there more than once, and with different values.
    Twice(String),
    /// Its value is too long.
    TooLong(String),
    /// The organisation's short name is none.
    NoName,
    /// The kind is none of the known ones.
    NoKind,
    /// The contact is no role address, where the policy takes nothing else.
    NoRole(String),
    /// The contact is no address.
    NoAddress,
    /// The contact is not in the certificate that signed, nor the protected From.
    NotYours,
    /// The contact is an address of the lists themselves.
    Ours,
    /// It is for another list.
    OtherList,
}

impl Fault {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Missing(key) | Self::Twice(key) | Self::TooLong(key) => key,
            Self::NoName => "organisation",
            Self::NoKind => "kind",
            Self::NoAddress | Self::NotYours | Self::Ours | Self::NoRole(_) => "contact",
            Self::OtherList => FIRST,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = capital(self.key());
        match self {
            Self::Missing(_) => write!(f, "{key}: is missing"),
            Self::Twice(_) => write!(f, "{key}: stands there twice"),
            Self::TooLong(_) => write!(f, "{key}: has more than {LONGEST} characters"),
            Self::NoName => write!(f, "{key}: has to be 1 to 40 of a-z, 0-9 and inner hyphens"),
            Self::NoKind => {
                write!(f, "{key}: has to be one of distribution, vendor, service, project, individual, other")
            }
            Self::NoRole(why) => write!(f, "{key}: is {why}"),
            Self::NoAddress => write!(f, "{key}: is not one mail address"),
            Self::NotYours => write!(f, "{key}: is not an address in the certificate that signed"),
            Self::Ours => write!(f, "{key}: is an address of this relay"),
            Self::OtherList => write!(f, "{key}: names another list"),
        }
    }
}

/// Who signed the form, as far as it says where copies may go.
#[derive(Clone, Debug, Default)]
pub struct Signer {
    /// The addresses in the certificate's User IDs.
    pub emails: Vec<String>,
    /// The protected From.
    pub from: Option<String>,
}

impl Signer {
    /// Whether they answer for this address.
    #[must_use]
    pub fn has(&self, address: &Address) -> bool {
        let same = |text: &String| text.parse::<Address>().is_ok_and(|own| own.same_mailbox(address));
        self.emails.iter().any(same) || self.from.as_ref().is_some_and(same)
    }

    /// Where an answer reaches them: where they wrote from if the certificate has it, else where the certificate says.
    #[must_use]
    pub fn reached(&self) -> Option<Address> {
        let from = self.from.as_ref().and_then(|from| from.parse::<Address>().ok());
        let own: Vec<Address> = self.emails.iter().filter_map(|email| email.parse().ok()).collect();
        let named = from.as_ref().filter(|from| own.iter().any(|own| own.same_mailbox(from))).cloned();
        named.or_else(|| own.into_iter().next()).or(from)
    }
}

/// The keys of a list's form, in their order.
#[must_use]
pub fn keys(list: &List) -> Vec<Key> {
    let rules = list.membership();
    let fact =
        |(name, wording): &(&str, &str)| Key { name: (*name).to_owned(), wording: (*wording).to_owned() };
    let mut keys: Vec<Key> = FACTS.iter().map(fact).collect();
    for criterion in &rules.criteria {
        let name = criterion.as_str();
        let own = rules.own.get(name).map(|text| text.as_str().to_owned());
        let built_in = CRITERIA.iter().find(|(known, _)| *known == name).map(|(_, wording)| *wording);
        let wording = own.or_else(|| built_in.map(ToOwned::to_owned)).unwrap_or_default();
        let name = plain(name);
        if !keys.iter().any(|key| key.name == name) {
            keys.push(Key { name, wording });
        }
    }
    keys
}

/// An empty form. Its comments are ignored when it comes back.
#[must_use]
pub fn text(list: &List) -> String {
    let how = format!(
        "To apply for {}, fill this in and send it to {}, encrypted to the list, signed with your key, your certificate \
         attached. A value may go on in the next lines. Lines with # are not read.",
        list.title,
        list.request()
    );
    let how: String = wrapped(&how, 74).iter().map(|line| format!("# {line}\n")).collect();
    let mut text = format!("{how}\n{}: {}\n", capital(FIRST), list.name);
    for key in keys(list) {
        text += &lines_for(&key);
    }
    text
}

/// The lines of one key, empty.
#[must_use]
pub fn lines_for(key: &Key) -> String {
    let mut text = "\n".to_owned();
    for line in wrapped(&key.wording, 74) {
        text += &format!("# {line}\n");
    }
    text + &format!("{}:\n", capital(&key.name))
}

/// Reads a text: none where it is no application at all; else the complete form, or everything that is wrong with it.
#[must_use]
pub fn read(
    text: &str,
    list: &List,
    signer: &Signer,
    ours: &[&Address],
) -> Option<Result<Filled, Vec<Fault>>> {
    let keys = keys(list);
    let mut sheet = Sheet { values: values(text, &keys)?, faults: Vec::new() };
    // Whoever leaves the list's name out wrote to its address.
    let named = sheet.value(FIRST).filter(|named| !named.is_empty());
    if named.is_some_and(|named| !named.eq_ignore_ascii_case(list.name.as_str())) {
        sheet.faults.push(Fault::OtherList);
    }
    let taken: BTreeMap<&str, String> =
        keys.iter().filter_map(|key| Some((key.name.as_str(), sheet.take(&key.name)?))).collect();
    let value = |key: &str| taken.get(key).cloned().unwrap_or_default();
    let org: Option<OrgName> = sheet.parsed(taken.get("organisation"), Fault::NoName);
    let kind: Option<OrgKind> = sheet.parsed(taken.get("kind"), Fault::NoKind);
    let contact = taken.get("contact").map(|contact| contact.trim_matches(['<', '>']).to_owned());
    let address: Option<Address> = sheet.parsed(contact.as_ref(), Fault::NoAddress);
    sheet.faults.extend(address.as_ref().and_then(|address| against(address, list, signer, ours)));
    let (true, Some(org), Some(kind), Some(address)) = (sheet.faults.is_empty(), org, kind, address) else {
        return Some(Err(sheet.faults));
    };
    let is_fact = |key: &Key| FACTS.iter().any(|(name, _)| *name == key.name);
    let answers = keys.iter().filter(|key| !is_fact(key)).map(|key| (key.name.clone(), value(&key.name)));
    Some(Ok(Filled {
        org,
        title: value("title"),
        kind,
        website: value("website"),
        upstream: value("upstream"),
        users: value("users"),
        address,
        answers: answers.collect(),
    }))
}

/// What speaks against a contact address.
fn against(address: &Address, list: &List, signer: &Signer, ours: &[&Address]) -> Option<Fault> {
    if ours.iter().any(|ours| is_ours(ours, address)) {
        return Some(Fault::Ours);
    }
    if !signer.has(address) {
        return Some(Fault::NotYours);
    }
    let rules = list.membership();
    let flag =
        role_address::flag(address, rules).filter(|_| rules.not_role_address == Some(Strictness::Block));
    flag.map(|flag| Fault::NoRole(flag.to_string()))
}

/// What a form says, and what is wrong with it so far.
struct Sheet {
    values: BTreeMap<String, Value>,
    faults: Vec<Fault>,
}

impl Sheet {
    fn value(&self, key: &str) -> Option<&String> {
        match self.values.get(key) {
            Some(Value::One(value)) => Some(value),
            Some(Value::Two) | None => None,
        }
    }

    /// A value that has to be there.
    fn take(&mut self, key: &str) -> Option<String> {
        let fault = match self.values.get(key) {
            Some(Value::One(value)) if value.chars().count() > LONGEST => Fault::TooLong(key.to_owned()),
            Some(Value::One(value)) if !value.is_empty() => return Some(value.clone()),
            Some(Value::Two) => Fault::Twice(key.to_owned()),
            Some(Value::One(_)) | None => Fault::Missing(key.to_owned()),
        };
        self.faults.push(fault);
        None
    }

    /// What a value names, if it was there.
    fn parsed<T: FromStr>(&mut self, value: Option<&String>, otherwise: Fault) -> Option<T> {
        let parsed = value?.to_lowercase().parse().ok();
        if parsed.is_none() {
            self.faults.push(otherwise);
        }
        parsed
    }
}

/// Whether an address is one of a list: its posting address, or that with an ending.
fn is_ours(list: &Address, address: &Address) -> bool {
    let endings = ["-request", "-owner", "-reporter", "-bounces"];
    let with = |ending: &&str| list.with_suffix(ending).is_ok_and(|ours| ours.same_mailbox(address));
    list.same_mailbox(address) || endings.iter().any(with)
}

enum Value {
    One(String),
    Two,
}

/// The values by their keys. Only keys of the form are keys: any other line goes on with the value above it, as mail
/// programs wrap lines.
fn values(text: &str, keys: &[Key]) -> Option<BTreeMap<String, Value>> {
    let text = text.get(..floor(text, MOST)).unwrap_or_default();
    // What is quoted somebody else wrote; RFC 3676 §4.3: what follows these two hyphens and the space is a signature.
    let lines = text.lines().take_while(|line| *line != "-- ");
    let lines = lines.filter(|line| !line.trim_start().starts_with(['>', '#']));
    let (mut values, mut current) = (BTreeMap::new(), None::<(String, String)>);
    for line in lines {
        let key = line.split_once(':').map(|(key, value)| (plain(key), value));
        let known = key.filter(|(key, _)| key == FIRST || keys.iter().any(|known| known.name == *key));
        match known {
            Some((key, _)) if current.is_none() && values.is_empty() && key != FIRST => {}
            Some((key, value)) => {
                put(&mut values, current.take());
                current = Some((key, value.to_owned()));
            }
            None => {
                if let Some((_, value)) = &mut current {
                    value.push('\n');
                    value.push_str(line);
                }
            }
        }
    }
    put(&mut values, current);
    values.contains_key(FIRST).then_some(values)
}

fn put(values: &mut BTreeMap<String, Value>, one: Option<(String, String)>) {
    let Some((key, value)) = one else { return };
    let value = one_line(&value);
    let same = |earlier: &Value| matches!(earlier, Value::One(earlier) if *earlier == value);
    let new =
        if values.get(&key).is_some_and(|earlier| !same(earlier)) { Value::Two } else { Value::One(value) };
    values.insert(key, new);
}

/// One line of text that hides and turns nothing: no control characters.
fn one_line(text: &str) -> String {
    let seen: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A key as it is compared.
fn plain(key: &str) -> String {
    let key = key.trim().trim_matches('*').to_lowercase();
    key.split(|c: char| c.is_whitespace() || c == '_').collect::<Vec<_>>().join("-")
}

/// A key as it is shown: `Fix-Track-Record`.
#[must_use]
pub fn capital(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut first = true;
    for c in key.chars() {
        if first {
            out.extend(c.to_uppercase())
        } else {
            out.push(c)
        }
        first = c == '-';
    }
    out
}

/// A text in lines of at most so many characters; a longer word stands alone, cut.
#[must_use]
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: &str = word;
        while word.chars().count() > width {
            let at = word.char_indices().nth(width).map_or(word.len(), |(at, _)| at);
            let (head, tail) = word.split_at(at);
            lines.push(head.to_owned());
            word = tail;
        }
        let fits = lines.last().is_some_and(|line| line.chars().count() + word.chars().count() < width);
        match lines.last_mut().filter(|_| fits) {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// The nearest boundary between characters that is not behind this byte.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
