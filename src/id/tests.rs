//! Names are parsed once.

use super::*;

#[test]
fn fingerprints_are_read_with_spaces_and_either_case() {
    let fp: Fingerprint = "0123 4567 89ab cdef 0123  4567 89AB CDEF 0123 4567".parse().unwrap();
    assert_eq!(fp.to_string(), "0123456789ABCDEF0123456789ABCDEF01234567");
    assert!("0123456789ABCDEF".parse::<Fingerprint>().is_err(), "a key id is no identity");
}

#[test]
fn names_are_strict() {
    for good in ["a", "kubeedge-security", "x9"] {
        assert!(good.parse::<ListName>().is_ok(), "{good}");
    }
    for bad in ["", "A", "-a", "a-", "a_b", "a b", "ü", &"a".repeat(41)] {
        assert!(bad.parse::<ListName>().is_err(), "{bad}");
    }
}

#[test]
fn ids_sort_by_age_and_read_back() {
    let entropy = Entropy::seeded(1);
    let old = SpoolId::new(Timestamp::from_secs(1_000_000_000), &entropy);
    let new = SpoolId::new(Timestamp::from_secs(1_000_000_001), &entropy);
    assert!(old < new);
    assert_eq!(old.to_string().parse::<SpoolId>().unwrap(), old);
    assert_eq!(old.to_string().len(), 26);
}

#[test]
fn seeded_entropy_repeats_and_kernel_entropy_does_not() {
    assert_eq!(Entropy::seeded(7).bytes::<16>(), Entropy::seeded(7).bytes::<16>());
    assert_ne!(Entropy::kernel().bytes::<16>(), Entropy::kernel().bytes::<16>());
    assert!(Token::random(&Entropy::kernel()).as_str().parse::<Token>().is_ok());
}
