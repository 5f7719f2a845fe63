//! An entity with its parts, and those of them that no two readers can see differently.

use std::borrow::Cow;

use super::tree::{self, Kind, Limits, Part};

/// An entity with its parts.
pub(super) struct Entity<'a> {
    pub raw: &'a [u8],
    pub parts: Vec<Part>,
}

impl<'a> Entity<'a> {
    /// Of bytes that passed a scan, so the walk stays within its limits.
    pub(super) fn of(raw: &'a [u8]) -> Self {
        Self { raw, parts: tree::walk(raw, &Limits::PASSED).unwrap_or_default() }
    }

    /// Of bytes that nobody scanned yet; `None` beyond the limits.
    pub(super) fn within(raw: &'a [u8], limits: &Limits) -> Option<Self> {
        tree::walk(raw, limits).ok().map(|parts| Self { raw, parts })
    }

    pub(super) fn root(&self) -> Option<&Part> {
        self.parts.first()
    }

    pub(super) fn children(&self, parent: usize) -> impl Iterator<Item = (usize, &Part)> {
        self.parts.iter().enumerate().filter(move |(_, part)| part.parent == Some(parent))
    }

    pub(super) fn body(&self, part: &Part) -> &'a [u8] {
        self.raw.get(part.body.clone()).unwrap_or_default()
    }

    pub(super) fn decoded(&self, part: &Part) -> Cow<'a, [u8]> {
        part.encoding.decode(self.body(part))
    }

    /// The direct parts, with their places, of an unambiguous, complete multipart; `None` for any other part.
    pub(super) fn strict_parts(&self, index: usize, sub: &str) -> Option<Vec<(usize, &Part)>> {
        let part = self.parts.get(index)?;
        let parts: Vec<(usize, &Part)> = self.children(index).collect();
        let whole = part.kind == Kind::Multipart && part.ctype.is("multipart", sub) && part.closed;
        let clear_cut = !part.blurred && !part.ambiguous && !parts.iter().any(|(_, p)| p.ambiguous);
        (whole && clear_cut).then_some(parts)
    }
}
