//! The thread that brings the index up to date with what is durable.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::changes::Changes;
use super::index::{Head, Index};
use super::shared::Shared;

/// Batches are put together for this long, so that an action that starts and ends meanwhile is written once,
const GATHER: Duration = Duration::from_millis(250);
/// up to this many actions, which wait in memory.
const MOST_AT_ONCE: usize = 16_384;
/// Actions that leave the overlay at once: whoever looks there waits for no more.
const SLICE: usize = 256;

/// The changes of one durable batch, and the head they lead to.
pub(super) struct Applied {
    pub(super) changes: Changes,
    pub(super) head: Head,
}

/// Applies batches until there are no more to come. The first failure poisons the ledger and ends it.
pub(super) fn run(batches: &Receiver<Applied>, index: &Arc<dyn Index>, shared: &Shared) {
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
        let applied: Vec<_> = changes.iter().map(|(key, change)| (*key, change.sequence)).collect();
        for slice in applied.chunks(SLICE) {
            shared.overlay.write().unwrap_or_else(PoisonError::into_inner).forget(slice);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc::channel;
    use std::sync::{Arc, PoisonError};

    use super::super::action::{Beginning, Step, Transition};
    use super::super::changes::Changes;
    use super::super::hash::Hash;
    use super::super::index::memory::MemoryIndex;
    use super::super::index::{Head, Index};
    use super::super::shared::Shared;
    use super::{Applied, run};

    #[test]
    fn what_is_applied_leaves_the_overlay() {
        let key = Hash([1; 32]);
        let mut changes = Changes::default();
        let change = Transition::Begin(Box::new(Beginning::started(1)));
        changes.step(Step { sequence: 1, at_ms: 0, key, change }, None).unwrap();
        let shared = Shared::default();
        shared.overlay.write().unwrap_or_else(PoisonError::into_inner).absorb(&changes);
        let index: Arc<dyn Index> = Arc::new(MemoryIndex::default());
        let (batches, waiting) = channel();
        let head = Head { log: "log".to_owned(), sequence: 1, hash: key, epoch: 1, swept: 1 };
        batches.send(Applied { changes, head: head.clone() }).unwrap();
        drop(batches);
        run(&waiting, &index, &shared);
        assert_eq!(shared.overlay.read().unwrap_or_else(PoisonError::into_inner).len(), 0);
        assert_eq!(index.get(&key).unwrap().unwrap().version, 1);
        assert_eq!(index.head().unwrap(), Some(head));
        shared.works().unwrap();
    }
}
