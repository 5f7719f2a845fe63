//! Command lines, strictly: only CRLF ends one.

/// Cuts a stream of bytes into command lines.
#[derive(Debug)]
pub(super) struct Lines {
    line: Vec<u8>,
    /// Bytes in a line, CRLF included.
    limit: usize,
    too_long: bool,
    cr: bool,
}

/// What the next line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A whole line, without its CRLF.
    Whole(Vec<u8>),
    /// A line over the limit, skipped to its end (RFC 5321 §4.5.3.1.9).
    TooLong,
    /// A CR without LF or an LF without CR: what follows cannot be trusted to be a command.
    BareCrOrLf,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { line: Vec::new(), limit, too_long: false, cr: false }
    }

    /// Takes bytes off the front of `input` until a line is complete; `None` when the input ran out before that.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Line> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            match (self.cr, byte) {
                (true, b'\n') => return Some(self.finish()),
                // RFC 5321 §2.3.8: CR and LF only ever as CRLF.
                (true, _) | (false, b'\n') => {
                    self.clear();
                    return Some(Line::BareCrOrLf);
                }
                (false, b'\r') => self.cr = true,
                (false, byte) if self.line.len() + 2 < self.limit => self.line.push(*byte),
                (false, _) => self.too_long = true,
            }
        }
        None
    }

    /// Forgets a line that has begun.
    pub(super) fn clear(&mut self) {
        self.line.clear();
        (self.cr, self.too_long) = (false, false);
    }

    fn finish(&mut self) -> Line {
        let (line, too_long) = (std::mem::take(&mut self.line), self.too_long);
        self.clear();
        if too_long { Line::TooLong } else { Line::Whole(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8], limit: usize) -> Vec<Line> {
        let (mut lines, mut input) = (Lines::new(limit), bytes);
        std::iter::from_fn(|| lines.next(&mut input)).collect()
    }

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(lines(b"NOOP\r\nQU", 2000), [Line::Whole(b"NOOP".to_vec())]);
        for bad in [&b"NOOP\nQUIT"[..], b"NOOP\rQUIT", b"NOOP\r\rx"] {
            assert_eq!(lines(bad, 2000).first(), Some(&Line::BareCrOrLf), "{bad:?}");
        }
    }

    #[test]
    fn the_limit_counts_the_line_end() {
        let just = [&[b'a'; 8][..], b"\r\n"].concat();
        assert_eq!(lines(&just, 10), [Line::Whole(vec![b'a'; 8])]);
        let over = [&[b'a'; 9][..], b"\r\nNOOP\r\n"].concat();
        assert_eq!(lines(&over, 10), [Line::TooLong, Line::Whole(b"NOOP".to_vec())]);
    }
}
