//! A journal that lives as long as its process, for tests.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use super::super::super::action::PayloadAt;
use super::{Journal, Position, Reader, WriteError, find_record};

/// One segment, in memory.
#[derive(Clone, Default)]
pub(in crate::ledger) struct MemoryJournal(Arc<RwLock<Vec<u8>>>);

impl Journal for MemoryJournal {
    fn begin(&mut self, _next: u64) -> io::Result<Position> {
        let offset = self.0.read().unwrap_or_else(PoisonError::into_inner).len() as u64;
        Ok(Position { segment: 1, offset })
    }

    fn append(&mut self, batch: &[u8]) -> Result<(), WriteError> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend_from_slice(batch);
        Ok(())
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }
}

impl Reader for MemoryJournal {
    fn payload(&self, at: &PayloadAt) -> io::Result<Vec<u8>> {
        let range = || Some(usize::try_from(at.offset).ok()?..usize::try_from(at.offset.checked_add(at.length)?).ok()?);
        let bytes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        range()
            .and_then(|range| bytes.get(range))
            .map(<[u8]>::to_vec)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn record(&self, sequence: u64) -> io::Result<Vec<u8>> {
        find_record(self.0.read().unwrap_or_else(PoisonError::into_inner).as_slice(), sequence)
    }
    fn rewritten(&self, _segment: u64) {}
}
