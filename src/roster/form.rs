//! The form of an application: plain lines `Key: value`, one key for the organisation's facts and one for each criterion
//! of the list's policy. Pure; whatever bytes come, they are read or returned, naming exactly what is missing.

mod lines;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use self::lines::wrapped;
use self::lines::{floor, one_line};
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

/// The same by key: what stands in letters to others is short.
fn longest(key: &str) -> usize {
    match key {
        "title" => 100,
        "website" | "upstream" => 200,
        _ => LONGEST,
    }
}

/// With fewer keys, and not the list's name behind the first, a text is about something else.
const FEW: usize = 4;
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
            Self::TooLong(name) => write!(f, "{key}: has more than {} characters", longest(name)),
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
        named.or_else(|| own.into_iter().next())
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

/// A text that is an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The complete form, or everything that is wrong with it.
    pub form: Result<Filled, Vec<Fault>>,
    /// Whether the text says more than the form asks for.
    pub more: bool,
}

/// Whether a text may be an application: the rest of the work is done only then.
#[must_use]
pub fn is_one(text: &str) -> bool {
    text.lines().any(|line| line.split_once(':').is_some_and(|(key, _)| plain(key) == FIRST))
}

/// Reads a text: none where it is no application at all; else the complete form, or everything that is wrong with it.
#[must_use]
pub fn read(text: &str, list: &List, signer: &Signer, ours: &[&Address]) -> Option<Read> {
    let keys = keys(list);
    let (values, more) = values(text, &keys)?;
    let mut sheet = Sheet { values, faults: Vec::new() };
    // Whoever leaves the list's name out wrote to its address.
    let named = sheet.value(FIRST).filter(|named| !named.is_empty());
    if named.is_some_and(|named| !named.eq_ignore_ascii_case(list.name.as_str())) {
        // "Application: it crashes" is what people write about other things.
        if sheet.values.len() < FEW {
            return None;
        }
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
        return Some(Read { form: Err(sheet.faults), more });
    };
    let is_fact = |key: &Key| FACTS.iter().any(|(name, _)| *name == key.name);
    let answers = keys.iter().filter(|key| !is_fact(key)).map(|key| (key.name.clone(), value(&key.name)));
    let filled = Filled {
        org,
        title: value("title"),
        kind,
        website: value("website"),
        upstream: value("upstream"),
        users: value("users"),
        address,
        answers: answers.collect(),
    };
    Some(Read { form: Ok(filled), more })
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
            Some(Value::One(value)) if value.chars().count() > longest(key) => Fault::TooLong(key.to_owned()),
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
#[must_use]
pub fn is_ours(list: &Address, address: &Address) -> bool {
    let endings = ["-request", "-owner", "-reporter", "-bounces"];
    let with = |ending: &&str| list.with_suffix(ending).is_ok_and(|ours| ours.same_mailbox(address));
    list.same_mailbox(address) || endings.iter().any(with)
}

enum Value {
    One(String),
    Two,
}

/// The values by their keys, and whether the text says more than them. Only keys of the form are keys: any other line goes on
/// with the value above it, as mail programs wrap lines, until an empty one. What stands outside is kept nowhere.
fn values(text: &str, keys: &[Key]) -> Option<(BTreeMap<String, Value>, bool)> {
    let text = text.get(..floor(text, MOST)).unwrap_or_default();
    // What is quoted somebody else wrote; RFC 3676 §4.3: what follows these two hyphens and the space is a signature.
    let lines = text.lines().take_while(|line| *line != "-- ");
    let lines = lines.filter(|line| !line.trim_start().starts_with(['>', '#']));
    let (mut values, mut current, mut more) = (BTreeMap::new(), None::<(String, String)>, false);
    for line in lines {
        let key = line.split_once(':').map(|(key, value)| (plain(key), value));
        let known = key.filter(|(key, _)| key == FIRST || keys.iter().any(|known| known.name == *key));
        // An application begins with the key that says so.
        let known = known.filter(|(key, _)| key == FIRST || current.is_some() || !values.is_empty());
        match (known, &mut current) {
            (Some((key, value)), _) => {
                put(&mut values, current.take());
                current = Some((key, value.to_owned()));
            }
            (None, Some((_, value))) if !line.trim().is_empty() => {
                value.push('\n');
                value.push_str(line);
            }
            (None, _) => {
                more |= !line.trim().is_empty();
                put(&mut values, current.take());
            }
        }
    }
    put(&mut values, current);
    values.contains_key(FIRST).then_some((values, more))
}

fn put(values: &mut BTreeMap<String, Value>, one: Option<(String, String)>) {
    let Some((key, value)) = one else { return };
    let value = one_line(&value);
    let same = |earlier: &Value| matches!(earlier, Value::One(earlier) if *earlier == value);
    let new =
        if values.get(&key).is_some_and(|earlier| !same(earlier)) { Value::Two } else { Value::One(value) };
    values.insert(key, new);
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

#[cfg(test)]
mod tests;
