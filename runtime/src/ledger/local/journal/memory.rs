//! A journal that lives as long as its process, for tests.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use super::super::super::action::PayloadAt;
use super::super::super::chain::lines;
use super::super::super::record::sequence_of;
use super::{Found, Journal, Near, Position, Reader, WriteError, seek};

/// One segment, in memory.
#[derive(Clone, Default)]
pub(in crate::ledger) struct MemoryJournal(Arc<RwLock<Held>>);

#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    /// Where each record begins, or its payload.
    begins: Vec<u64>,
}

impl Journal for MemoryJournal {
    fn begin(&mut self, _next: u64) -> io::Result<Position> {
        let offset = self.0.read().unwrap_or_else(PoisonError::into_inner).bytes.len() as u64;
        Ok(Position { segment: 1, offset })
    }

    fn append(&mut self, batch: &[u8]) -> Result<(), WriteError> {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let offset = held.bytes.len() as u64;
        let mut begin = offset;
        for (at, line, _) in lines(batch) {
            if sequence_of(line).is_some() {
                held.begins.push(begin);
                begin = offset + at + line.len() as u64 + 1;
            }
        }
        held.bytes.extend_from_slice(batch);
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }
}

impl Reader for MemoryJournal {
    fn payload(&self, at: &PayloadAt) -> io::Result<Vec<u8>> {
        let range = || Some(usize::try_from(at.offset).ok()?..usize::try_from(at.offset.checked_add(at.length)?).ok()?);
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        range()
            .and_then(|range| held.bytes.get(range))
            .map(<[u8]>::to_vec)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn find(&self, sequence: u64, _near: Near) -> io::Result<Found> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let place = usize::try_from(sequence).ok().and_then(|sequence| sequence.checked_sub(1));
        let begins = place.and_then(|place| held.begins.get(place)).copied().ok_or(io::ErrorKind::NotFound)?;
        let from = usize::try_from(begins).ok().and_then(|begins| held.bytes.get(begins..)).unwrap_or_default();
        seek::here(&mut seek::Lines::new(from, begins), 1, sequence)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rewritten(&self, _segment: u64) {}
}
