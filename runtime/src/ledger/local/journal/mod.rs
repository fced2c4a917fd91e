//! The journal: an append-only run of lines that is the write-ahead log and the audit trail at once.

use std::io;
use std::sync::Arc;

use super::super::action::PayloadAt;

pub(in crate::ledger) mod file;
pub(in crate::ledger) mod files;
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

/// A record as it stands in the journal.
pub(in crate::ledger) struct Found {
    /// Its line, without the line break.
    pub(in crate::ledger) line: Vec<u8>,
    /// The first byte of its line in its segment, or of the payload line before it.
    pub(in crate::ledger) begins: u64,
    /// The payload before it, if one is there.
    pub(in crate::ledger) payload: Option<PayloadAt>,
}

/// Where a record may be found sooner than by a search through its segment.
#[derive(Clone, Copy, Default)]
pub(in crate::ledger) struct Near {
    /// Its first byte, or that of its payload, when it was written. Retention moves it.
    pub(in crate::ledger) hint: Option<u64>,
    /// A later record, with its first byte.
    pub(in crate::ledger) before: Option<(u64, u64)>,
}

/// The reading side, for any thread. Whether the bytes are the ones that were stored is for the caller to check.
pub(in crate::ledger) trait Reader: Send + Sync {
    /// The bytes of a payload.
    fn payload(&self, at: &PayloadAt) -> io::Result<Vec<u8>>;

    /// The record `sequence`.
    fn find(&self, sequence: u64, near: Near) -> io::Result<Found>;

    /// The line of the record `sequence`, without its line break.
    fn record(&self, sequence: u64) -> io::Result<Vec<u8>> {
        Ok(self.find(sequence, Near::default())?.line)
    }

    /// The file of `segment` is another one now.
    fn rewritten(&self, segment: u64);
}
