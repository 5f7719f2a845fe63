//! `[maildir.NAME]`: the folders that are watched, checked against the lists.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::Source;
use super::source::ConfigError;
use crate::ingress::maildir::settings::MaildirSettings;
use crate::ingress::pickup::{NoWhom, Whom};
use crate::mail::directory::Directory;

/// All of them, by name.
pub type Maildirs = BTreeMap<String, MaildirSettings>;

pub(super) fn resolve_paths(all: &mut Maildirs, folder: &Path) {
    for settings in all.values_mut() {
        // `join` leaves an absolute path as it is.
        settings.path = folder.join(&settings.path);
    }
}

/// What is wrong with them, by themselves and beside the lists.
pub(super) fn verify(all: &Maildirs, source: &Source, directory: &Directory) -> Result<(), ConfigError> {
    for (name, settings) in all {
        let wrong = |key: &str, what: String| Err(source.error(&["maildir", name, key], what));
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(letters) {
            let what =
                format!("\"{name}\" cannot be the name of a maildir: use a-z, 0-9 and \"-\", at most 64");
            return wrong("", what);
        }
        if settings.every < Duration::from_secs(1) {
            return wrong(
                "every",
                "every is the time between two looks: set it to \"1s\" or more".to_owned(),
            );
        }
        if let Err(error) = Whom::of(settings.recipient.as_ref(), settings.recipient_from, directory) {
            let key = if error == NoWhom::Both { "recipient_from" } else { "recipient" };
            return wrong(key, error.to_string());
        }
        let shared = all.iter().find(|(other, s)| *other != name && s.path == settings.path);
        if let Some((other, _)) = shared {
            return wrong(
                "path",
                format!("[maildir.{other}] watches the same folder: one of them is enough"),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn told(section: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relay.toml");
        let lists = "[list.security]\naddress = \"security@lists.example\"\nkind = \"intake\"\n";
        std::fs::write(&file, format!("{section}\n{lists}")).unwrap();
        match Config::load(&file) {
            Ok(config) => {
                let paths: Vec<_> = config.maildir.values().map(|m| m.path.clone()).collect();
                assert!(paths.iter().all(|path| path.is_absolute()));
                format!("{} loaded", paths.len())
            }
            Err(error) => error.what,
        }
    }

    #[test]
    fn each_mistake_is_told_with_what_is_allowed() {
        let to = "recipient = \"security-request@lists.example\"";
        assert_eq!(told(&format!("[maildir.a]\npath = \"m\"\n{to}")), "1 loaded");
        assert_eq!(told("[maildir.a]\npath = \"m\"\nrecipient_from = \"delivered-to\""), "1 loaded");
        assert!(told("[maildir.a]\npath = \"m\"").contains("recipient_from"));
        assert!(
            told("[maildir.a]\npath = \"m\"\nrecipient = \"x@y.example\"")
                .contains("is no address of a list")
        );
        assert!(told(&format!("[maildir.A]\npath = \"m\"\n{to}")).contains("a-z, 0-9"));
        let every = told(&format!("[maildir.a]\npath = \"m\"\nevery = \"100ms\"\n{to}"));
        assert!(every.contains("\"1s\" or more"), "{every}");
        let twice = format!("[maildir.a]\npath = \"m\"\n{to}\n[maildir.b]\npath = \"m\"\n{to}");
        assert!(told(&twice).contains("watches the same folder"));
    }
}
