//! How far the index was acknowledged, in a file of its own beside the engine's.
//!
//! The engine takes whatever it cannot read at some place of its log for the end of it, and goes back to there without a
//! word: after a power cut, and after one flipped byte. The mark tells. It is written with every commit, which costs
//! little, and synced when there is time and at the end: so it knows of what a power cut took, but for the last moments.

use std::fs::File;
use std::io;
use std::path::Path;

use super::super::contract::{StoreError, Version};
use super::super::disk::Disk;

/// In the directory of the index.
const NAME: &str = "acknowledged";
const LEN: usize = 12;

/// The file that holds the last version that was acknowledged, and a CRC-32 of it; big-endian.
#[derive(Debug)]
pub(super) struct Mark(File);

impl Mark {
    /// Opens the mark of an index that ends at `last`; a mark that is not there is made.
    ///
    /// # Errors
    /// `Damaged` when more was acknowledged than is there; `Io` when the medium fails.
    pub(super) fn open(index: &Path, last: Version, disk: &Disk) -> Result<Self, StoreError> {
        let failed = |e: io::Error| disk.explain("read how far its index went", &e);
        let path = index.join(NAME);
        if !disk.exists(&path).map_err(failed)? {
            let mark = Self(disk.create(&path).map_err(failed)?);
            mark.write(last, disk).and_then(|()| mark.sync(disk)).map_err(failed)?;
            return Ok(mark);
        }
        let file = disk.open_rw(&path).map_err(failed)?;
        let mut found = [0; LEN];
        let found = match disk.read_at(&file, &mut found, 0) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => None,
            read => read.map(|()| parse(&found)).map_err(failed)?,
        };
        let why = match found {
            Some(acknowledged) if acknowledged <= last => return Ok(Self(file)),
            Some(acknowledged) => {
                format!("its index ends at change {}, and {} were acknowledged", last.0, acknowledged.0)
            }
            None => "how far its index was acknowledged cannot be read".to_owned(),
        };
        Err(StoreError::Damaged(format!(
            "{why}: the power was cut, or the disk is not sound. Restore it from a backup; or remove {} to go on with what \
             is left, and lose what is missing for good",
            path.display()
        )))
    }

    /// Says that everything up to here is acknowledged.
    pub(super) fn write(&self, last: Version, disk: &Disk) -> io::Result<()> {
        disk.write_at(&self.0, &row(last), 0)
    }

    /// Makes durable what it says.
    pub(super) fn sync(&self, disk: &Disk) -> io::Result<()> {
        disk.sync(&self.0)
    }
}

fn row(last: Version) -> Vec<u8> {
    let last = last.0.to_be_bytes();
    [last.as_slice(), &crc32fast::hash(&last).to_be_bytes()].concat()
}

fn parse(found: &[u8; LEN]) -> Option<Version> {
    let (last, _sum) = found.split_first_chunk::<8>()?;
    let last = Version(u64::from_be_bytes(*last));
    (row(last) == found).then_some(last)
}
