//! What a journal holds after whatever ended its last use.
//!
//! A batch is acknowledged after its sync, so behind the last synced record anything may stand: nothing, half a line, or
//! a later page of the batch without an earlier one. That much is cut. Anything wrong at or before a record known to be
//! synced is damage, and nothing is changed then.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::super::super::action::PayloadAt;
use super::super::super::chain::{Chain, Linked, lines};
use super::super::super::error::LedgerError;
use super::super::super::record::{Event, Parsed, Record, Tail, parse};
use super::Position;
use super::file::{segment_path, sync_directory_of};
use super::zeros::content;

/// What was found.
#[derive(Clone)]
pub(in crate::ledger) struct Recovered {
    /// The last record.
    pub(in crate::ledger) tail: Tail,
    /// Where the next record goes.
    pub(in crate::ledger) end: Position,
    /// The last record is a `close`, and nothing is to be cut.
    pub(in crate::ledger) clean: bool,
    /// Bytes of the torn tail, to be cut.
    pub(in crate::ledger) cut: u64,
}

/// Walks `segments` of `directory` (first sequences, ascending, at least one) and gives each record to `each`.
///
/// `synced` is a sequence known from elsewhere to be synced; 0 when nothing is known. What nobody knows to be synced is
/// made durable before it is acted upon: a record that was must not go away later.
pub(in crate::ledger) fn recover(
    directory: &Path,
    segments: &[u64],
    synced: u64,
    each: &mut dyn FnMut(Box<Record>, Option<PayloadAt>, Tail) -> Result<(), LedgerError>,
) -> Result<Recovered, LedgerError> {
    let first = segments.first().copied().unwrap_or(1);
    let mut walk = Walk {
        chain: Chain::from(first),
        synced,
        found: Recovered { tail: Tail::GENESIS, end: Position { segment: first, offset: 0 }, clean: false, cut: 0 },
    };
    for (place, segment) in segments.iter().copied().enumerate() {
        let path = segment_path(directory, segment);
        let bytes = fs::read(&path).map_err(LedgerError::io("read", &path))?;
        let last = place + 1 == segments.len();
        if !last {
            walk.segment(&path, segment, &bytes, last, each)?;
            continue;
        }
        // Zero bytes at the end of the last one are room for what did not come.
        let bytes = content(&bytes);
        if !settled(bytes, synced) {
            let mut ahead = walk.clone();
            ahead.segment(&path, segment, bytes, last, &mut |_, _, _| Ok(()))?;
            let end = usize::try_from(ahead.found.end.offset).unwrap_or(usize::MAX);
            copy(&path, bytes.get(..end).unwrap_or(bytes)).map_err(LedgerError::io("copy", &path))?;
        }
        walk.segment(&path, segment, bytes, last, each)?;
    }
    Ok(walk.found)
}

/// How far a journal is read.
#[derive(Clone)]
struct Walk {
    chain: Chain,
    /// Highest sequence known to be synced.
    synced: u64,
    found: Recovered,
}

impl Walk {
    /// Reads the next segment; only the `last` one may be torn.
    fn segment(
        &mut self,
        path: &Path,
        segment: u64,
        bytes: &[u8],
        last: bool,
        each: &mut dyn FnMut(Box<Record>, Option<PayloadAt>, Tail) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let damaged =
            |offset, sequence, reason| Err(LedgerError::Damaged { segment: path.to_owned(), offset, sequence, reason });
        if segment != self.chain.next_sequence() {
            return damaged(0, self.chain.next_sequence(), "the segment before is missing or incomplete");
        }
        self.found.end = Position { segment, offset: 0 };
        let mut broken = None;
        for (offset, line, whole) in lines(bytes) {
            let linked = match broken {
                Some((_, reason)) => Err(reason),
                None if whole => self.chain.take(segment, offset, line),
                None => Err("the line is incomplete"),
            };
            match linked {
                Ok(None) => {}
                Ok(Some(Linked { record, tail, payload })) => {
                    self.found.tail = tail;
                    self.found.clean = record.event == Event::Close;
                    self.found.end.offset = offset + line.len() as u64 + 1;
                    each(record, payload, tail)?;
                }
                Err(reason) => {
                    broken = broken.or(Some((offset, reason)));
                    self.synced = self.synced.max(durable_of(line));
                }
            }
        }
        if broken.is_none() && self.chain.waits() {
            broken = Some((self.found.end.offset, "the payload has no record"));
        }
        if let Some((offset, reason)) = broken {
            if !last || self.synced >= self.chain.next_sequence() {
                return damaged(offset, self.chain.next_sequence(), reason);
            }
            self.found.cut = bytes.len() as u64 - self.found.end.offset;
            self.found.clean = false;
        }
        Ok(())
    }
}

/// Whether `bytes` end with a record that was known to be synced, so that all of them are on the disk.
fn settled(bytes: &[u8], synced: u64) -> bool {
    let Some(lines) = bytes.strip_suffix(b"\n") else { return bytes.is_empty() };
    let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    matches!(parse(last), Ok(Parsed::Record(record, _)) if record.seq <= synced)
}

/// Puts a new file with `bytes` in the place of `path`, whole or not at all.
///
/// After a write that failed, the kernel takes the pages for clean, though the disk never had them, and ext4 takes the place
/// for never written even when the same bytes are written there once more: they go away with the page cache. So the old
/// file is only read.
fn copy(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("recovered");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_directory_of(path)
}

/// What a line at or behind a break knew to be synced; 0 when it is no record. Lines before it cannot know of it.
pub(in crate::ledger) fn durable_of(line: &[u8]) -> u64 {
    match parse(line) {
        Ok(Parsed::Record(record, _)) => record.durable,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::super::record::{Event, Line, Tail, write_record};
    use super::settled;

    #[test]
    fn only_what_was_known_to_be_synced_is_settled() {
        let mut bytes = Vec::new();
        let mut tail = Tail::GENESIS;
        for durable in [0, 1, 2] {
            tail = write_record(&mut bytes, tail, durable, "2026-11-20T00:00:00.000Z", Line::new(Event::Read)).unwrap();
        }
        assert!(settled(&bytes, 3) && settled(&bytes, 4));
        assert!(!settled(&bytes, 2), "the last batch has no later record that knows of it");
        assert!(!settled(&[&bytes[..], b"{\"hash\":"].concat(), 3));
        assert!(settled(&[], 0));
    }
}
