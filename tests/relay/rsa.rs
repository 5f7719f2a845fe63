//! A list whose imported key is RSA: what others' packets do to it.

use vouchsafe::id::Entropy;
use vouchsafe::mime::read::read;
use vouchsafe::mime::scan::scan;
use vouchsafe::pgp::keyring::{KeyDir, Passphrase};
use vouchsafe::pgp::open::{Closed, How, Limits, open};
use vouchsafe::secret::Plaintext;

use sequoia_openpgp::cert::{CertBuilder, CipherSuite};

use crate::ENTITY;
use crate::support::forge::{Form, encrypted, mail, signed};
use crate::support::keys::DAY;
use crate::support::world::NOW;

#[test]
fn packets_for_hidden_others_are_tried_and_break_nothing() {
    let rsa = |name: &str| {
        let builder = CertBuilder::general_purpose([name]).set_creation_time(NOW.before(DAY).system());
        builder.set_cipher_suite(CipherSuite::RSA2k).generate().unwrap().0
    };
    let (own, other) = (rsa("list@lists.example"), rsa("other@other.example"));
    let (dir, pass) = (tempfile::tempdir().unwrap(), Passphrase::random(&Entropy::kernel()));
    let (keys, list) = (KeyDir::new(dir.path()), "rsa".parse().unwrap());
    let secret =
        crate::support::keys::Person { name: String::new(), address: String::new(), key: own.clone() };
    keys.import_list(&list, &Plaintext::new(secret.secret_armor()), None, &pass, NOW).unwrap();
    let key = keys.load_list(&list, &pass).unwrap();
    let how = |to: &[sequoia_openpgp::Cert]| {
        let message = encrypted(&signed(ENTITY, &[]), to, NOW, Form { hidden: true, v2: false });
        let raw = mail("Subject: x\r\n", &message);
        let limits = Limits::default();
        open(&read(scan(&raw, &limits.mime).unwrap()).ok().unwrap(), &key, &[], NOW, &limits).how()
    };
    // A wrong RSA key gives random bytes, too few of them about one time in a hundred: so many tries are enough.
    for _ in 0..15 {
        assert_eq!(how(&vec![other.clone(); 32]), How::Closed(Closed::NoKey));
    }
    let mut last = vec![other; 31];
    last.push(own);
    assert_eq!(how(&last), How::PgpMime);
}
