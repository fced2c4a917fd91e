//! After a failure nothing is accepted, and nobody waits for ever.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::super::action::{Beginning, Moment, Step, Transition, Unsettled};
use super::super::changes::Changes;
use super::super::local::applier::{Applied, run};
use super::super::local::index::{Head, Index};
use super::super::local::journal::memory::MemoryJournal;
use super::super::shared::Shared;
use super::super::subject::{Meeting, Slot};
use super::super::{Action, Hash, Ledger, LedgerError, NoteEvent, Version};
use super::{Append, Nothing, claim, entry, failed, gated, key, now, queue, settle, start};

async fn refuses_everything(ledger: &Ledger) {
    assert!(matches!(ledger.health(), Err(LedgerError::Unavailable)));
    assert!(matches!(now(ledger.lookup(&key("a"))), Err(LedgerError::Unavailable)));
    assert!(matches!(ledger.claim(claim("c", "later")).await, Err(LedgerError::Unavailable)));
    assert!(matches!(ledger.settle(settle("a", Version(2), failed())).await, Err(LedgerError::Unavailable)));
    let noted = ledger.note(entry("later"), NoteEvent::Read { code: "ok".into() });
    assert!(matches!(noted, Err(LedgerError::Unavailable)));
    assert!(matches!(ledger.close().await, Err(LedgerError::Unavailable)));
}

#[tokio::test]
async fn a_failed_write_refuses_the_batch_the_queue_and_all_that_follows() {
    for verdict in [Append::Fail, Append::Panic] {
        let (ledger, gate) = gated();
        let mut written = Box::pin(ledger.claim(claim("a", "written")));
        queue(&mut written);
        gate.arrived.recv().unwrap();
        let mut queued = Box::pin(ledger.claim(claim("b", "queued")));
        queue(&mut queued);
        gate.verdicts.send(verdict).unwrap();
        assert!(matches!(written.await, Err(LedgerError::Unavailable)));
        assert!(matches!(queued.await, Err(LedgerError::Unavailable)));
        refuses_everything(&ledger).await;
    }
}

#[tokio::test]
async fn a_failure_shows_even_if_nobody_waited() {
    for verdict in [Append::Fail, Append::Panic] {
        let (ledger, gate) = gated();
        ledger.note(entry("read"), NoteEvent::Read { code: "ok".into() }).unwrap();
        gate.arrived.recv().unwrap();
        gate.verdicts.send(verdict).unwrap();
        // The journal is dropped when the committer has ended.
        assert!(gate.arrived.recv().is_err());
        assert!(matches!(ledger.health(), Err(LedgerError::Unavailable)));
    }
}

#[tokio::test]
async fn a_failed_settlement_is_not_recorded() {
    let (ledger, gate) = gated();
    gate.verdicts.send(Append::Write).unwrap();
    let won = ledger.claim(claim("a", "first")).await.unwrap();
    let super::Claimed::Won { version, .. } = won else { panic!("not won") };
    gate.verdicts.send(Append::Fail).unwrap();
    assert!(matches!(ledger.settle(settle("a", version, failed())).await, Err(LedgerError::Unavailable)));
    ledger.latch();
    assert!(matches!(ledger.health(), Err(LedgerError::Unavailable)), "latching does not heal");
}

/// An index that fails, or panics, as soon as it is to take over an action.
struct Failing {
    panics: bool,
}

impl Index for Failing {
    fn head(&self) -> Result<Option<Head>, LedgerError> {
        Ok(None)
    }

    fn begun(&self) -> Result<u64, LedgerError> {
        Ok(0)
    }

    fn get(&self, _key: &Hash) -> Result<Option<Action>, LedgerError> {
        Ok(None)
    }

    fn meeting(&self, _slot: &Slot) -> Result<Option<Meeting>, LedgerError> {
        Ok(None)
    }

    fn unsettled(&self, _: Unsettled) -> Result<Vec<Hash>, LedgerError> {
        Ok(Vec::new())
    }

    fn apply(&self, changes: &Changes, _head: &Head) -> Result<(), LedgerError> {
        match (changes.len(), self.panics) {
            (0, _) => Ok(()),
            (_, false) => Err(LedgerError::Index { reason: "injected".to_owned() }),
            (_, true) => panic!("injected"),
        }
    }
}

#[tokio::test]
async fn an_index_that_fails_ends_in_refusals() {
    for panics in [false, true] {
        let ledger = start(Box::new(MemoryJournal::default()), Arc::new(Failing { panics }));
        // The first is durable, so it is answered whatever the index does next.
        ledger.claim(claim("a", "first")).await.unwrap();
        let begun = Instant::now();
        let mut calls = 0;
        while ledger.claim(claim(&format!("next {calls}"), "next")).await.is_ok() {
            calls += 1;
            assert!(begun.elapsed() < Duration::from_secs(60), "the failure of the index goes unnoticed");
        }
        refuses_everything(&ledger).await;
    }
}

#[test]
fn an_index_that_fails_poisons_at_once() {
    let mut changes = Changes::default();
    let change = Transition::Begin(Box::new(Beginning::started(1)));
    let step = Step { version: Version(1), moment: Moment(1), at_ms: 0, key: key("a"), change };
    changes.step(step, None, &Nothing).unwrap();
    let (batches, waiting) = channel();
    let head =
        Head { log: "log".to_owned(), sequence: 1, hash: Hash::ZERO, epoch: 1, swept: 1, longest_ms: 0, at_ms: 0 };
    batches.send(Applied { changes, head }).unwrap();
    let index: Arc<dyn Index> = Arc::new(Failing { panics: false });
    let shared = Shared::default();
    run(&waiting, &index, &shared);
    assert!(matches!(shared.works(), Err(LedgerError::Unavailable)));
}
