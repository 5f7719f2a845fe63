//! Which certificates are found, and what hides beside them.

use super::*;
use crate::mime::scan::{Limits, scan};

const BLOCK: &str =
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\nAAAA\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n";

fn mixed(second: &str) -> Vec<u8> {
    format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nVOUCHSAFE x\r\n--b\r\n{second}\r\n--b--\r\n"
    )
    .into_bytes()
}

fn found(entity: &[u8]) -> (usize, usize, Option<usize>) {
    let scanned = scan(entity, &Limits::default()).unwrap();
    let Enclosed { keys, signed } = enclosed(scanned);
    (keys.len(), signed.len(), beside_text(scanned).map(|beside| beside.len()))
}

#[test]
fn a_certificate_is_found_wherever_it_stands_and_hides_nothing() {
    let attached = format!("Content-Type: application/pgp-keys\r\n\r\n{BLOCK}");
    assert_eq!(found(&mixed(&attached)), (1, 0, Some(1)));
    let base64 = data_encoding::BASE64.encode(BLOCK.as_bytes());
    let encoded = format!(
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n{base64}"
    );
    assert_eq!(found(&mixed(&encoded)), (1, 0, Some(1)));
    let text = format!("Content-Type: text/plain\r\n\r\nVOUCHSAFE x\r\n\r\n{BLOCK}");
    assert_eq!(found(text.as_bytes()), (1, 0, Some(0)));
    let signed = "Content-Type: text/plain\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nx\r\n-----BEGIN PGP \
                  SIGNATURE-----\r\n\r\nA\r\n-----END PGP SIGNATURE-----";
    assert_eq!(found(&mixed(signed)), (0, 1, Some(1)));
    assert_eq!(found(&mixed("Content-Type: text/plain\r\n\r\nThere is a leak.")), (0, 0, Some(1)));
    assert_eq!(found(&mixed("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny")), (0, 0, None));
    let quoted = format!("Content-Type: text/plain\r\n\r\n{}", BLOCK.replace("-----B", "> -----B"));
    assert_eq!(found(quoted.as_bytes()), (0, 0, Some(0)));
}

#[test]
fn a_block_is_one_from_its_first_line_to_its_last() {
    assert!(is_key_block(BLOCK.as_bytes()));
    assert!(!is_key_block(format!("{BLOCK}It leaks.\r\n{BLOCK}").as_bytes()));
    assert!(!is_key_block(format!("It leaks.\r\n{BLOCK}").as_bytes()));
    let signed = |head: &str| {
        let text = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\r\n{head}\r\nabc\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\nA\r\n-----END PGP SIGNATURE-----\r\n"
        );
        signed_words(text.as_bytes()).map(|words| String::from_utf8_lossy(words.expose()).trim().to_owned())
    };
    assert_eq!(signed("Hash: SHA512\r\n").as_deref(), Some("abc"));
    assert_eq!(signed("").as_deref(), Some("abc"));
    assert_eq!(signed("It leaks\r\n"), None);
}

const ARMORED: &str =
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\nxjME\r\n-----END PGP PUBLIC KEY BLOCK-----";

fn certificates_in(entity: &str) -> Vec<String> {
    let scanned = scan(entity.as_bytes(), &Limits::default()).unwrap();
    certificates(scanned).into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

#[test]
fn a_certificate_is_found_in_each_of_its_places() {
    let part = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n--b\r\nContent-Type: \
         application/pgp-keys\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n--b\r\nContent-Type: \
         text/plain\r\nContent-Disposition: attachment\r\n\r\nkey:\r\n{ARMORED}\r\n--b--\r\n"
    );
    assert_eq!(certificates_in(&part), ["abc", ARMORED]);
    let field = "Autocrypt: addr=a@b.example; prefer-encrypt=mutual;\r\n keydata=YW\r\n Jj\r\nSubject: x\r\n\r\nHello\r\n";
    assert_eq!(certificates_in(field), ["abc"]);
    let signed = format!(
        "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n{field}\r\n--b\r\nContent-Type: \
         application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
    );
    assert_eq!(certificates_in(&signed), ["abc"]);
}

#[test]
fn what_stands_beside_text_and_certificate_is_more() {
    let with = |part: &str| {
        let mail = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n--b\r\nContent-Type: \
             application/pgp-keys\r\n\r\n{ARMORED}\r\n{part}--b--\r\n"
        );
        holds_more(scan(mail.as_bytes(), &Limits::default()).unwrap())
    };
    assert!(!with(""));
    assert!(!with(&format!("--b\r\nContent-Type: application/octet-stream\r\n\r\n{ARMORED}\r\n")));
    assert!(with("--b\r\nContent-Type: application/pdf\r\n\r\nx\r\n"));
    assert!(with("--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"));
    // Words under the name of a certificate or a signature, or beside one.
    for named in ["application/pgp-keys", "application/pgp-signature"] {
        assert!(with(&format!("--b\r\nContent-Type: {named}\r\n\r\nIt leaks.\r\n")), "{named}");
    }
    assert!(with(&format!("--b\r\nContent-Type: text/plain\r\n\r\nIt leaks.\r\n{ARMORED}\r\n")));
}

#[test]
fn what_is_none_is_not_found_and_no_more_than_a_few_are() {
    for none in
        ["Subject: x\r\n\r\nHello", "Autocrypt: keydata=!!\r\n\r\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n"]
    {
        assert!(certificates_in(none).is_empty(), "{none}");
    }
    let part = format!("--b\r\n\r\n{ARMORED}\r\n");
    let many = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n", part.repeat(20));
    assert_eq!(certificates_in(&many).len(), MOST);
}
