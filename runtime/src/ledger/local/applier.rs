//! The thread that brings the index up to date with what is durable.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::super::changes::Changes;
use super::super::shared::Shared;
use super::super::sync::threads::Receiver;
use super::index::{Head, Index};

/// Batches are put together for this long, so that an action that starts and ends meanwhile is written once,
const GATHER: Duration = Duration::from_millis(250);
/// up to this many actions, which wait in memory.
const MOST_AT_ONCE: usize = 16_384;
/// Actions that leave the overlay at once: whoever looks there waits for no more.
const SLICE: usize = 256;

/// The changes of one durable batch, and the head they lead to.
pub(in crate::ledger) struct Applied {
    pub(in crate::ledger) changes: Changes,
    pub(in crate::ledger) head: Head,
}

/// Applies batches until there are no more to come. The first failure poisons the ledger and ends it.
pub(in crate::ledger) fn run(batches: &Receiver<Applied>, index: &Arc<dyn Index>, shared: &Shared) {
    while let Ok(Applied { mut changes, mut head }) = batches.recv() {
        let until = Instant::now() + GATHER;
        while changes.len() < MOST_AT_ONCE
            && let Ok(next) = batches.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            changes.absorb(&next.changes);
            head = next.head;
        }
        if let Err(error) = index.apply(&changes, &head) {
            return shared.poison(&error);
        }
        let slots = changes.slot_versions();
        let applied: Vec<_> = changes.iter().map(|(key, change)| (*key, change.version)).collect();
        for slice in applied.chunks(SLICE) {
            shared.overlay.write().unwrap_or_else(PoisonError::into_inner).forget(slice, &[]);
        }
        for slice in slots.chunks(SLICE) {
            shared.overlay.write().unwrap_or_else(PoisonError::into_inner).forget(&[], slice);
        }
    }
}
