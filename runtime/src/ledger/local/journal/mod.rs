//! The journal: an append-only run of lines that is the write-ahead log and the audit trail at once.

use std::io::{self, BufRead};
use std::sync::Arc;

use super::super::action::PayloadAt;
use super::super::record::is_record;

pub(in crate::ledger) mod file;
mod files;
mod filler;
pub(in crate::ledger) mod memory;
pub(in crate::ledger) mod recover;
mod seek;
mod segment;
pub(in crate::ledger) mod zeros;

/// Where the next batch will stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Position {
    /// First sequence of the segment.
    pub(in crate::ledger) segment: u64,
    /// Bytes of the segment so far.
    pub(in crate::ledger) offset: u64,
}

/// Why a batch is not durable.
#[derive(Debug)]
pub(in crate::ledger) enum WriteError {
    /// No byte of it is on its way: the same place takes another batch later.
    Refused(io::Error),
    /// Any part of it may be there: the journal is not used again.
    Broken(io::Error),
}

/// The writing side; owned by the committer, so it has one user.
pub(in crate::ledger) trait Journal: Send {
    /// Where a batch whose first record is `next` will stand; may begin a new segment. After an error the journal is not
    /// used again.
    fn begin(&mut self, next: u64) -> io::Result<Position>;

    /// Appends a batch; on return it is durable.
    fn append(&mut self, batch: &[u8]) -> Result<(), WriteError>;

    /// The reading side.
    fn reader(&self) -> Arc<dyn Reader>;
}

/// The reading side, for any thread. Whether the bytes are the ones that were stored is for the caller to check.
pub(in crate::ledger) trait Reader: Send + Sync {
    /// The bytes of a payload.
    fn payload(&self, at: &PayloadAt) -> io::Result<Vec<u8>>;

    /// The line of the record `sequence`, without its line break.
    fn record(&self, sequence: u64) -> io::Result<Vec<u8>>;

    /// The file of `segment` is another one now.
    fn rewritten(&self, segment: u64);
}

/// The line of the record `sequence` among `lines`.
fn find_record(lines: impl BufRead, sequence: u64) -> io::Result<Vec<u8>> {
    for line in lines.split(b'\n') {
        let line = line?;
        if is_record(&line, sequence) {
            return Ok(line);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}
