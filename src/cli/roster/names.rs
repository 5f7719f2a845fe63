//! Names that other programs do not have: of organisations, from what is there.

use crate::control::wire::{Address, OrgName};
use crate::id::Fingerprint;

/// The longest name of an organisation.
const LONGEST: usize = 40;

/// An organisation's name and its title: what is given, or else the domain of the address.
pub(super) fn org_of(given: Option<&str>, address: &Address) -> Result<(OrgName, String), String> {
    let title = given.unwrap_or(address.domain().as_str());
    let name = short(title)
        .parse()
        .map_err(|_| format!("\"{title}\" has no letter that a name could be made of"))?;
    Ok((name, title.to_owned()))
}

/// A title as a short name: lower case, and a hyphen for whatever is no letter or digit.
fn short(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(LONGEST);
    name.trim_end_matches('-').to_owned()
}

/// A whole fingerprint, also as GnuPG and Schleuder write it.
pub(super) fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    let bare = text.strip_prefix("0x").unwrap_or(text);
    bare.parse().map_err(|_| format!("\"{text}\" is no whole fingerprint of 40 or 64 hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_what_is_there() {
        let address: Address = "psirt@security.acme.example".parse().unwrap();
        let named =
            |given: Option<&str>| org_of(given, &address).map(|(name, title)| (name.to_string(), title));
        let acme =
            |title: &str, name: &str| assert_eq!(named(Some(title)), Ok((name.to_owned(), title.to_owned())));
        acme("Acme Linux GmbH & Co. KG", "acme-linux-gmbh-co-kg");
        acme("  A.B ", "a-b");
        acme("Bär", "b-r");
        acme(&"long name ".repeat(9), "long-name-long-name-long-name-long-name");
        assert_eq!(named(None), Ok(("security-acme-example".to_owned(), "security.acme.example".to_owned())));
        assert!(named(Some("日本")).is_err());
    }

    #[test]
    fn only_a_whole_fingerprint_is_one() {
        let key = "59C71FB38AEE22E091C78259D06350440F759BD3";
        for good in [key.to_owned(), format!("0x{key}"), key.to_ascii_lowercase()] {
            assert_eq!(fingerprint(&good).unwrap().to_string(), key);
        }
        for bad in ["0x0F759BD3", "", "D06350440F759BD3", "xyz"] {
            assert!(fingerprint(bad).is_err(), "{bad}");
        }
    }
}
