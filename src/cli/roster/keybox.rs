//! GnuPG's keybox (`pubring.kbx`): where the certificates lie in it. Each blob says how long it is; nothing in it is
//! trusted: certificates are verified where they are read.
//!
//! The form is that of GnuPG's `kbx/keybox-blob.c`: all numbers big-endian; a blob's length, type and version, its flags,
//! then where its key block begins, counted from the blob's first byte, and how long it is.

use crate::id::Fingerprint;

/// What a blob has before its first fingerprint.
const HEAD: usize = 20;
/// The smallest blob that GnuPG writes is its header.
const SMALLEST: usize = 5;
/// More blobs than any list has members.
const MOST: usize = 200_000;

const HEADER: u8 = 1;
const OPENPGP: u8 = 2;
/// Stored for the moment only: `gpg` does not list it.
const EPHEMERAL: u16 = 2;

/// A certificate in a keybox.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// Whose, as the keybox says; nothing where it does not say it plainly.
    pub(super) fingerprint: Option<Fingerprint>,
    /// Its packets.
    pub(super) packets: &'a [u8],
}

/// Why a file cannot be read as a keybox.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoKeybox {
    /// It does not begin like one.
    #[error("it is no keybox of GnuPG")]
    Form,
    /// A blob that cannot be.
    #[error("it is damaged at byte {0}")]
    Damaged(usize),
    /// Written by a GnuPG that is newer than this program.
    #[error("it has an entry of version {0}, which this release does not know")]
    Version(u8),
    /// Too many blobs.
    #[error("it has more than {MOST} entries")]
    TooMany,
}

/// The OpenPGP certificates of a keybox, as `gpg` lists them.
pub(super) fn blocks(file: &[u8]) -> Result<Vec<Block<'_>>, NoKeybox> {
    if file.get(4) != Some(&HEADER) || file.get(8..12) != Some(b"KBXf") {
        return Err(NoKeybox::Form);
    }
    let (mut at, mut blobs, mut found) = (0, 0, Vec::new());
    while let Some(rest) = file.get(at..).filter(|rest| !rest.is_empty()) {
        let damaged = || NoKeybox::Damaged(at);
        let length = number(rest, 0).ok_or_else(damaged)?;
        let blob = rest.get(..length).filter(|blob| blob.len() >= SMALLEST).ok_or_else(damaged)?;
        if blob.get(4) == Some(&OPENPGP) {
            found.extend(block(blob).ok_or_else(damaged)??);
        }
        at = at.saturating_add(length);
        blobs += 1;
        if blobs > MOST {
            return Err(NoKeybox::TooMany);
        }
    }
    Ok(found)
}

/// The certificate of an OpenPGP blob; nothing when the blob is damaged.
fn block(blob: &[u8]) -> Option<Result<Option<Block<'_>>, NoKeybox>> {
    let version = *blob.get(5)?;
    if !matches!(version, 1 | 2) {
        return Some(Err(NoKeybox::Version(version)));
    }
    let flags = u16::from_be_bytes(blob.get(6..8)?.try_into().ok()?);
    let (begin, length) = (number(blob, 8)?, number(blob, 12)?);
    let packets = blob.get(begin..begin.checked_add(length)?)?;
    if begin < HEAD || packets.is_empty() {
        return None;
    }
    if flags & EPHEMERAL != 0 {
        return Some(Ok(None));
    }
    // Version 2 has room for longer ones, and says elsewhere how long each is.
    let fingerprint = blob.get(HEAD..HEAD + 20).filter(|_| version == 1).and_then(Fingerprint::from_bytes);
    Some(Ok(Some(Block { fingerprint, packets })))
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_be_bytes(four.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Vec<u8> {
        let mut blob = vec![0, 0, 0, 32, HEADER, 1, 0, 2];
        blob.extend_from_slice(b"KBXf");
        blob.resize(32, 0);
        blob
    }

    fn blob(kind: u8, version: u8, flags: u8, packets: &[u8]) -> Vec<u8> {
        let begin = HEAD + 28;
        let total = begin + packets.len() + 20;
        let mut blob = u32::try_from(total).unwrap().to_be_bytes().to_vec();
        blob.extend([kind, version, 0, flags]);
        blob.extend(u32::try_from(begin).unwrap().to_be_bytes());
        blob.extend(u32::try_from(packets.len()).unwrap().to_be_bytes());
        blob.extend([0, 1, 0, 28]);
        blob.extend([7; 20]);
        blob.resize(begin, 0);
        blob.extend(packets);
        blob.resize(total, 0);
        blob
    }

    #[test]
    fn certificates_are_found_and_what_gpg_does_not_list_is_not() {
        let file = [
            header(),
            blob(OPENPGP, 1, 0, b"first"),
            blob(0, 1, 0, b"deleted"),
            blob(3, 1, 0, b"an X.509 one"),
            blob(OPENPGP, 1, 2, b"ephemeral"),
            blob(OPENPGP, 2, 0, b"second"),
        ]
        .concat();
        let found = blocks(&file).unwrap();
        let known = Some(Fingerprint::V4([7; 20]));
        assert_eq!(
            found,
            [
                Block { fingerprint: known, packets: b"first" },
                Block { fingerprint: None, packets: b"second" }
            ]
        );
    }

    #[test]
    fn what_is_damaged_is_said_and_not_read_over() {
        assert_eq!(blocks(b""), Err(NoKeybox::Form));
        assert_eq!(blocks(b"-----BEGIN PGP PUBLIC KEY BLOCK-----"), Err(NoKeybox::Form));
        let whole = [header(), blob(OPENPGP, 1, 0, b"first")].concat();
        for cut in 33..whole.len() {
            assert_eq!(blocks(&whole[..cut]), Err(NoKeybox::Damaged(32)), "cut at {cut}");
        }
        let mut endless = whole.clone();
        endless[32..36].copy_from_slice(&[0; 4]);
        assert_eq!(blocks(&endless), Err(NoKeybox::Damaged(32)), "a length of nothing would go on for ever");
        let mut beyond = whole.clone();
        beyond[32 + 12..32 + 16].copy_from_slice(&[0xff; 4]);
        assert_eq!(blocks(&beyond), Err(NoKeybox::Damaged(32)));
        assert_eq!(blocks(&[header(), blob(OPENPGP, 9, 0, b"x")].concat()), Err(NoKeybox::Version(9)));
    }

    proptest! {
        #[test]
        fn nothing_that_is_found_lies_outside_the_file(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
            let file = [header(), tail].concat();
            if let Ok(found) = blocks(&file) {
                let length: usize = found.iter().map(|block| block.packets.len()).sum();
                prop_assert!(length < file.len());
            }
        }

        #[test]
        fn a_changed_byte_is_read_or_refused_and_never_more(at in 0_usize..150, to in any::<u8>()) {
            let mut file = [header(), blob(OPENPGP, 1, 0, b"first"), blob(OPENPGP, 1, 0, b"second")].concat();
            let place = at % file.len();
            file[place] = to;
            if let Ok(found) = blocks(&file) {
                prop_assert!(found.len() <= 2);
            }
        }
    }
}
