//! GnuPG's pen: golden mails whose ciphertext gpg is to make, as most people's programs have it made.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock};

use super::forge::crlf;
use super::golden::Fixture;
use super::keys::{Gpg, secret_armor};

/// A home of gpg, made when it is first needed; keys are imported once.
#[derive(Default)]
pub(crate) struct Pen {
    gpg: OnceLock<Option<Gpg>>,
    known: Mutex<BTreeSet<String>>,
}

impl Pen {
    /// The content, signed and encrypted, in armor, lines ending in CRLF. `None` where gpg is not installed.
    pub(crate) fn write(
        &self,
        content: &[u8],
        to: &[&str],
        sign: &[&str],
        fixture: &Fixture,
    ) -> Option<Vec<u8>> {
        let gpg = self.gpg.get_or_init(|| Gpg::at(fixture.at)).as_ref()?;
        for name in to.iter().chain(sign) {
            let mut known = self.known.lock().unwrap();
            if known.insert((*name).to_owned()) {
                gpg.import(&secret_armor(fixture.cert(name)));
            }
        }
        let fingerprint = |name: &&str| fixture.cert(name).fingerprint().to_hex();
        let mut args = vec!["--armor".to_owned(), "--encrypt".to_owned()];
        args.extend(to.iter().flat_map(|name| ["--recipient".to_owned(), fingerprint(name)]));
        for name in sign {
            args.extend(["--sign".to_owned(), "--local-user".to_owned(), fingerprint(name)]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Some(crlf(&gpg.ok(&args, content)))
    }
}
