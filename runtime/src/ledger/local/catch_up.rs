//! How the index follows records of the journal that it has not seen.

use std::path::Path;
use std::sync::Arc;

use super::super::action::{Action, PayloadAt};
use super::super::changes::{Before, Changes};
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::record::{FORMAT, Record, Tail};
use super::super::subject::{Meeting, Slot};
use super::index::{Head, Index};
use super::journal::file::segment_path;
use super::journal::recover::{Recovered, recover};

/// Changed actions that are applied to the index at once.
const SLICE: usize = 1024;

/// An index on its way along a journal.
struct Follower<'a> {
    directory: &'a Path,
    index: &'a dyn Index,
    /// Where the index was when it began.
    from: Option<Head>,
    /// Where it is, with `changes`.
    head: Option<Head>,
    /// Up to this sequence the index may hold later states already.
    begun: u64,
    changes: Changes,
}

/// Reads the journal in `directory` from the end of `index` on, and brings `index` up to its end.
///
/// `segments` are all of the journal's; `synced` is a sequence that is known to be synced. Gives what was found and the
/// head that the index has then: `None` when there is no record.
pub(in crate::ledger) fn follow(
    directory: &Path,
    segments: &[u64],
    index: &dyn Index,
    synced: u64,
) -> Result<(Recovered, Option<Head>), LedgerError> {
    let from = index.head()?;
    if segments.first() != Some(&1) {
        let reason = "the first segment is missing";
        return Err(LedgerError::Damaged { segment: segment_path(directory, 1), offset: 0, sequence: 1, reason });
    }
    let seen = from.as_ref().map_or(0, |head| head.sequence);
    // The segment that holds the last record seen shows that this is the journal the index was made from.
    let begin = segments.iter().rposition(|first| *first <= seen).unwrap_or(0);
    // What the index began to take over was synced before.
    let begun = index.begun()?;
    let synced = synced.max(seen).max(begun);
    let mut follower = Follower { directory, index, head: from.clone(), from, begun, changes: Changes::default() };
    let recovered =
        recover(directory, segments.get(begin..).unwrap_or_default(), synced, &mut |record, payload, tail| {
            follower.record(record, payload, tail)
        })?;
    if recovered.tail.sequence < synced {
        return Err(ahead(directory, synced, recovered.tail.sequence));
    }
    follower.apply()?;
    Ok((recovered, follower.head))
}

/// The index, before the changes that follow it.
struct Durable<'a> {
    index: &'a dyn Index,
    longest_ms: u64,
}

impl Before for Durable<'_> {
    fn meeting(&self, slot: &Slot) -> Result<Option<Arc<Meeting>>, LedgerError> {
        Ok(self.index.meeting(slot)?.map(Arc::new))
    }

    fn longest_ms(&self) -> u64 {
        self.longest_ms
    }
}

impl Follower<'_> {
    fn record(&mut self, record: Box<Record>, payload: Option<PayloadAt>, tail: Tail) -> Result<(), LedgerError> {
        if let Some(found) = record.format.filter(|format| *format != FORMAT) {
            return Err(LedgerError::Format { found });
        }
        if let Some(from) = self.from.as_ref().filter(|from| tail.sequence <= from.sequence) {
            return match tail.sequence == from.sequence && tail.hash != from.hash {
                true => Err(ahead(self.directory, from.sequence, tail.sequence)),
                false => Ok(()),
            };
        }
        let head = self.head.get_or_insert_with(|| Head {
            log: String::new(),
            sequence: 0,
            hash: Hash::ZERO,
            epoch: 0,
            swept: 1,
            longest_ms: 0,
            at_ms: 0,
        });
        head.sequence = tail.sequence;
        head.hash = tail.hash;
        head.epoch = head.epoch.max(record.epoch.unwrap_or(0));
        head.swept = head.swept.max(record.swept.unwrap_or(0));
        head.longest_ms = head.longest_ms.max(record.expires.unwrap_or(0));
        head.at_ms = head.at_ms.max(record.at_ms().unwrap_or(0));
        let before = Durable { index: self.index, longest_ms: head.longest_ms };
        if let Some(log) = &record.log {
            head.log.clone_from(log);
        }
        let steps = record.into_steps(payload).map_err(|_| LedgerError::Inconsistent { sequence: tail.sequence })?;
        for step in steps {
            let current = self.current(&step.key)?;
            match self.changes.step(step, current, &before) {
                // A later record took the action away, or on, and the index knew it before the crash.
                Err(LedgerError::Inconsistent { sequence }) if sequence <= self.begun => {}
                other => other?,
            }
        }
        if self.changes.len() >= SLICE {
            self.apply()?;
        }
        Ok(())
    }

    fn current(&self, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.action.clone()),
            None => Ok(self.index.get(key)?.map(Arc::new)),
        }
    }

    fn apply(&mut self) -> Result<(), LedgerError> {
        let changes = std::mem::take(&mut self.changes);
        match &self.head {
            Some(head) => self.index.apply(&changes, head),
            None => Ok(()),
        }
    }
}

fn ahead(directory: &Path, seen: u64, found: u64) -> LedgerError {
    LedgerError::IndexAhead { path: directory.to_owned(), seen, found }
}
