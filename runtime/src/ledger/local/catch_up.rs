//! How the index follows records of the journal that it has not seen.

use std::path::Path;
use std::sync::Arc;

use super::super::action::{Action, PayloadAt, Step, Transition};
use super::super::changes::Changes;
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::record::{FORMAT, Record, Tail};
use super::index::entry::Ended;
use super::index::{Head, Index, Standing};
use super::journal::file::segment_path;
use super::journal::recover::{Recovered, recover};

/// Changed actions that are applied to the index at once.
const SLICE: usize = 1024;

/// An index on its way along a journal.
pub(in crate::ledger) struct Follower<'a> {
    index: &'a Index,
    /// Where it is, with `changes`; `None` before the first record.
    head: Option<Head>,
    changes: Changes<Ended>,
}

/// Reads the journal in `directory` from the end of `index` on, and brings `index` up to its end.
///
/// `segments` are all of the journal's; `synced` is a sequence that is known to be synced. Gives what was found and the
/// head that the index has then: `None` when there is no record.
pub(in crate::ledger) fn follow(
    directory: &Path,
    segments: &[u64],
    index: &Index,
    synced: u64,
) -> Result<(Recovered, Option<Head>), LedgerError> {
    let from = index.head();
    if segments.first() != Some(&1) {
        let reason = "the first segment is missing";
        return Err(LedgerError::Damaged { segment: segment_path(directory, 1), offset: 0, sequence: 1, reason });
    }
    let seen = from.as_ref().map_or(0, |head| head.sequence);
    // The segment that holds the last record seen shows that this is the journal the index was made from.
    let begin = segments.iter().rposition(|first| *first <= seen).unwrap_or(0);
    let synced = synced.max(seen);
    let mut follower = Follower::new(index);
    let recovered =
        recover(directory, segments.get(begin..).unwrap_or_default(), synced, &mut |record, payload, tail| match from
            .as_ref()
            .filter(|from| tail.sequence <= from.sequence)
        {
            Some(from) if tail.sequence == from.sequence && tail.hash != from.hash => {
                Err(ahead(directory, from.sequence, tail.sequence))
            }
            Some(_) => Ok(()),
            None => follower.record(record, payload, tail),
        })?;
    if recovered.tail.sequence < synced {
        return Err(ahead(directory, synced, recovered.tail.sequence));
    }
    let head = follower.end();
    index.read_open()?;
    Ok((recovered, head))
}

impl<'a> Follower<'a> {
    /// Goes on where `index` is.
    pub(in crate::ledger) fn new(index: &'a Index) -> Follower<'a> {
        Follower { index, head: index.head(), changes: Changes::default() }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// [`LedgerError::Inconsistent`] when it continues what is not there; [`LedgerError::Format`]; else the journal cannot be
    /// read.
    pub(in crate::ledger) fn record(
        &mut self,
        record: Box<Record>,
        payload: Option<PayloadAt>,
        tail: Tail,
    ) -> Result<(), LedgerError> {
        if let Some(found) = record.format.filter(|format| *format != FORMAT) {
            return Err(LedgerError::Format { found });
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
        let longest_ms = head.longest_ms;
        if let Some(log) = &record.log {
            head.log.clone_from(log);
        }
        let steps = record.into_steps(payload).map_err(|_| LedgerError::Inconsistent { sequence: tail.sequence })?;
        for step in steps {
            self.step(step, longest_ms)?;
        }
        if self.changes.len() >= SLICE {
            self.apply();
        }
        Ok(())
    }

    fn step(&mut self, step: Step, longest_ms: u64) -> Result<(), LedgerError> {
        let changed = self.changes.get(&step.key);
        let settled = match changed {
            Some(change) => change.action.as_ref().is_some_and(|action| action.is_settled()),
            None => self.index.settled(&step.key).is_some(),
        };
        // Of a settled action, the journal need be read only where it may come back.
        let current = match &step.change {
            Transition::Leave if settled => {
                self.changes.leave(step.key);
                return Ok(());
            }
            Transition::Begin(beginning) if settled && beginning.again_after.is_none() => None,
            _ => self.current(&step.key)?,
        };
        self.changes.step(step, current, &Standing { index: self.index, longest_ms })
    }

    fn current(&self, key: &Hash) -> Result<Option<Arc<Action>>, LedgerError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.action.clone()),
            None => self.index.action(key),
        }
    }

    /// Brings the index up to the last record; gives its head.
    pub(in crate::ledger) fn end(mut self) -> Option<Head> {
        self.apply();
        self.head
    }

    fn apply(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        if let Some(head) = &self.head {
            self.index.apply(&changes, head);
        }
    }
}

fn ahead(directory: &Path, seen: u64, found: u64) -> LedgerError {
    LedgerError::IndexAhead { path: directory.to_owned(), seen, found }
}
