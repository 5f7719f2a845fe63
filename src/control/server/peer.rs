//! Who may ask: root, the daemon's own user, and the members of one group.
//!
//! The kernel says who the peer is (`SO_PEERCRED`: user and primary group at the moment of connecting); which further
//! groups that user is in is read from `/etc/group`, anew for each connection, so that a removed admin is out at once.
//! A group that exists only in a directory service (LDAP) is named in the settings by its number, and then admits those
//! who have it as their primary group (`sg` or `newgrp` make it so).

use std::fs;

use crate::control::wire::{Answer, ErrorKind, Peer};
use crate::group::{GROUP_FILE, Group, GroupError, entries};

const PASSWD_FILE: &str = "/etc/passwd";

/// What the kernel says of the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credentials {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Who may ask.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    own_uid: u32,
    /// The admitted group as it was when the daemon started.
    group: Option<Group>,
}

impl Gate {
    /// A gate for root, this process's user, and the named group.
    ///
    /// # Errors
    /// When the group does not exist, or `/etc/group` cannot be read.
    pub(super) fn new(group: Option<&str>) -> Result<Self, GroupError> {
        let own_uid = rustix::process::geteuid().as_raw();
        let group = group.map(Group::find).transpose()?;
        Ok(Self { own_uid, group })
    }

    /// The number of the admitted group.
    pub(super) fn gid(&self) -> Option<u32> {
        self.group.as_ref().map(|g| g.gid)
    }

    /// The peer, if it may ask; else the answer that tells it why not. Reads two small files.
    pub(super) fn admit(&self, peer: Credentials) -> Result<Peer, Answer> {
        let name = fs::read_to_string(PASSWD_FILE).ok().and_then(|text| user_name(&text, peer.uid));
        let groups = fs::read_to_string(GROUP_FILE).unwrap_or_default();
        self.judge(peer, name, &groups)
    }

    fn judge(&self, peer: Credentials, name: Option<String>, groups: &str) -> Result<Peer, Answer> {
        let in_group = self.group.as_ref().is_some_and(|group| {
            peer.gid == group.gid || name.as_deref().is_some_and(|user| lists_member(groups, group.gid, user))
        });
        if peer.uid == 0 || peer.uid == self.own_uid || in_group {
            return Ok(Peer { uid: peer.uid, name });
        }
        Err(self.refusal(peer.uid, name.as_deref()))
    }

    fn refusal(&self, uid: u32, name: Option<&str>) -> Answer {
        let who = name.map_or_else(|| format!("user {uid}"), |name| format!("user {name} ({uid})"));
        let (why, next) = match &self.group {
            Some(Group { name, .. }) => (
                format!("only root, the daemon's own user and members of the group \"{name}\" are"),
                format!("run it with sudo, or have root add you: usermod -aG {name} USER, then log in anew"),
            ),
            None => (
                "only root and the daemon's own user are, because [control] group is not set".to_owned(),
                "run it with sudo, or set [control] group in the daemon's configuration and restart it"
                    .to_owned(),
            ),
        };
        Answer::Error {
            code: ErrorKind::NoPermission,
            what: format!("{who} is not allowed to administer this relay"),
            why,
            next,
        }
    }
}

fn lists_member(groups: &str, gid: u32, user: &str) -> bool {
    entries(groups).filter(|e| e.id == gid).any(|e| e.rest.split(',').any(|member| member.trim() == user))
}

fn user_name(passwd: &str, uid: u32) -> Option<String> {
    entries(passwd).find(|e| e.id == uid).map(|e| e.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "root:x:0:\n# note\nvouchsafe:x:990:ada,ben\nstaff:x:50:eve\n";

    fn gate(group: Option<(&str, u32)>) -> Gate {
        Gate { own_uid: 500, group: group.map(|(name, gid)| Group { name: name.to_owned(), gid }) }
    }

    fn ask(gate: &Gate, uid: u32, gid: u32, name: Option<&str>) -> Result<Peer, Answer> {
        gate.judge(Credentials { uid, gid }, name.map(str::to_owned), GROUPS)
    }

    #[test]
    fn root_the_daemon_and_the_group_may_and_nobody_else() {
        let gate = gate(Some(("vouchsafe", 990)));
        assert!(ask(&gate, 0, 0, Some("root")).is_ok());
        assert!(ask(&gate, 500, 500, None).is_ok(), "the daemon's own user");
        assert!(ask(&gate, 1000, 990, Some("zoe")).is_ok(), "primary group");
        assert!(ask(&gate, 1001, 1001, Some("ben")).is_ok(), "supplementary group");
        assert!(ask(&gate, 1002, 50, Some("eve")).is_err(), "another group");
        assert!(ask(&gate, 1003, 1003, Some("ad")).is_err(), "a part of a name is no name");
        assert!(ask(&gate, 1004, 1004, None).is_err());
    }

    #[test]
    fn without_a_group_only_root_and_the_daemon_may() {
        let gate = gate(None);
        assert!(ask(&gate, 500, 1, None).is_ok());
        assert!(ask(&gate, 1001, 990, Some("ben")).is_err());
        assert!(ask(&gate, 1001, 0, Some("ben")).is_err(), "the group of root is not root");
    }

    #[test]
    fn a_refusal_says_who_why_and_what_to_do() {
        let refused = |gate: &Gate, name| match ask(gate, 1002, 50, name) {
            Err(Answer::Error { code: ErrorKind::NoPermission, what, why, next }) => (what, why, next),
            other => panic!("{other:?}"),
        };
        let (what, why, next) = refused(&gate(Some(("vouchsafe", 990))), Some("eve"));
        assert_eq!(what, "user eve (1002) is not allowed to administer this relay");
        assert!(why.contains("group \"vouchsafe\""), "{why}");
        assert!(next.contains("usermod -aG vouchsafe"), "{next}");
        let (what, why, next) = refused(&gate(None), None);
        assert_eq!(what, "user 1002 is not allowed to administer this relay");
        assert!(why.contains("[control] group is not set"), "{why}");
        assert!(next.contains("sudo"), "{next}");
    }

    #[test]
    fn a_user_is_found_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nada:x:7:7::/:/bin/sh\n";
        assert_eq!(user_name(users, 7).as_deref(), Some("ada"));
        assert_eq!(user_name(users, 8), None);
    }
}
