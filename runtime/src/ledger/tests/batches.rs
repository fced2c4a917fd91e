//! Decisions within one batch, before any of it is written.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use super::super::local::index::blocks::Values;
use super::super::local::journal::memory::MemoryJournal;
use super::super::{Claim, Claimed, LedgerError, NoteEvent, Standing, State, Version};
use super::{Append, claim, completed, entry, gated, known, lookup, queue, run, settle, start, state, subject};

/// Runs `queued` while the committer is held in an append, so that they all end up in the next batch.
async fn in_one_batch<T: Send + 'static>(
    ledger: &super::Ledger,
    gate: &super::Gate,
    queued: Vec<impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    ledger.note(entry("held"), NoteEvent::Read { code: "ok".into() }).unwrap();
    gate.arrived.recv().unwrap();
    let mut asked: Vec<_> = queued.into_iter().map(Box::pin).collect();
    for ask in &mut asked {
        queue(ask);
    }
    gate.verdicts.send(Append::Write).unwrap();
    gate.verdicts.send(Append::Write).unwrap();
    futures_util::future::join_all(asked).await
}

#[tokio::test]
async fn the_first_of_two_claims_wins() {
    let (ledger, gate) = gated();
    let asks = ["one", "two"].map(|call| {
        let ledger = ledger.clone();
        async move { ledger.claim(claim("a", call)).await.unwrap() }
    });
    let answers = in_one_batch(&ledger, &gate, asks.into()).await;
    let [Claimed::Won { .. }, Claimed::Known(Standing::Running { call })] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(call, "one");
    gate.arrived.recv().unwrap();
    assert!(gate.arrived.try_recv().is_err(), "more than one batch");
}

/// Both completions are decided before either is written, so the second has to see what the first did to their subject.
#[tokio::test]
async fn what_ends_first_in_a_batch_is_superseded_by_what_ends_next() {
    let (ledger, gate) = gated();
    let about = |name, call| Claim { subjects: vec![subject(&["web-01"])], ..claim(name, call) };
    let mut versions = Vec::new();
    for name in ["isolate", "release"] {
        gate.verdicts.send(Append::Write).unwrap();
        let Claimed::Won { version, .. } = ledger.claim(about(name, name)).await.unwrap() else { panic!("not won") };
        gate.arrived.recv().unwrap();
        versions.push(version);
    }
    let asks = [("isolate", versions[0]), ("release", versions[1])].map(|(name, version)| {
        let ledger = ledger.clone();
        async move { ledger.settle(settle(name, version, completed("{}"))).await.unwrap() }
    });
    let settled = in_one_batch(&ledger, &gate, asks.into()).await;
    assert_eq!(settled[0].receipt.sequence + 1, settled[1].receipt.sequence);
    gate.verdicts.send(Append::Write).unwrap();
    let Claimed::Known(Standing::Superseded(superseded)) = ledger.claim(about("isolate", "later")).await.unwrap()
    else {
        panic!("not superseded")
    };
    assert_eq!(superseded.by.unwrap().call, "release");
    assert_eq!(state(&ledger, "isolate"), Some(State::Completed), "no completion frees another key");
}

/// What ended in a batch is told in the same batch, before the journal has it.
#[tokio::test]
async fn what_ends_in_a_batch_supersedes_what_is_asked_next() {
    let (ledger, gate) = gated();
    let about = |name, call| Claim { subjects: vec![subject(&["web-01"])], ..claim(name, call) };
    let mut versions = Vec::new();
    for name in ["isolate", "release"] {
        gate.verdicts.send(Append::Write).unwrap();
        let Claimed::Won { version, .. } = ledger.claim(about(name, name)).await.unwrap() else { panic!("not won") };
        gate.arrived.recv().unwrap();
        versions.push(version);
    }
    gate.verdicts.send(Append::Write).unwrap();
    ledger.settle(settle("isolate", versions[0], completed("{}"))).await.unwrap();
    gate.arrived.recv().unwrap();
    let release = ledger.clone();
    let release: futures_util::future::BoxFuture<'static, Option<Claimed>> = {
        let settle = settle("release", versions[1], completed("{}"));
        Box::pin(async move { release.settle(settle).await.map(|_| None).unwrap() })
    };
    let again = ledger.clone();
    let again = Box::pin(async move { Some(again.claim(about("isolate", "later")).await.unwrap()) });
    let answers = in_one_batch(&ledger, &gate, vec![release, again]).await;
    let Some(Claimed::Known(Standing::Superseded(superseded))) = &answers[1] else { panic!("{answers:?}") };
    assert_eq!(superseded.by.as_ref().unwrap().call, "release");
}

/// Values that nobody can write until the test lets them.
struct Held(Mutex<Receiver<()>>);

impl Values for Held {
    fn get(&self, _name: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(None)
    }

    fn put(&self, _name: &[u8], _value: &[u8]) -> Result<(), LedgerError> {
        // An error means that the test has left: nothing is held back any more.
        self.0.lock().unwrap().recv().ok();
        Ok(())
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

#[tokio::test]
async fn nobody_waits_for_what_is_kept_of_the_index() {
    let (release, released) = channel();
    let ledger = start(Box::new(MemoryJournal::default()), Some(Box::new(Held(Mutex::new(released)))));
    // Dropped before the ledger, which waits for it: a failing test must end.
    let release: std::sync::mpsc::Sender<()> = release;
    run(&ledger, "isolate").await;
    run(&ledger, "release").await;
    assert_eq!(state(&ledger, "isolate"), Some(State::Completed));
    assert_eq!(known(&ledger, "release").await.state, State::Completed);
    drop(release);
}

#[tokio::test]
async fn nothing_shows_before_it_is_durable() {
    let (ledger, gate) = gated();
    let mut ask = Box::pin(ledger.claim(claim("a", "one")));
    queue(&mut ask);
    gate.arrived.recv().unwrap();
    assert_eq!(lookup(&ledger, "a"), None);
    queue(&mut ask);
    gate.verdicts.send(Append::Write).unwrap();
    ask.await.unwrap();
    assert!(lookup(&ledger, "a").is_some());
}

#[tokio::test]
async fn what_is_queued_behind_a_close_is_recorded_and_claims_nothing() {
    let (ledger, gate) = gated();
    gate.verdicts.send(Append::Write).unwrap();
    let Claimed::Won { version, .. } = ledger.claim(claim("a", "one")).await.unwrap() else { panic!("not won") };
    gate.arrived.recv().unwrap();
    ledger.note(entry("held"), NoteEvent::Read { code: "ok".into() }).unwrap();
    gate.arrived.recv().unwrap();
    let mut closed = Box::pin(ledger.close());
    queue(&mut closed);
    let mut settled = Box::pin(ledger.settle(settle("a", version, completed("{}"))));
    queue(&mut settled);
    let mut claimed = Box::pin(ledger.claim(claim("b", "two")));
    queue(&mut claimed);
    let mut again = Box::pin(ledger.close());
    queue(&mut again);
    drop(gate.verdicts);
    // The note that held them, the settlement, the close.
    assert_eq!(settled.await.unwrap().version, Version(version.0 + 2));
    assert!(matches!(claimed.await, Err(LedgerError::Closed)));
    assert!(matches!(again.await, Err(LedgerError::Closed)));
    closed.await.unwrap();
    assert_eq!(gate.arrived.iter().count(), 2);
}
