//! Hello and frames: bytes only, so that the blocking client and the daemon's runtime share them.

use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The version of this protocol; it grows whenever a field or variant changes its meaning.
pub const VERSION: u8 = 2;

/// The longest JSON in a frame, in bytes.
pub const MAX_FRAME: usize = 16 << 20;

/// The length of a hello, in bytes.
pub const HELLO_LEN: usize = 8;

/// The length of what stands in front of a frame's JSON, in bytes.
pub const PREFIX_LEN: usize = 4;

const MAGIC: &[u8; 7] = b"vouchsf";

/// The first bytes in either direction. Their form never changes, only the version in them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The protocol's version at that end.
    pub version: u8,
}

impl Hello {
    /// Ours.
    pub const OURS: Self = Self { version: VERSION };

    /// The bytes that say it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HELLO_LEN] {
        let [a, b, c, d, e, f, g] = *MAGIC;
        [a, b, c, d, e, f, g, self.version]
    }

    /// Reads a hello; nothing when the bytes are none.
    #[must_use]
    pub fn from_bytes(bytes: [u8; HELLO_LEN]) -> Option<Self> {
        let [magic @ .., version] = bytes;
        (&magic == MAGIC).then_some(Self { version })
    }

    /// Whether we can talk with that end.
    #[must_use]
    pub fn is_ours(self) -> bool {
        self == Self::OURS
    }
}

/// A frame that cannot be. Never says what was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`].
    #[error("a message on the admin socket is longer than {} MiB", MAX_FRAME >> 20)]
    TooLong,
    /// No JSON, or not the JSON that was expected.
    #[error("a message on the admin socket is not of the agreed form")]
    Form,
}

/// A whole frame: length and JSON. The buffer is of the right size from the start, so that no piece of a secret stays
/// behind in memory that was outgrown, and it is wiped when dropped.
///
/// # Errors
/// When the JSON is longer than [`MAX_FRAME`].
pub fn encode<T: Serialize>(message: &T) -> Result<Zeroizing<Vec<u8>>, FrameError> {
    let mut count = Count(0);
    serde_json::to_writer(&mut count, message)
        .map_err(|e| if e.is_io() { FrameError::TooLong } else { FrameError::Form })?;
    let prefix = u32::try_from(count.0).map_err(|_| FrameError::TooLong)?.to_be_bytes();
    let mut frame = Zeroizing::new(Vec::with_capacity(PREFIX_LEN + count.0));
    frame.extend_from_slice(&prefix);
    serde_json::to_writer(&mut *frame, message).map_err(|_| FrameError::Form)?;
    Ok(frame)
}

/// How many bytes of JSON follow this prefix.
///
/// # Errors
/// When they are more than [`MAX_FRAME`]: nobody has to allocate them.
pub fn length(prefix: [u8; PREFIX_LEN]) -> Result<usize, FrameError> {
    usize::try_from(u32::from_be_bytes(prefix)).ok().filter(|n| *n <= MAX_FRAME).ok_or(FrameError::TooLong)
}

/// The message that a frame's JSON is.
///
/// # Errors
/// When it is none.
pub fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(json).map_err(|_| FrameError::Form)
}

/// Counts what is written, up to the limit.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        if self.0 > MAX_FRAME { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::wire::{Answer, Certificate, ErrorKind, Page, ParcelRow, Request, Secret};
    use proptest::prelude::*;

    fn import() -> Request {
        Request::KeyImport {
            list: "security".parse().unwrap(),
            key: Secret::new(vec![7; 100]),
            passphrase: Some(Secret::new(b"hunter2".to_vec())),
            confirm: false,
        }
    }

    fn json_of<T: Serialize>(message: &T) -> Vec<u8> {
        let frame = encode(message).unwrap();
        let (prefix, json) = frame.split_first_chunk::<PREFIX_LEN>().unwrap();
        assert_eq!(length(*prefix).unwrap(), json.len());
        json.to_vec()
    }

    #[test]
    fn a_request_comes_back_whole() {
        let Ok(Request::KeyImport { list, key, passphrase: Some(passphrase), confirm: false }) =
            decode(&json_of(&import()))
        else {
            panic!("another request came back");
        };
        assert_eq!(list.as_str(), "security");
        assert_eq!((key.bytes(), passphrase.bytes()), (&[7; 100][..], &b"hunter2"[..]));
    }

    #[test]
    fn the_buffer_is_never_outgrown() {
        let frame = encode(&import()).unwrap();
        assert_eq!(frame.capacity(), frame.len(), "a buffer that grew has left pieces behind");
    }

    #[test]
    fn what_is_too_long_is_neither_written_nor_allocated() {
        let cert = Certificate(vec![0; MAX_FRAME]);
        assert_eq!(encode(&cert).err(), Some(FrameError::TooLong));
        let most = u32::try_from(MAX_FRAME).unwrap();
        assert_eq!(length(most.to_be_bytes()), Ok(MAX_FRAME));
        assert_eq!(length((most + 1).to_be_bytes()), Err(FrameError::TooLong));
        assert_eq!(length([255; 4]), Err(FrameError::TooLong));
    }

    #[test]
    fn a_hello_of_any_version_is_known_and_nothing_else_is() {
        assert_eq!(Hello::from_bytes(Hello::OURS.to_bytes()), Some(Hello::OURS));
        assert_eq!(Hello::from_bytes(*b"vouchsf\xff"), Some(Hello { version: 255 }));
        assert!(!Hello { version: 255 }.is_ours());
        assert_eq!(Hello::from_bytes(*b"GET / HT"), None);
    }

    #[test]
    fn names_that_no_request_may_carry_are_refused_at_the_door() {
        for bad in [
            r#"{"list_show":{"list":"../etc"}}"#,
            r#"{"hold_drop":{"id":"short"}}"#,
            r#"{"member_show":{"list":"a","address":"nobody"}}"#,
            r#"{"explode":{}}"#,
        ] {
            assert_eq!(decode::<Request>(bad.as_bytes()).err(), Some(FrameError::Form), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(decode::<Request>(&bytes).err(), Some(FrameError::Form));
        }

        #[test]
        fn a_cut_frame_is_an_error(cut in 0usize..1000) {
            let json = json_of(&import());
            let cut = cut % json.len();
            prop_assert!(decode::<Request>(&json[..cut]).is_err());
        }

        #[test]
        fn a_changed_byte_never_panics(at in any::<usize>(), to in any::<u8>()) {
            let mut json = json_of(&import());
            let at = at % json.len();
            json[at] = to;
            let _ = decode::<Request>(&json);
        }

        #[test]
        fn an_error_text_comes_back_whatever_is_in_it(what in ".*", why in ".*", next in ".*") {
            let answer = Answer::Error { code: ErrorKind::Data, what, why, next };
            prop_assert_eq!(decode::<Answer>(&json_of(&answer)).unwrap(), answer);
        }

        #[test]
        fn a_page_comes_back(id in ".{0,40}", attempts in any::<u64>(), more in proptest::option::of(".{0,40}")) {
            let row = ParcelRow { id, attempts, ..ParcelRow::default() };
            let answer = Answer::Parcels(Page { rows: vec![row], more });
            prop_assert_eq!(decode::<Answer>(&json_of(&answer)).unwrap(), answer);
        }
    }
}
