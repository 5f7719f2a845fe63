//! `[imap.NAME]`: the mailboxes from which mail is fetched, checked against the lists.

use std::collections::BTreeMap;
use std::path::Path;

use super::Source;
use super::source::ConfigError;
use crate::ingress::imap::settings::Settings;
use crate::ingress::pickup::{NoWhom, Whom};
use crate::mail::directory::Directory;

/// All of them, by name.
pub type Mailboxes = BTreeMap<String, Settings>;

pub(super) fn resolve_paths(all: &mut Mailboxes, folder: &Path) {
    for settings in all.values_mut() {
        for path in [settings.ca_file.as_mut(), settings.password_file.as_mut()].into_iter().flatten() {
            // `join` leaves an absolute path as it is.
            *path = folder.join(&*path);
        }
    }
}

/// What is wrong with them, by themselves and beside the lists.
pub(super) fn verify(all: &Mailboxes, source: &Source, directory: &Directory) -> Result<(), ConfigError> {
    for (name, settings) in all {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(letters) {
            let what =
                format!("\"{name}\" cannot be the name of a mailbox: use a-z, 0-9 and \"-\", at most 64");
            return Err(source.error(&["imap", name], what));
        }
        if let Some((key, what)) = settings.problem() {
            return Err(source.error(&["imap", name, key], what));
        }
        if let Err(error) = Whom::of(settings.recipient.as_ref(), settings.recipient_from, directory) {
            let key = if error == NoWhom::Both { "recipient_from" } else { "recipient" };
            return Err(source.error(&["imap", name, key], error.to_string()));
        }
        // Each keeps marks of its own: both would take in every mail.
        let shared = all.iter().find(|(other, s)| *other != name && is_same(s, settings));
        if let Some((other, _)) = shared {
            let what = format!(
                "[imap.{other}] fetches from the same mailbox of the same user, host and port: one of them is enough"
            );
            return Err(source.error(&["imap", name, "host"], what));
        }
    }
    Ok(())
}

/// Whether both are one mailbox, as far as their names tell.
fn is_same(one: &Settings, other: &Settings) -> bool {
    // RFC 3501 §5.1: INBOX in any case is one; other names differ by theirs.
    let mailbox = |s: &Settings| match s.mailbox.eq_ignore_ascii_case("INBOX") {
        true => "INBOX".to_owned(),
        false => s.mailbox.clone(),
    };
    let host = |s: &Settings| s.host.trim_end_matches('.').to_ascii_lowercase();
    (host(one), one.port(), &one.user, mailbox(one))
        == (host(other), other.port(), &other.user, mailbox(other))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn told(more: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relay.toml");
        let list = "[list.security]\naddress = \"security@lists.example\"\nkind = \"intake\"\n";
        let one = |name: &str, host: &str, more: &str| {
            format!(
                "[imap.{name}]\nhost = \"{host}\"\nuser = \"a\"\npassword_file = \"p\"\n\
                 recipient = \"security@lists.example\"\n{more}\n"
            )
        };
        let (a, b) = (one("a", "imap.example.org", ""), one("b", "IMAP.example.org", more));
        std::fs::write(&file, format!("{a}{b}{list}")).unwrap();
        match Config::load(&file) {
            Ok(config) => format!("{} loaded", config.imap.len()),
            Err(error) => error.what,
        }
    }

    #[test]
    fn one_mailbox_is_attended_once() {
        for same in ["", "mailbox = \"Inbox\"", "port = 993"] {
            assert!(told(same).contains("fetches from the same mailbox"), "{same}: {}", told(same));
        }
        for another in ["mailbox = \"Security\"", "port = 994"] {
            assert_eq!(told(another), "2 loaded", "{another}");
        }
    }
}
