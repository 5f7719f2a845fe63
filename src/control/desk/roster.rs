//! The roster as files: what goes out is signed by the lists' keys, what comes in is shown first.

mod import;
mod plan;
mod source;

use super::acting::Acting;
use super::refusal::Refused;
use super::{Desk, Reply};
use crate::control::wire::{Answer, ErrorKind, RosterAnswer, RosterFile, RosterRequest};
use crate::id::{Fingerprint, ListName};
use crate::pgp::seal::SealError;
use crate::pgp::text::{sign_text, signature_of};
use crate::roster::exchange::directory::{self, NoRoster};
use crate::roster::exchange::{Portable, manifest};

impl Desk {
    pub(super) fn roster(&self, request: RosterRequest, actor: &Acting) -> Reply {
        match request {
            RosterRequest::Export { list, kept } => self.roster_export(list.as_ref(), &kept),
            RosterRequest::Certificates { certificates } => self.roster_certificates(&certificates),
            RosterRequest::Import { source, skip, bring_back, agreed } => {
                self.roster_import(source, (skip, bring_back), agreed.as_deref(), actor)
            }
        }
    }

    fn roster_export(&self, only: Option<&ListName>, kept: &[RosterFile]) -> Reply {
        self.known(only)?;
        let lists = self.lists.iter().filter(|list| list.kind.takes_mail()).map(|list| &list.name);
        let lists: Vec<&ListName> = lists.filter(|list| only.is_none_or(|only| only == *list)).collect();
        let roster = self.registry.roster()?.roster;
        let mut portable = Portable::of(&roster, lists.iter().copied(), only.is_none());
        for fingerprint in portable.fingerprints().collect::<Vec<_>>() {
            if let Some(cert) = self.certs.get(fingerprint)? {
                portable.certs.insert(fingerprint, cert.armored());
            }
        }
        let mut files = directory::render(&portable)?;
        let manifest = manifest::render(&files);
        let certificates: Vec<Fingerprint> = portable.certs.keys().copied().collect();
        for fingerprint in &certificates {
            files.remove(&directory::certificate(*fingerprint));
        }
        for list in lists {
            let Some(key) = self.keys.list(list) else { continue };
            let (name, now) = (format!("{}.{list}.asc", manifest::NAME), self.clock.now());
            // The same roster gives the same bytes, the signatures among them, as long as they hold.
            let before = kept.iter().find(|file| file.path == name).map(|file| file.text.clone());
            let before =
                before.filter(|armored| signature_of(&manifest, armored, &[key.cert()], now).is_some());
            let signature = before.map_or_else(|| sign_text(&manifest, &key, now), Ok)?;
            files.insert(name, signature);
        }
        files.insert(manifest::NAME.to_owned(), manifest);
        let files = files.into_iter().map(|(path, text)| RosterFile { path, text }).collect();
        Ok(Answer::Roster(Box::new(RosterAnswer::Exported { files, certificates })))
    }

    fn roster_certificates(&self, wanted: &[Fingerprint]) -> Reply {
        let mut files = Vec::new();
        for fingerprint in wanted {
            if let Some(cert) = self.certs.get(*fingerprint)? {
                let path = directory::certificate(*fingerprint);
                files.push(RosterFile { path, text: cert.armored() });
            }
        }
        Ok(Answer::Roster(Box::new(RosterAnswer::Files(files))))
    }
}

impl From<NoRoster> for Refused {
    fn from(error: NoRoster) -> Self {
        let next = "mend the file, then have it signed again by exporting from where it came";
        Self::new(ErrorKind::Data, "this is no roster that can be read", error.to_string(), next)
    }
}

impl From<SealError> for Refused {
    fn from(error: SealError) -> Self {
        let next = "see `key ls` for the list's key";
        Self::new(ErrorKind::Config, "the roster could not be signed", error.to_string(), next)
    }
}
