//! Retention: what answers no longer leaves, and the chain still verifies.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::super::local::journal::file::{segment_path, segments};
use super::super::{Claimed, Ledger, LedgerOptions, Listed, State, verify};
use super::{claim, completed, in_doubt, journal_lines, key, known, lookup, payload, private, run, settle, state, win};

/// Each record begins a segment, and nothing completed answers any longer.
fn at_once() -> LedgerOptions {
    Ledger::options().retention(Duration::ZERO).distrust(Duration::ZERO).segment_bytes(1)
}

fn open(directory: &Path, options: &LedgerOptions) -> Ledger {
    private(directory);
    options.open(directory.to_str().unwrap()).unwrap()
}

/// Lines of all segments that `matches`.
fn count(directory: &Path, matches: impl Fn(&str) -> bool) -> usize {
    let mut count = 0;
    let journal = directory.join("journal");
    for first in segments(&journal).unwrap() {
        let segment = fs::read_to_string(segment_path(&journal, first)).unwrap();
        count += segment.lines().filter(|line| matches(line)).count();
    }
    count
}

fn payloads(directory: &Path) -> usize {
    count(directory, |line| line.starts_with("{\"payload\""))
}

/// Ticks until the sweeper has come to `sequence`.
fn swept_to(ledger: &Ledger, directory: &Path, sequence: u64) {
    ledger.tick();
    let member = format!("\"swept\":{sequence}");
    let begun = std::time::Instant::now();
    while count(directory, |line| line.contains(&member)) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not swept to {sequence}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_completed_action_answers_until_it_expires() {
    let kept = Ledger::options().open("memory:").unwrap();
    let gone = Ledger::options().retention(Duration::ZERO).distrust(Duration::ZERO).open("memory:").unwrap();
    for ledger in [&kept, &gone] {
        run(ledger, "a").await;
    }
    assert_eq!(state(&kept, "a"), Some(State::Completed));
    assert_eq!(lookup(&gone, "a"), None);
    // A new action over it.
    assert!(matches!(gone.claim(claim("a", "again")).await.unwrap(), Claimed::Won { .. }));
    assert!(matches!(kept.claim(claim("a", "again")).await.unwrap(), Claimed::Known(_)));
}

#[tokio::test]
async fn expired_results_leave_the_disk_and_the_chain_verifies() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path(), &at_once());
    run(&ledger, "a").await;
    run(&ledger, "b").await;
    let version = win(&ledger, "doubt", "c").await;
    let doubt = ledger.settle(settle("doubt", version, in_doubt())).await.unwrap();
    assert_eq!(payloads(scratch.path()), 2);
    // The segment before the last is done when the one of the doubt is reached.
    swept_to(&ledger, scratch.path(), doubt.receipt.sequence);
    assert_eq!(payloads(scratch.path()), 0);
    assert_eq!(count(scratch.path(), |line| line.contains(&format!("\"keys\":[\"{}\"]", key("a")))), 1);
    assert_eq!(known(&ledger, "doubt").await.state, State::InDoubt, "a doubt never expires");
    drop(ledger);
    let report = verify(scratch.path()).unwrap();
    assert_eq!((report.payloads, report.missing_payloads), (0, 2));
    // A new index is made of what is left.
    fs::remove_dir_all(scratch.path().join("index")).unwrap();
    let ledger = open(scratch.path(), &Ledger::options());
    assert_eq!((state(&ledger, "a"), state(&ledger, "doubt")), (None, Some(State::InDoubt)));
    assert!(!journal_lines(scratch.path()).is_empty());
}

#[tokio::test]
async fn what_still_answers_keeps_its_segment() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path(), &at_once());
    run(&ledger, "old").await;
    drop(ledger);
    let week = Ledger::options().distrust(Duration::ZERO).segment_bytes(1);
    let ledger = open(scratch.path(), &week);
    let kept = run(&ledger, "new").await;
    run(&ledger, "newer").await;
    // The segment of `new` begins with its completion, and is where the sweeper stops.
    swept_to(&ledger, scratch.path(), kept.receipt.sequence);
    ledger.tick();
    drop(ledger);
    assert_eq!(payloads(scratch.path()), 2);
    assert_eq!(count(scratch.path(), |line| line.contains(&format!("\"swept\":{}", kept.receipt.sequence + 1))), 0);
    let ledger = open(scratch.path(), &week);
    assert_eq!(lookup(&ledger, "old"), None);
    let new = known(&ledger, "new").await;
    assert_eq!(payload(&ledger, &new).unwrap(), br#"{"of":"new"}"#);
}

/// A crash between the removal of actions and the record that a segment is done: all of it is done again.
#[tokio::test]
async fn a_segment_that_was_rewritten_is_swept_again() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path(), &at_once());
    run(&ledger, "a").await;
    let last = run(&ledger, "b").await;
    swept_to(&ledger, scratch.path(), last.receipt.sequence);
    drop(ledger);
    // The index forgets how far it came, as if the records that tell had not been written.
    fs::remove_dir_all(scratch.path().join("index")).unwrap();
    let ledger = open(scratch.path(), &at_once());
    run(&ledger, "c").await;
    ledger.tick();
    drop(ledger);
    verify(scratch.path()).unwrap();
    let ledger = open(scratch.path(), &Ledger::options());
    assert_eq!((state(&ledger, "a"), state(&ledger, "b")), (None, None));
}

#[tokio::test]
async fn listed_are_doubts_and_approvals_by_key() {
    let ledger = Ledger::open("memory:").unwrap();
    let mut keys = Vec::new();
    for name in ["a", "b", "c"] {
        let version = win(&ledger, name, name).await;
        ledger.settle(settle(name, version, in_doubt())).await.unwrap();
        keys.push(key(name));
    }
    run(&ledger, "done").await;
    win(&ledger, "running", "r").await;
    keys.sort();
    let listed = async |after, limit| {
        let found = ledger.list(Listed::InDoubt, after, limit).await.unwrap();
        found.iter().map(|action| action.key).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 9).await, keys);
    assert_eq!(listed(None, 2).await, keys[..2]);
    assert_eq!(listed(Some(keys[1]), 9).await, keys[2..]);
    assert_eq!(ledger.list(Listed::AwaitingApproval, None, 9).await.unwrap(), []);
    let doubt = known(&ledger, "a").await;
    let settled = ledger.settle(settle("a", doubt.version, completed("{}"))).await;
    settled.unwrap();
    assert_eq!(listed(None, 9).await.len(), 2);
}
