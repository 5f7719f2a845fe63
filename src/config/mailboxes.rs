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
    }
    Ok(())
}
