//! Texts that an admin records: whose signature counts, and when.

use std::io::Write;
use std::sync::Arc;

use sequoia_openpgp as openpgp;

use openpgp::cert::CertBuilder;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::SerializeInto;
use openpgp::serialize::stream::{Message, Signer};
use openpgp::types::ReasonForRevocation;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::pgp::signed_text::{Worthless, read};
use vouchsafe::time::Timestamp;

use crate::certs::revoked;
use crate::common::*;

/// The text, cleartext-signed (RFC 9580 §7).
fn signed(by: &openpgp::Cert, text: &str, at: Timestamp) -> Vec<u8> {
    let policy = StandardPolicy::at(at.system());
    let key = by.keys().with_policy(&policy, at.system()).for_signing().secret().next().unwrap();
    let mut out = Vec::new();
    let signer = Signer::new(Message::new(&mut out), key.key().clone().into_keypair().unwrap()).unwrap();
    let mut signer = signer.cleartext().creation_time(at.system()).build().unwrap();
    signer.write_all(text.as_bytes()).unwrap();
    signer.finalize().unwrap();
    out
}

fn known(cert: &openpgp::Cert) -> Vec<Arc<Cert>> {
    vec![Arc::new(Cert::parse(&cert.to_vec().unwrap()).unwrap())]
}

#[test]
fn a_key_that_was_revoked_since_it_signed_says_nothing_any_more() {
    let builder = CertBuilder::general_purpose(Some("Ada <ada@example.org>"));
    let ada = builder.set_creation_time(BORN.system()).generate().unwrap().0;
    let then = NOW.before(2 * DAY);
    let text = signed(&ada, "APPROVE b-7k2m4p6q\n", then);
    let said = read(&text, None, &known(&ada), NOW).unwrap();
    assert_eq!((said.text.trim_end(), said.made_at), ("APPROVE b-7k2m4p6q", then));
    for why in [ReasonForRevocation::KeyRetired, ReasonForRevocation::KeyCompromised] {
        let gone = revoked(&ada, NOW.before(DAY), why);
        assert_eq!(read(&text, None, &known(&gone), NOW).unwrap_err(), Worthless::Bad, "{why:?}");
    }
    assert_eq!(read(&text, None, &[], NOW).unwrap_err(), Worthless::UnknownKey);
    let changed = String::from_utf8(text).unwrap().replace("APPROVE", "OBJECT");
    assert_eq!(read(changed.as_bytes(), None, &known(&ada), NOW).unwrap_err(), Worthless::Bad);
}
