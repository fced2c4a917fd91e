//! What a journal holds after whatever ended its last use.
//!
//! A batch is acknowledged after its sync, so behind the last synced record anything may stand: nothing, half a line, or
//! a later page of the batch without an earlier one. That much is cut. Anything wrong at or before a record known to be
//! synced is damage, and nothing is changed then.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::super::action::PayloadAt;
use super::super::super::chain::{Chain, Linked, lines};
use super::super::super::error::LedgerError;
use super::super::super::record::{Event, Parsed, Record, Tail, is_record, parse};
use super::Position;
use super::file::segment_path;

/// What was found.
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
/// `synced` is a sequence known from elsewhere to be synced; 0 when nothing is known. The last segment is made durable
/// before it is acted upon: a record that was must not go away later.
pub(in crate::ledger) fn recover(
    directory: &Path,
    segments: &[u64],
    synced: u64,
    each: &mut dyn FnMut(Box<Record>, Option<PayloadAt>, Tail) -> Result<(), LedgerError>,
) -> Result<Recovered, LedgerError> {
    let first = segments.first().copied().unwrap_or(1);
    let mut chain = Chain::from(first);
    let mut found =
        Recovered { tail: Tail::GENESIS, end: Position { segment: first, offset: 0 }, clean: false, cut: 0 };
    let mut synced = synced;
    for (place, segment) in segments.iter().copied().enumerate() {
        let path = segment_path(directory, segment);
        let last = place + 1 == segments.len();
        let damaged =
            |offset, sequence, reason| LedgerError::Damaged { segment: path.clone(), offset, sequence, reason };
        if segment != chain.next_sequence() {
            return Err(damaged(0, chain.next_sequence(), "the segment before is missing or incomplete"));
        }
        let bytes = fs::read(&path).map_err(LedgerError::io("read", &path))?;
        if last {
            make_durable(&path, &bytes).map_err(LedgerError::io("sync", &path))?;
        }
        found.end = Position { segment, offset: 0 };
        let mut broken = None;
        for (offset, line, whole) in lines(&bytes) {
            let linked = match broken {
                Some((_, reason)) => Err(reason),
                None if whole => chain.take(segment, offset, line),
                None => Err("the line is incomplete"),
            };
            match linked {
                Ok(None) => {}
                Ok(Some(Linked { record, tail, payload })) => {
                    found.tail = tail;
                    found.clean = record.event == Event::Close;
                    found.end.offset = offset + line.len() as u64 + 1;
                    each(record, payload, tail)?;
                }
                Err(reason) => {
                    broken = broken.or(Some((offset, reason)));
                    synced = synced.max(durable_of(line));
                }
            }
        }
        if broken.is_none() && chain.waits() {
            broken = Some((found.end.offset, "the payload has no record"));
        }
        if let Some((offset, reason)) = broken {
            if !last || synced >= chain.next_sequence() {
                return Err(damaged(offset, chain.next_sequence(), reason));
            }
            found.cut = bytes.len() as u64 - found.end.offset;
            found.clean = false;
        }
    }
    Ok(found)
}

/// Makes what was read of a segment durable.
///
/// After a failed sync the kernel takes the pages for clean, though the disk never had them, and a later sync says that
/// all is well. Written again, the same bytes are dirty again: all that no record knows to be synced.
fn make_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let from = behind_synced(bytes);
    let file = OpenOptions::new().write(true).open(path)?;
    file.write_all_at(bytes.get(from..).unwrap_or_default(), from as u64)?;
    file.sync_all()
}

/// Where in a segment what its last record knows to be synced ends; 0 when that is not in it.
fn behind_synced(bytes: &[u8]) -> usize {
    let held: Vec<_> = lines(bytes).collect();
    let last = held.iter().rev().find_map(|(_, line, _)| match parse(line) {
        Ok(Parsed::Record(record, _)) => Some(record.durable),
        _ => None,
    });
    let synced = last.and_then(|synced| held.iter().rev().find(|(_, line, _)| is_record(line, synced)));
    synced.map_or(0, |(offset, line, _)| usize::try_from(*offset).unwrap_or(0) + line.len() + 1)
}

/// What a line at or behind a break knew to be synced; 0 when it is no record. Lines before it cannot know of it.
fn durable_of(line: &[u8]) -> u64 {
    match parse(line) {
        Ok(Parsed::Record(record, _)) => record.durable,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::super::record::{Event, Line, Tail, write_record};
    use super::behind_synced;

    #[test]
    fn what_no_record_knows_to_be_synced_is_written_again() {
        let mut bytes = Vec::new();
        let mut tail = Tail::GENESIS;
        let mut ends = Vec::new();
        for durable in [0, 1, 1, 3] {
            tail = write_record(&mut bytes, tail, durable, "2026-11-20T00:00:00.000Z", Line::new(Event::Read)).unwrap();
            ends.push(bytes.len());
        }
        assert_eq!(behind_synced(&bytes[..ends[0]]), 0);
        assert_eq!(behind_synced(&bytes[..ends[2]]), ends[0]);
        assert_eq!(behind_synced(&bytes), ends[2]);
        // Half a line behind tells nothing, and nor does a segment that begins behind what is synced.
        assert_eq!(behind_synced(&[&bytes[..], b"{\"hash\":"].concat()), ends[2]);
        assert_eq!(behind_synced(&bytes[ends[2]..]), 0);
    }
}
