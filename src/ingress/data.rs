//! What comes after DATA: strict line ends, dots unstuffed, sizes limited, in a stream.
//!
//! Only CRLF.CRLF ends a message (RFC 5321 §4.1.1.4). A CR or LF that stands alone spoils the whole message: other
//! servers disagree about what such a byte means, and the difference is how mail is smuggled. A spoiled or too large
//! message is swallowed up to its end without being kept.

use super::budget::{Budget, Share};
use crate::secret::Plaintext;

/// How many times the limit is swallowed before we stop listening to a client.
const PATIENCE: usize = 4;

/// The smallest step by which the buffer grows.
const STEP: usize = 16 * 1024;

/// Why a message was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The memory for unfinished mail is used up.
    NoMemory,
    /// It is larger than the limit.
    TooLarge,
    /// It is so much larger that its end was not waited for.
    Endless,
    /// A CR or LF stood alone.
    BareCrOrLf,
}

/// A message at its end.
pub enum Ended {
    /// The message, dots unstuffed, every line ending in CRLF, and the memory it holds.
    Whole(Plaintext, Share),
    /// Nothing was kept.
    Refused(Refusal),
}

/// Where the decoder stands.
///
/// ```text
///            '.'            CR              LF
/// LineStart ────▶ Dot ───────────▶ DotCr ───────▶ the end
///     ▲  │ other   │ other: the dot is dropped
///     │  ▼         ▼
///     │  Text ◀────┘            an LF in Text, LineStart or Dot, and anything but LF in Cr or DotCr: bare
///     │   │ CR
///     └── Cr
///      LF
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    Text,
    Cr,
    Dot,
    DotCr,
}

/// The decoder of one message.
pub struct Decoder {
    at: At,
    kept: Vec<u8>,
    share: Share,
    limit: usize,
    /// Bytes seen, kept or not, and how many there may be.
    seen: usize,
    patience: usize,
    refusal: Option<Refusal>,
}

impl Decoder {
    /// A decoder that keeps up to `limit` bytes, within the budget.
    #[must_use]
    pub fn new(limit: usize, budget: &Budget) -> Self {
        // The CRLF of the DATA command is the one in front of the first line (RFC 5321 §4.1.1.4).
        let (at, kept, share) = (At::LineStart, Vec::new(), budget.share());
        Self { at, kept, share, limit, seen: 0, patience: limit.saturating_mul(PATIENCE), refusal: None }
    }

    /// Takes bytes off the front of `input`; true when the message has ended, and the rest of `input` is not part of it.
    pub fn push(&mut self, input: &mut &[u8]) -> bool {
        while let Some((byte, rest)) = input.split_first() {
            if self.seen >= self.patience {
                self.refuse(Refusal::Endless);
                return true;
            }
            if self.at == At::Text && !matches!(byte, b'\r' | b'\n') {
                self.run(input);
                continue;
            }
            *input = rest;
            self.seen += 1;
            if self.step(*byte) {
                return true;
            }
        }
        false
    }

    /// What came of it; to be asked after [`Decoder::push`] said true.
    #[must_use]
    pub fn finish(self) -> Ended {
        match self.refusal {
            Some(refusal) => Ended::Refused(refusal),
            None => Ended::Whole(Plaintext::new(self.kept), self.share),
        }
    }

    /// The bytes up to the next CR or LF, at once.
    fn run(&mut self, input: &mut &[u8]) {
        let length = input.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(input.len());
        let length = length.min(self.patience.saturating_sub(self.seen));
        let (text, rest) = input.split_at(length);
        *input = rest;
        self.seen += length;
        self.keep(text);
    }

    /// One byte; true at the end of the message.
    fn step(&mut self, byte: u8) -> bool {
        self.at = match (self.at, byte) {
            (At::DotCr, b'\n') => return true,
            (At::LineStart, b'.') => At::Dot,
            (At::Dot, b'\r') => At::DotCr,
            (At::LineStart | At::Text, b'\r') => At::Cr,
            (At::Cr, b'\n') => {
                self.keep(b"\r\n");
                At::LineStart
            }
            (At::Cr | At::DotCr, b'\r') => {
                self.refuse(Refusal::BareCrOrLf);
                At::Cr
            }
            (At::Cr | At::DotCr, _) | (_, b'\n') => {
                self.refuse(Refusal::BareCrOrLf);
                At::Text
            }
            // RFC 5321 §4.5.2: a dot in front of anything else is dropped.
            (At::Dot | At::LineStart | At::Text, byte) => {
                self.keep(&[byte]);
                At::Text
            }
        };
        false
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.refusal.is_some() {
            return;
        }
        let needed = self.kept.len() + bytes.len();
        if needed > self.limit {
            return self.refuse(Refusal::TooLarge);
        }
        if needed > self.kept.capacity() && !self.make_room(needed) {
            return self.refuse(Refusal::NoMemory);
        }
        self.kept.extend_from_slice(bytes);
    }

    /// Grows the buffer by a quarter, never past the limit, and only with the budget's leave: what is counted is what
    /// is allocated.
    fn make_room(&mut self, needed: usize) -> bool {
        let now = self.kept.capacity();
        let then = needed.max(now + (now / 4).max(STEP)).min(self.limit);
        self.share.grow(then - now) && self.kept.try_reserve_exact(then - self.kept.len()).is_ok()
    }

    /// Notes why, the graver reason first, and lets go of what was kept.
    fn refuse(&mut self, refusal: Refusal) {
        self.refusal = self.refusal.max(Some(refusal));
        drop(Plaintext::new(std::mem::take(&mut self.kept)));
        self.share.release();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What came of the message, and what was left behind it.
    type Outcome = (Option<Result<Vec<u8>, Refusal>>, Vec<u8>);

    fn decode(pieces: &[&[u8]], limit: usize, budget: &Budget) -> Outcome {
        let mut decoder = Decoder::new(limit, budget);
        let mut pieces = pieces.iter();
        while let Some(piece) = pieces.next() {
            let mut input = *piece;
            if decoder.push(&mut input) {
                let rest = pieces.fold(input.to_vec(), |mut all, p| {
                    all.extend_from_slice(p);
                    all
                });
                return match decoder.finish() {
                    Ended::Whole(text, _) => (Some(Ok(text.expose().to_vec())), rest),
                    Ended::Refused(why) => (Some(Err(why)), rest),
                };
            }
        }
        (None, Vec::new())
    }

    fn whole(bytes: &[u8]) -> Outcome {
        decode(&[bytes], 1000, &Budget::new(1 << 20))
    }

    fn message(text: &[u8], rest: &[u8]) -> Outcome {
        (Some(Ok(text.to_vec())), rest.to_vec())
    }

    #[test]
    fn dots_are_unstuffed_and_what_follows_is_left() {
        assert_eq!(
            whole(b"a\r\n..b\r\n.c\r\n...\r\n.\r\nQUIT\r\n"),
            message(b"a\r\n.b\r\nc\r\n..\r\n", b"QUIT\r\n")
        );
        assert_eq!(whole(b".\r\n"), message(b"", b""));
        assert_eq!(whole(b"a.\r\n.\r\n"), message(b"a.\r\n", b""));
        assert_eq!(whole(b"a\r\n.\r"), (None, Vec::new()));
    }

    #[test]
    fn every_other_end_of_data_spoils_the_message_and_ends_nothing() {
        for end in [
            "\n.\n",
            "\n.\r\n",
            "\r.\r\n",
            "\r\n.\n",
            "\r\n.\r",
            "\r.\r",
            "\r\r\n.\rx",
            "\r\n\n.\r\n",
            "\r\n\r.\r\n",
            "\r\n.\r\r\n",
        ] {
            let bytes = format!("a{end}MAIL FROM:<x@example.org>\r\n.\r\nrest");
            assert_eq!(
                whole(bytes.as_bytes()),
                (Some(Err(Refusal::BareCrOrLf)), b"rest".to_vec()),
                "after {end:?}"
            );
        }
    }

    #[test]
    fn a_large_message_is_swallowed_to_its_end() {
        let budget = Budget::new(1 << 20);
        let bytes = [&[b'x'; 50][..], b"\r\n.\r\nNOOP"].concat(); // 55 bytes up to the end
        assert_eq!(decode(&[&bytes], 52, &budget).0, Some(Ok([&[b'x'; 50][..], b"\r\n"].concat())));
        assert_eq!(decode(&[&bytes], 51, &budget), (Some(Err(Refusal::TooLarge)), b"NOOP".to_vec()));
        assert_eq!(decode(&[&bytes], 14, &budget).0, Some(Err(Refusal::TooLarge)), "four times 14 is enough");
        assert_eq!(decode(&[&bytes], 13, &budget).0, Some(Err(Refusal::Endless)), "not for ever");
        assert_eq!(budget.free(), 1 << 20, "everything was given back");
    }

    #[test]
    fn a_used_up_budget_refuses_without_harm() {
        let budget = Budget::new(100);
        let mut other = budget.share();
        assert!(other.grow(90));
        assert_eq!(decode(&[b"0123456789\r\n.\r\n"], 1000, &budget).0, Some(Err(Refusal::NoMemory)));
        drop(other);
        assert_eq!(budget.free(), 100);
    }

    proptest! {
        /// How the bytes were cut into packets changes nothing.
        #[test]
        fn any_split_decodes_the_same(
            bytes in proptest::collection::vec(prop_oneof![4 => Just(b'\r'), 4 => Just(b'\n'), 3 => Just(b'.'), 2 => Just(b'a')], 0..60),
            cuts in proptest::collection::vec(0usize..60, 0..6),
        ) {
            let bytes = [&bytes[..], b"\r\n.\r\nrest"].concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(decode(&pieces, 20, &Budget::new(1 << 20)), decode(&[&bytes], 20, &Budget::new(1 << 20)));
        }

        /// What a correct client stuffs comes back byte for byte.
        #[test]
        fn what_is_stuffed_comes_back(lines in proptest::collection::vec("[.a-z]{0,12}", 0..12)) {
            let plain: String = lines.iter().map(|l| format!("{l}\r\n")).collect();
            let stuffed: String = lines.iter().map(|l| format!("{}{l}\r\n", if l.starts_with('.') { "." } else { "" })).collect();
            prop_assert_eq!(whole(format!("{stuffed}.\r\n").as_bytes()), message(plain.as_bytes(), b""));
        }
    }
}
