//! After a failure nothing is accepted, and nobody waits for ever.

use super::super::local::index::blocks::Values;
use super::super::local::journal::memory::MemoryJournal;
use super::super::{Ledger, LedgerError, NoteEvent, Version};
use super::{Append, claim, entry, failed, gated, key, now, queue, run, settle, start};

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

/// Values that cannot be written, or panic.
struct Failing {
    panics: bool,
}

impl Values for Failing {
    fn get(&self, _name: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(None)
    }

    fn put(&self, _name: &[u8], _value: &[u8]) -> Result<(), LedgerError> {
        assert!(!self.panics, "injected");
        Err(LedgerError::Index { reason: "injected".to_owned() })
    }

    fn remove(&self, _name: &[u8]) -> Result<(), LedgerError> {
        Ok(())
    }

    fn names(&self) -> Result<Vec<Vec<u8>>, LedgerError> {
        Ok(Vec::new())
    }

    fn each(&self, _show: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// All that it keeps is in the journal.
#[tokio::test]
async fn an_index_that_cannot_be_kept_costs_nobody_an_answer() {
    for panics in [false, true] {
        let ledger = start(Box::new(MemoryJournal::default()), Some(Box::new(Failing { panics })));
        run(&ledger, "a").await;
        ledger.close().await.unwrap();
    }
}
