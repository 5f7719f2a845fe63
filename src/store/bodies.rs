//! Large bodies as durable files, one each, in chunks that are checked when they are read.
//!
//! ```text
//! header: "VSBD" | format u32 | body id [16] | length u64 | CRC-32 u32         numbers are big-endian
//! chunk:  up to 64 KiB | CRC-32 of (body id, number of the chunk, bytes) u32    as many as the length asks for
//! ```
//!
//! A body is written under a temporary name, synced, renamed, and its directory synced. So under its own name it is
//! always whole, unless the medium damaged it, which the sums tell.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::contract::{BodyId, StoreError};
use super::disk::Disk;

const MAGIC: [u8; 4] = *b"VSBD";
const FORMAT: u32 = 1;
const HEADER: usize = 36;
const CHUNK: usize = 64 << 10;
const SUM: usize = 4;
const TEMPORARY: &str = "tmp";

/// The bodies of one store.
#[derive(Debug)]
pub(super) struct Bodies {
    dir: PathBuf,
    disk: Disk,
}

impl Bodies {
    /// The bodies under `<store>/bodies/`.
    pub(super) fn open(store: &Path, disk: Disk) -> Result<Self, StoreError> {
        let dir = store.join("bodies");
        disk.make_dir(&dir).map_err(|e| disk.explain("make the directory of bodies", &e))?;
        Ok(Self { dir, disk })
    }

    /// Writes a body durably.
    ///
    /// # Errors
    /// `Io` when the medium fails or is full or the id is taken, `Poisoned` when it cannot be trusted.
    pub(super) fn put(&self, id: BodyId, bytes: &[u8]) -> Result<(), StoreError> {
        self.disk.trusted()?;
        let explain = |e: io::Error| self.disk.explain("write a body", &e);
        let temporary = self.path(id).with_extension(TEMPORARY);
        // The temporary name is the right to write this body: whoever comes second fails here.
        let file = self.disk.create(&temporary).map_err(explain)?;
        self.write(id, bytes, &file, &temporary).map_err(|e| {
            let _ = self.disk.remove(&temporary); // if that fails too, the next sweep does it
            explain(e)
        })
    }

    fn write(&self, id: BodyId, bytes: &[u8], file: &File, temporary: &Path) -> io::Result<()> {
        let path = self.path(id);
        if self.disk.exists(&path)? {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a body of this name"));
        }
        let mut at = 0;
        let mut append = |bytes: &[u8]| {
            self.disk.write_at(file, bytes, at)?;
            at += bytes.len() as u64;
            io::Result::Ok(())
        };
        append(&header(FORMAT, id, bytes.len() as u64))?;
        let mut stored = Vec::with_capacity(CHUNK + SUM);
        for (number, chunk) in (0..).zip(bytes.chunks(CHUNK)) {
            stored.clear();
            stored.extend(chunk);
            stored.extend(sum(id, number, chunk));
            append(&stored)?;
        }
        self.disk.sync(file)?;
        self.disk.rename(temporary, &path)?;
        self.disk.sync_dir(&self.dir).inspect_err(|_| {
            let _ = self.disk.remove(&path); // who is told that it failed must not find it
        })
    }

    /// Up to `max` bytes from `offset` on, checked; empty at the end.
    ///
    /// # Errors
    /// `NoBody`, `Damaged` when a chunk that is needed is not what was written, `TooNew`, or the medium's.
    pub(super) fn read(&self, id: BodyId, offset: u64, max: usize) -> Result<Vec<u8>, StoreError> {
        let (file, len) = self.find(id)?;
        let end = len.min(offset.saturating_add(max as u64));
        let mut out = Vec::with_capacity(small(end.saturating_sub(offset), usize::MAX));
        let mut at = offset;
        let mut stored = Vec::with_capacity(CHUNK + SUM);
        while at < end {
            let number = at / CHUNK as u64;
            let start = number * CHUNK as u64;
            stored.clear();
            stored.resize(small(len - start, CHUNK) + SUM, 0);
            self.disk.read_at(&file, &mut stored, position(number)).map_err(|e| self.unreadable(id, &e))?;
            let part = stored
                .split_last_chunk::<SUM>()
                .filter(|(chunk, found)| **found == sum(id, number, chunk))
                .and_then(|(chunk, _)| chunk.get(small(at - start, CHUNK)..small(end - start, chunk.len())))
                .ok_or_else(|| damaged(id, &format!("chunk {number} is not what was written")))?;
            out.extend(part);
            at += part.len() as u64;
        }
        Ok(out)
    }

    /// The length of a body in bytes.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn len(&self, id: BodyId) -> Result<u64, StoreError> {
        self.find(id).map(|(_, len)| len)
    }

    /// Whether there is a body of this name.
    ///
    /// # Errors
    /// When the medium fails.
    pub(super) fn exists(&self, id: BodyId) -> Result<bool, StoreError> {
        self.disk.exists(&self.path(id)).map_err(|e| self.disk.explain("look for a body", &e))
    }

    /// Removes a body; one that is not there is no error. After a crash it may be there again: [`Self::sweep`] then.
    ///
    /// # Errors
    /// When the medium fails.
    pub(super) fn remove(&self, id: BodyId) -> Result<(), StoreError> {
        self.disk.remove(&self.path(id)).map_err(|e| self.disk.explain("remove a body", &e))
    }

    /// Removes what was never finished and every body that is not to be kept. Nobody may be writing.
    ///
    /// # Errors
    /// When the medium fails.
    pub(super) fn sweep(&self, keep: impl Fn(BodyId) -> bool) -> Result<(), StoreError> {
        let explain = |e: io::Error| self.disk.explain("sweep its bodies", &e);
        for path in self.disk.list(&self.dir).map_err(explain)? {
            let unfinished = path.extension().is_some_and(|e| e == TEMPORARY);
            if unfinished || body_at(&path).is_some_and(|id| !keep(id)) {
                self.disk.remove(&path).map_err(explain)?;
            }
        }
        Ok(())
    }

    /// Whether there is any body.
    ///
    /// # Errors
    /// When the medium fails.
    pub(super) fn any(&self) -> Result<bool, StoreError> {
        let found = self.disk.list(&self.dir).map_err(|e| self.disk.explain("list its bodies", &e))?;
        Ok(found.iter().any(|path| body_at(path).is_some()))
    }

    /// The file of a body and the body's length, once its header is found sound and no byte is missing.
    fn find(&self, id: BodyId) -> Result<(File, u64), StoreError> {
        self.disk.trusted()?;
        let file = match self.disk.open(&self.path(id)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(StoreError::NoBody(id)),
            opened => opened.map_err(|e| self.unreadable(id, &e))?,
        };
        let mut found = [0; HEADER];
        self.disk.read_at(&file, &mut found, 0).map_err(|e| self.unreadable(id, &e))?;
        let (format, len) = parse_header(&found).ok_or_else(|| damaged(id, "it has no header"))?;
        // Every format begins with this header, so that a later one is not mistaken for damage nor damage for it.
        if found != header(format, id, len) {
            return Err(damaged(id, "its header is not what was written"));
        }
        if format > FORMAT {
            return Err(StoreError::TooNew { found: format, known: FORMAT });
        }
        let there = self.disk.len(&file).map_err(|e| self.unreadable(id, &e))?;
        if there != file_len(len) {
            return Err(damaged(id, "its file has the wrong length"));
        }
        Ok((file, len))
    }

    fn path(&self, id: BodyId) -> PathBuf {
        self.dir.join(id.to_string())
    }

    fn unreadable(&self, id: BodyId, why: &io::Error) -> StoreError {
        match why.kind() {
            io::ErrorKind::UnexpectedEof => damaged(id, "its file is cut short"),
            _ => self.disk.explain("read a body", why),
        }
    }
}

fn damaged(id: BodyId, how: &str) -> StoreError {
    StoreError::Damaged(format!("body {id}: {how}; restore it from a backup"))
}

/// The body whose file this is, by its name.
fn body_at(path: &Path) -> Option<BodyId> {
    let name = path.file_name()?.to_str()?;
    let bytes = data_encoding::HEXLOWER.decode(name.as_bytes()).ok()?;
    Some(BodyId(bytes.try_into().ok()?))
}

fn header(format: u32, id: BodyId, len: u64) -> [u8; HEADER] {
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend(MAGIC);
    bytes.extend(format.to_be_bytes());
    bytes.extend(id.0);
    bytes.extend(len.to_be_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    let mut out = [0; HEADER];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = from;
    }
    out
}

/// Format and length that a header claims.
fn parse_header(bytes: &[u8; HEADER]) -> Option<(u32, u64)> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (format, rest) = rest.split_first_chunk::<4>()?;
    let (_id, rest) = rest.split_first_chunk::<16>()?;
    let (len, _sum) = rest.split_first_chunk::<8>()?;
    Some((u32::from_be_bytes(*format), u64::from_be_bytes(*len)))
}

/// The sum knows body and number, so that a chunk in the wrong place is found out too.
fn sum(id: BodyId, number: u64, chunk: &[u8]) -> [u8; SUM] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&id.0);
    sum.update(&number.to_be_bytes());
    sum.update(chunk);
    sum.finalize().to_be_bytes()
}

/// Where a chunk begins in its file.
fn position(number: u64) -> u64 {
    HEADER as u64 + number.saturating_mul((CHUNK + SUM) as u64)
}

fn file_len(len: u64) -> u64 {
    let chunks = len.div_ceil(CHUNK as u64);
    len.saturating_add(HEADER as u64).saturating_add(chunks.saturating_mul(SUM as u64))
}

/// `n` but at most `most`, as a length in memory.
fn small(n: u64, most: usize) -> usize {
    usize::try_from(n).unwrap_or(most).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: BodyId = BodyId([7; 16]);

    fn bodies() -> (tempfile::TempDir, Bodies) {
        let dir = tempfile::tempdir().unwrap();
        let bodies = Bodies::open(dir.path(), Disk::default()).unwrap();
        (dir, bodies)
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i / 251 + i) as u8).collect()
    }

    #[test]
    fn any_range_of_any_length_reads_back() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17] {
            let (_dir, bodies) = bodies();
            let bytes = pattern(len);
            bodies.put(ID, &bytes).unwrap();
            assert_eq!(bodies.len(ID).unwrap(), len as u64);
            for offset in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, len, len + 1] {
                for max in [0, 1, CHUNK, CHUNK + 2, usize::MAX] {
                    let expected: Vec<u8> = bytes.iter().skip(offset).take(max).copied().collect();
                    assert_eq!(
                        bodies.read(ID, offset as u64, max).unwrap(),
                        expected,
                        "{len} {offset} {max}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_found() {
        let (_dir, bodies) = bodies();
        bodies.put(ID, &pattern(CHUNK + 100)).unwrap();
        let path = bodies.path(ID);
        let sound = std::fs::read(&path).unwrap();
        let places = [0, 4, 8, 24, 31, 32, HEADER, HEADER + CHUNK, HEADER + CHUNK + SUM, sound.len() - 1];
        for at in places {
            let mut bad = sound.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert!(matches!(bodies.read(ID, 0, usize::MAX), Err(StoreError::Damaged(_))), "flipped at {at}");
        }
        for len in [0, HEADER - 1, HEADER, HEADER + CHUNK, sound.len() - 1] {
            std::fs::write(&path, &sound[..len]).unwrap();
            assert!(matches!(bodies.len(ID), Err(StoreError::Damaged(_))), "cut to {len}");
        }
    }

    #[test]
    fn a_damaged_chunk_leaves_the_others_readable() {
        let (_dir, bodies) = bodies();
        let bytes = pattern(3 * CHUNK);
        bodies.put(ID, &bytes).unwrap();
        let mut stored = std::fs::read(bodies.path(ID)).unwrap();
        stored[HEADER + CHUNK + SUM + 5] ^= 0x80;
        std::fs::write(bodies.path(ID), stored).unwrap();
        assert_eq!(bodies.read(ID, 0, CHUNK).unwrap(), bytes[..CHUNK]);
        assert_eq!(bodies.read(ID, 2 * CHUNK as u64, CHUNK).unwrap(), bytes[2 * CHUNK..]);
        assert!(matches!(bodies.read(ID, CHUNK as u64, 1), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn a_body_of_a_later_format_is_not_misread() {
        let (_dir, bodies) = bodies();
        bodies.put(ID, b"x").unwrap();
        let mut stored = std::fs::read(bodies.path(ID)).unwrap();
        stored.splice(..HEADER, header(2, ID, 1));
        std::fs::write(bodies.path(ID), stored).unwrap();
        assert!(matches!(bodies.len(ID), Err(StoreError::TooNew { found: 2, known: 1 })));
    }

    #[test]
    fn a_sweep_leaves_only_what_is_kept() {
        let (_dir, bodies) = bodies();
        bodies.put(ID, b"kept").unwrap();
        bodies.put(BodyId([8; 16]), b"not kept").unwrap();
        std::fs::write(bodies.path(BodyId([9; 16])).with_extension(TEMPORARY), b"torn").unwrap();
        bodies.sweep(|id| id == ID).unwrap();
        let left: Vec<_> = std::fs::read_dir(&bodies.dir).unwrap().map(|f| f.unwrap().path()).collect();
        assert_eq!(left, [bodies.path(ID)]);
    }
}
