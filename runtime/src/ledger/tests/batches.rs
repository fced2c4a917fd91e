//! Decisions within one batch, before any of it is written.

use super::super::{Claimed, NoteEvent, State};
use super::{Append, claim, completed, entry, gated, key, queue, settle, state};

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
    let [Claimed::Won { version }, Claimed::Exists(action)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(action.version, *version);
    assert_eq!(action.call, "one");
    gate.arrived.recv().unwrap();
    assert!(gate.arrived.try_recv().is_err(), "more than one batch");
}

#[tokio::test]
async fn generations_hold_within_a_batch() {
    let (ledger, gate) = gated();
    let mut versions = Vec::new();
    for name in ["isolate", "release"] {
        gate.verdicts.send(Append::Write).unwrap();
        let Claimed::Won { version } = ledger.claim(claim(name, name)).await.unwrap() else { panic!("not won") };
        gate.arrived.recv().unwrap();
        versions.push(version);
    }
    let asks = [("isolate", versions[0], "release"), ("release", versions[1], "isolate")].map(|(name, version, undo)| {
        let ledger = ledger.clone();
        async move { ledger.settle(settle(name, version, completed("{}", Some(undo)))).await.unwrap() }
    });
    let receipts = in_one_batch(&ledger, &gate, asks.into()).await;
    assert_eq!(receipts[0].sequence + 1, receipts[1].sequence);
    assert_eq!(state(&ledger, "isolate"), None);
    assert_eq!(state(&ledger, "release"), Some(State::Completed));
}

#[tokio::test]
async fn nothing_shows_before_it_is_durable() {
    let (ledger, gate) = gated();
    let mut ask = Box::pin(ledger.claim(claim("a", "one")));
    queue(&mut ask);
    gate.arrived.recv().unwrap();
    assert_eq!(ledger.lookup(&key("a")).unwrap(), None);
    queue(&mut ask);
    gate.verdicts.send(Append::Write).unwrap();
    ask.await.unwrap();
    assert!(ledger.lookup(&key("a")).unwrap().is_some());
}
