use super::super::Throttle;
use super::super::throttle::What;
use super::call;
use crate::clock::BootClock;
use crate::ledger::Entry;
use crate::prelude::*;
use crate::{Ledger, Principal};
use serde_json::Value;
use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::Ordering;

const WRITE: Scope = Scope::new("lab:write");
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const MIB: usize = 1_024 * 1_024;

/// Marks a thing.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = by_hand("unmark it"))]
async fn mark(
    /// The thing.
    #[arg(pattern = "^[a-z]{1,9}$")]
    thing: String,
) -> Result<Done, Infallible> {
    let _ = thing;
    Ok(Done)
}

fn local(directory: &Path) -> Ledger {
    Ledger::open(directory.join("ledger").to_str().unwrap()).unwrap()
}

/// The journal, without the zero bytes that follow while a server writes.
fn written(directory: &Path) -> String {
    let text = std::fs::read_to_string(directory.join("ledger/journal/00000000000000000001.jsonl")).unwrap();
    text.trim_end_matches('\0').to_owned()
}

/// The records of refusals and replays, and how many calls they stand for.
fn noted(directory: &Path, event: &str) -> (Vec<Value>, u64) {
    let all = written(directory);
    let all = all.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let noted: Vec<Value> = all.filter(|record| record["event"] == event).collect();
    let times = noted.iter().map(|record| record["times"].as_u64().unwrap()).sum();
    (noted, times)
}

fn entry(agent: &str, call: u32) -> Entry {
    let mut entry = super::super::entry::of_nobody();
    (entry.tenant, entry.agent, entry.call) = ("acme".to_owned(), agent.to_owned(), format!("C{call}"));
    entry
}

fn denied() -> What {
    What::Refused { code: "scope_missing".into(), gate: "scope" }
}

/// Holes F7: 666 bytes for each replay, as long as the actions differ.
#[tokio::test]
async fn replays_of_different_actions_are_alike() {
    let directory = tempfile::tempdir().unwrap();
    let (clock, _) = BootClock::set();
    let server = Server::write("lab", ()).tool::<mark>().ledger(local(directory.path())).clock(clock);
    let server = server.in_process(Principal::agent("a").with_scope("lab:write")).await.unwrap();
    let things: Vec<String> = ('a'..='z').flat_map(|a| ('a'..='d').map(move |b| format!("{a}{b}"))).take(100).collect();
    for _ in 0..21 {
        for thing in &things {
            assert_eq!(call(&server, "mark", thing).await["status"], "ok");
        }
    }
    server.close().await.unwrap();
    let (records, times) = noted(directory.path(), "replayed");
    assert_eq!((records.len(), times), (21, 2_000), "20 of the first second, and the sum of the rest");
    let sum = records.last().unwrap();
    assert_eq!((&sum["times"], &sum["agent"], &sum["tool"]), (&1_980.into(), &"a".into(), &"mark".into()));
    assert!(sum.get("first_call").is_none() && sum.get("key").is_none(), "it is about many actions: {sum}");
}

/// A sum a minute, however many come, and every call counts.
#[tokio::test]
async fn what_comes_for_minutes_is_summed_up_by_the_minute() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = local(directory.path());
    let (clock, ms) = BootClock::set();
    let throttle = Throttle::new(clock);
    let mut calls = 0;
    for second in 0..180 {
        ms.store(second * 1_000, Ordering::SeqCst);
        for _ in 0..30 {
            calls += 1;
            throttle.note(&ledger, entry("a", calls), denied(), "");
        }
        throttle.flush(&ledger, false);
    }
    assert!(throttle.flush(&ledger, true));
    ledger.close().await.unwrap();
    let (records, times) = noted(directory.path(), "refused");
    // In each minute the 20 of its first second, and its sum.
    assert_eq!((records.len(), times), (3 * 21, u64::from(calls)));
}

#[tokio::test]
async fn twenty_a_second_are_each_written() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = local(directory.path());
    let (clock, ms) = BootClock::set();
    let throttle = Throttle::new(clock);
    for second in 0..3 {
        ms.store(second * 1_000, Ordering::SeqCst);
        for call in 0..20 {
            throttle.note(&ledger, entry("a", call), denied(), "");
        }
        throttle.flush(&ledger, false);
    }
    ledger.close().await.unwrap();
    assert_eq!(noted(directory.path(), "refused").0.len(), 60);
}

#[tokio::test]
async fn kinds_beyond_the_bound_are_counted_together() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = local(directory.path());
    let throttle = Throttle::new(BootClock::set().0);
    for agent in 0..3_000 {
        throttle.note(&ledger, entry(&format!("agent-{agent}"), agent), denied(), "");
    }
    assert!(throttle.flush(&ledger, true));
    ledger.close().await.unwrap();
    let (records, times) = noted(directory.path(), "refused");
    assert_eq!((records.len(), times), (1_024 + 20 + 1, 3_000));
    let sum = records.last().unwrap();
    assert_eq!((&sum["agent"], &sum["code"], &sum["times"]), (&"".into(), &"other".into(), &1_956.into()));
}

/// Holes D4: 401s alone grew the journal by 604 MiB a day.
#[tokio::test]
async fn a_day_of_unauthenticated_calls_stays_below_a_mebibyte() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = local(directory.path());
    let (clock, ms) = BootClock::set();
    let throttle = Throttle::new(clock);
    let mut calls = 0;
    for at in (0..DAY_MS).step_by(5_000) {
        ms.store(at, Ordering::SeqCst);
        for _ in 0..10 {
            calls += 1;
            throttle.unauthenticated(&ledger);
        }
        throttle.flush(&ledger, false);
    }
    assert!(throttle.flush(&ledger, true));
    ledger.close().await.unwrap();
    let (records, times) = noted(directory.path(), "refused");
    assert_eq!(times, calls, "the sums tell the count");
    let size = written(directory.path()).len();
    // In a real day a checkpoint may follow each of them.
    let checkpoint = noted_length(directory.path(), "checkpoint");
    assert!(size + records.len() * checkpoint < MIB, "{size} B, {} records", records.len());
    assert!(records.len() > 700, "an operator sees when they came");
}

fn noted_length(directory: &Path, event: &str) -> usize {
    written(directory)
        .lines()
        .filter(|line| line.contains(&format!("\"event\":\"{event}\"")))
        .map(str::len)
        .max()
        .unwrap()
}

/// A ledger that takes nothing costs no count while the server runs.
#[tokio::test]
async fn what_the_ledger_does_not_take_stays_in_the_sum() {
    let ledger = Ledger::open("memory:").unwrap();
    let throttle = Throttle::new(BootClock::set().0);
    ledger.close().await.unwrap();
    throttle.note(&ledger, entry("a", 1), denied(), "");
    throttle.unauthenticated(&ledger);
    assert!(!throttle.flush(&ledger, true));
    let directory = tempfile::tempdir().unwrap();
    let ledger = local(directory.path());
    assert!(throttle.flush(&ledger, true));
    ledger.close().await.unwrap();
    assert_eq!(noted(directory.path(), "refused").1, 2);
}
