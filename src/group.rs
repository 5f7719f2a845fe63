//! The groups and users of this machine.

use std::fs;
use std::io;
use std::path::Path;

/// Where they are listed (group(5)).
pub(crate) const GROUP_FILE: &str = "/etc/group";

/// A group that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// As it is named in the settings.
    pub name: String,
    /// Its number.
    pub gid: u32,
}

/// Why there is no such group.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// Nobody of this name.
    #[error("there is no group \"{0}\" in /etc/group")]
    Unknown(String),
    /// The list of groups is not to be had.
    #[error("/etc/group cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

impl Group {
    /// The group with this name in `/etc/group`, or with this number wherever it may be listed (a directory service).
    ///
    /// # Errors
    /// When there is none, or `/etc/group` cannot be read.
    pub fn find(name: &str) -> Result<Self, GroupError> {
        find_in(name, Path::new(GROUP_FILE))
    }
}

/// Where users are listed (passwd(5)).
const PASSWD_FILE: &str = "/etc/passwd";

/// A user that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
}

impl User {
    /// The user with this name in `/etc/passwd`; none when there is none, or the file cannot be read.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        user_in(name, &fs::read_to_string(PASSWD_FILE).ok()?)
    }
}

fn user_in(name: &str, passwd: &str) -> Option<User> {
    let entry = entries(passwd).find(|entry| entry.name == name)?;
    Some(User { uid: entry.id, gid: entry.rest.split(':').next()?.parse().ok()? })
}

fn find_in(name: &str, file: &Path) -> Result<Group, GroupError> {
    if let Ok(gid) = name.parse() {
        return Ok(Group { name: name.to_owned(), gid });
    }
    let text = fs::read_to_string(file)?;
    let found = entries(&text).find(|entry| entry.name == name).map(|entry| entry.id);
    found.map(|gid| Group { name: name.to_owned(), gid }).ok_or_else(|| GroupError::Unknown(name.to_owned()))
}

/// One line of group(5) or passwd(5), as far as both agree: `name:password:id:rest`.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: u32,
    pub(crate) rest: &'a str,
}

/// The lines of group(5) or passwd(5); what is none is left out.
pub(crate) fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.splitn(4, ':');
        let (name, _, id, rest) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        Some(Entry { name, id: id.parse().ok()?, rest })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_number_and_a_group() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nvouchsafe:x:991:990:Relay:/:/usr/sbin/nologin\n";
        assert_eq!(user_in("vouchsafe", passwd), Some(User { uid: 991, gid: 990 }));
        assert_eq!(user_in("postfix", passwd), None);
    }

    #[test]
    fn a_group_is_found_by_name_or_number() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("group");
        fs::write(&file, "root:x:0:\n# note\nvouchsafe:x:990:ada,ben\nstaff:x:50:eve\n").unwrap();
        assert_eq!(find_in("vouchsafe", &file).unwrap().gid, 990);
        assert_eq!(find_in("4242", &file).unwrap().gid, 4242);
        let told = |name: &str, file: &Path| find_in(name, file).unwrap_err().to_string();
        assert_eq!(told("vouch", &file), "there is no group \"vouch\" in /etc/group");
        assert!(told("vouch", &dir.path().join("missing")).contains("cannot be read"));
    }
}
