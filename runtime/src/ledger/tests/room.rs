//! What the journal needs is lacking: room on the disk, or descriptors. Nothing is lost, and nothing has to be restarted.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::super::local::journal::file::segments;
use super::super::{Ask, Claimed, Ledger, LedgerError, NoteEvent, State, Version, verify};
use super::{Append, claim, completed, entry, gated, known, lookup, payload, private, queue, run, settle, state};

/// Set for the process that has no descriptors left; others run their tests meanwhile.
const ALONE: &str = "SAFE_TOOL_TEST_WITHOUT_DESCRIPTORS";

#[tokio::test]
async fn a_refused_batch_is_as_if_it_had_not_been() {
    let (ledger, gate) = gated();
    // Held in a first append, so that all that follows is one batch.
    let mut held = Box::pin(ledger.claim(claim("held", "held")));
    queue(&mut held);
    gate.arrived.recv().unwrap();
    let mut one = Box::pin(ledger.claim(claim("a", "one")));
    queue(&mut one);
    let mut two = Box::pin(ledger.claim(claim("a", "two")));
    queue(&mut two);
    let mut asked =
        Box::pin(ledger.ask(Ask { claim: claim("b", "three"), id: "01J".to_owned(), expires_ms: u64::MAX }));
    queue(&mut asked);
    gate.verdicts.send(Append::Write).unwrap();
    gate.verdicts.send(Append::Refuse).unwrap();
    let Claimed::Won { version: first, .. } = held.await.unwrap() else { panic!("not won") };
    assert!(matches!(one.await, Err(LedgerError::NoRoom { .. })));
    // That one exists already rests on what is not there.
    assert!(matches!(two.await, Err(LedgerError::NoRoom { .. })));
    assert!(matches!(asked.await, Err(LedgerError::NoRoom { .. })));
    gate.arrived.recv().unwrap();
    ledger.health().unwrap();
    assert_eq!((state(&ledger, "a"), state(&ledger, "b")), (None, None));

    gate.verdicts.send(Append::Refuse).unwrap();
    let refused = ledger.settle(settle("held", first, completed("{}"))).await;
    assert!(matches!(refused, Err(LedgerError::NoRoom { .. })));
    assert_eq!(state(&ledger, "held"), Some(State::Started { epoch: 1 }));
    for _ in 0..3 {
        gate.verdicts.send(Append::Write).unwrap();
    }
    let settled = ledger.settle(settle("held", first, completed("{}"))).await.unwrap();
    assert_eq!(settled.version, Version(first.0 + 1), "the refused records have left no gap");
    let Claimed::Won { version, .. } = ledger.claim(claim("a", "again")).await.unwrap() else { panic!("not won") };
    assert_eq!(version, Version(settled.version.0 + 1));
    // What is lost with its batch and nobody waits for does no harm either.
    gate.verdicts.send(Append::Refuse).unwrap();
    ledger.note(entry("read"), NoteEvent::Read { code: "ok".into() }).unwrap();
    ledger.health().unwrap();
}

#[tokio::test]
async fn a_close_that_is_not_recorded_is_no_close() {
    let (ledger, gate) = gated();
    gate.verdicts.send(Append::Refuse).unwrap();
    assert!(ledger.close().await.is_err());
}

#[test]
fn without_descriptors_the_journal_goes_on() {
    let name = std::any::type_name_of_val(&without_descriptors_the_journal_goes_on);
    let (_, name) = name.split_once("::").unwrap();
    if std::env::var_os(ALONE).is_some() {
        return tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(without_descriptors());
    }
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let ran = alone.args([name, "--exact", "--nocapture"]).env(ALONE, "").output().unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&ran.stderr));
}

/// Takes every descriptor that is left.
fn exhaust() -> Vec<File> {
    let held: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(File::open("/dev/null").is_err() && !held.is_empty());
    held
}

async fn without_descriptors() {
    let scratch = tempfile::tempdir().unwrap();
    private(scratch.path());
    let options = Ledger::options().segment_bytes(2_000);
    let ledger = options.open(scratch.path().to_str().unwrap()).unwrap();
    let made = |directory: &Path| fs::read_dir(directory.join("journal")).unwrap().count();
    for name in 0..20 {
        run(&ledger, &format!("before {name}")).await;
    }
    let before = known(&ledger, "before 0").await;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).unwrap();
    assert_eq!(payload(&ledger, &before).unwrap(), br#"{"of":"before 0"}"#);
    let held = exhaust();
    for name in 0..40 {
        let name = format!("without {name}");
        run(&ledger, &name).await;
        let action = lookup(&ledger, &name).unwrap();
        assert_eq!(payload(&ledger, &action).unwrap(), format!("{{\"of\":\"{name}\"}}").as_bytes());
    }
    assert_eq!(payload(&ledger, &before).unwrap(), br#"{"of":"before 0"}"#, "from a segment of long ago");
    ledger.health().unwrap();
    drop(held);
    let crowded = made(scratch.path());
    for name in 0..20 {
        run(&ledger, &format!("after {name}")).await;
    }
    assert!(made(scratch.path()) > crowded + 3, "segments end again");
    ledger.close().await.unwrap();
    drop(ledger);
    let firsts = segments(&scratch.path().join("journal")).unwrap();
    assert!(firsts.len() > 10, "{firsts:?}");
    assert!(verify(scratch.path()).unwrap().clean_close);
}
