//! The journal: an append-only run of lines that is the write-ahead log and the audit trail at once.

use std::io::{self, BufRead};
use std::sync::Arc;

use super::super::action::PayloadAt;
use super::super::record::is_record;

pub(in crate::ledger) mod file;
pub(in crate::ledger) mod memory;
pub(in crate::ledger) mod recover;

/// Where the next batch will stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Position {
    /// First sequence of the segment.
    pub(in crate::ledger) segment: u64,
    /// Bytes of the segment so far.
    pub(in crate::ledger) offset: u64,
}

/// The writing side; owned by the committer, so it has one user.
pub(in crate::ledger) trait Journal: Send {
    /// Where a batch whose first record is `next` will stand; may begin a new segment.
    fn begin(&mut self, next: u64) -> io::Result<Position>;

    /// Appends a batch; on return it is durable. After an error the journal is not used again.
    fn append(&mut self, batch: &[u8]) -> io::Result<()>;

    /// The reading side.
    fn reader(&self) -> Arc<dyn Reader>;
}

/// The reading side, for any thread. Whether the bytes are the ones that were stored is for the caller to check.
pub(in crate::ledger) trait Reader: Send + Sync {
    /// The bytes of a payload.
    fn payload(&self, at: &PayloadAt) -> io::Result<Vec<u8>>;

    /// The line of the record `sequence`, without its line break. Reads a segment from its begin.
    fn record(&self, sequence: u64) -> io::Result<Vec<u8>>;
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
