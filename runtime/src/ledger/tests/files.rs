//! The files: where, who may read them, who may write them, what is in them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::local::journal::Position;
use super::super::local::journal::file::{FileJournal, segments};
use super::super::redact::Redactor;
use super::super::{Claim, Claimed, Hash, How, Ledger, LedgerError, NoteEvent, Outcome, State, verify};
use super::{
    claim, completed, entry, first_segment, in_doubt, key, known, lookup, open, payload, records, refused, run, settle,
    start, state, subject, win,
};

#[test]
fn locations() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("sub/dir");
    drop(Ledger::open(&format!("sled:{}", path.display())).unwrap());
    drop(Ledger::open(path.to_str().unwrap()).unwrap());
    assert_eq!(records(&path, "open").len(), 2);
    for location in ["", "sled:", "redis://me:secret@host", "Postgres://me:secret@host", "redis:x"] {
        let error = Ledger::open(location).map(drop).unwrap_err();
        assert!(matches!(error, LedgerError::Location), "{location}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn only_the_owner_may_read() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("ledger");
    let ledger = open(&directory);
    run(&ledger, "a").await;
    let mode = |path: &str| fs::metadata(directory.join(path)).unwrap().permissions().mode() & 0o777;
    for path in ["", "journal", "index"] {
        assert_eq!(mode(path), 0o700, "{path}");
    }
    for path in ["redact.key", "signing.key", "journal/00000000000000000001.jsonl"] {
        assert_eq!(mode(path), 0o600, "{path}");
    }
}

#[test]
fn one_writer() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    assert!(matches!(refused(scratch.path()), LedgerError::Locked { .. }));
    drop(ledger);
    drop(open(scratch.path()));
}

#[tokio::test]
async fn a_missing_part_is_an_error_and_never_an_empty_ledger() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    run(&ledger, "a").await;
    let hash = ledger.redactor().hash("t", "f", b"v");
    drop(ledger);
    let at = |name: &str| scratch.path().join(name);

    fs::rename(at("redact.key"), at("key")).unwrap();
    assert!(matches!(refused(scratch.path()), LedgerError::RedactKey { .. }));
    fs::write(at("redact.key"), b"short").unwrap();
    assert!(matches!(refused(scratch.path()), LedgerError::RedactKey { .. }));
    fs::rename(at("key"), at("redact.key")).unwrap();

    fs::rename(at("journal"), at("elsewhere")).unwrap();
    assert!(matches!(refused(scratch.path()), LedgerError::JournalMissing { .. }));
    fs::rename(at("index"), at("index elsewhere")).unwrap();
    assert!(matches!(refused(scratch.path()), LedgerError::JournalMissing { .. }));
    fs::rename(at("index elsewhere"), at("index")).unwrap();
    fs::rename(at("redact.key"), at("key")).unwrap();
    assert!(matches!(refused(scratch.path()), LedgerError::JournalMissing { .. }));
    fs::rename(at("key"), at("redact.key")).unwrap();
    assert!(!at("journal").exists());
    fs::rename(at("elsewhere"), at("journal")).unwrap();

    let ledger = open(scratch.path());
    assert_eq!(state(&ledger, "a"), Some(State::Completed));
    assert_eq!(ledger.redactor().hash("t", "f", b"v"), hash);
}

/// What a crash leaves while a ledger is made: every prefix of the steps opens as a new ledger.
#[test]
fn a_crash_while_it_is_made_is_no_loss() {
    let scratch = tempfile::tempdir().unwrap();
    let journal = scratch.path().join("journal");
    fs::create_dir(&journal).unwrap();
    drop(open(scratch.path()));

    let scratch = tempfile::tempdir().unwrap();
    let journal = scratch.path().join("journal");
    fs::create_dir(&journal).unwrap();
    fs::write(first_segment(scratch.path()), b"").unwrap();
    fs::write(scratch.path().join("redact.key"), [7; 32]).unwrap();
    let ledger = open(scratch.path());
    assert_eq!(ledger.redactor().hash("t", "f", b"v"), Redactor::new(&[7; 32]).unwrap().hash("t", "f", b"v"));
}

#[tokio::test]
async fn segments_rotate_and_read_as_one() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("journal");
    fs::create_dir(&directory).unwrap();
    for key in ["redact.key", "signing.key"] {
        fs::write(scratch.path().join(key), [7; 32]).unwrap();
    }
    let journal = {
        FileJournal::create(&directory).unwrap();
        FileJournal::resume(&directory, Position { segment: 1, offset: 0 }, 1).unwrap()
    };
    let ledger = start(Box::new(journal), None);
    for name in ["a", "b", "c"] {
        run(&ledger, name).await;
    }
    let action = lookup(&ledger, "b").unwrap();
    assert_eq!(action.payload.as_ref().unwrap().segment, action.version.0);
    assert_eq!(payload(&ledger, &action).unwrap(), br#"{"of":"b"}"#);
    drop(ledger);
    assert_eq!(segments(&directory).unwrap(), [1, 3, 4, 5, 6, 7, 8]);
    assert_eq!(verify(scratch.path()).unwrap().records, 8);

    let ledger = open(scratch.path());
    let again = known(&ledger, "b").await;
    assert_eq!(again, action);
    assert_eq!(payload(&ledger, &again).unwrap(), br#"{"of":"b"}"#);
    drop(ledger);

    let name = |first: u64| directory.join(format!("{first:020}.jsonl"));
    let without_index = || fs::remove_dir_all(scratch.path().join("index")).unwrap();
    // In the middle, and right before the last.
    for first in [4, 7] {
        without_index();
        fs::rename(name(first), scratch.path().join("moved")).unwrap();
        assert!(verify(scratch.path()).is_err());
        assert!(matches!(refused(scratch.path()), LedgerError::Damaged { sequence, .. } if sequence == first));
        fs::rename(scratch.path().join("moved"), name(first)).unwrap();
    }
    without_index();
    fs::rename(name(8), name(9)).unwrap();
    assert!(verify(scratch.path()).is_err());
    assert!(matches!(refused(scratch.path()), LedgerError::Damaged { sequence: 8, .. }));
    fs::rename(name(9), name(8)).unwrap();
    let whole = fs::read(name(7)).unwrap();
    fs::write(name(7), &whole[..whole.len() - 1]).unwrap();
    let LedgerError::Damaged { segment, offset, .. } = refused(scratch.path()) else { panic!("not damaged") };
    assert_eq!((segment, offset), (name(7), 0), "only the last segment may be torn");
    fs::write(name(7), whole).unwrap();
    fs::remove_file(name(1)).unwrap();
    assert!(verify(scratch.path()).is_err());
    assert!(matches!(refused(scratch.path()), LedgerError::Damaged { sequence: 1, .. }));
}

#[tokio::test]
async fn records_say_who_asked_for_what() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    let mut who = entry("c1");
    who.investigation = Some("INC-1".to_owned());
    // White space of the caller's own must not break the line.
    who.arguments = Some(serde_json::from_str("{\n\"a\" : \"b\\nc\"\r\n}").unwrap());
    ledger.note(who, NoteEvent::Refused { code: "denied".into(), gate: "policy", times: 3 }).unwrap();
    ledger.note(entry("c2"), NoteEvent::Replayed { first_call: "c0".to_owned(), code: "ok".into(), times: 1 }).unwrap();
    ledger.note(entry("c3"), NoteEvent::Read { code: "empty".into() }).unwrap();
    let mut started = claim("a", "c4");
    started.entry.user = None;
    ledger.claim(started).await.unwrap();
    ledger.close().await.unwrap();

    let refused = &records(scratch.path(), "refused")[0];
    assert_eq!(refused["call"], "c1");
    assert_eq!(refused["tenant"], "acme");
    assert_eq!(refused["agent"], "agent-7");
    assert_eq!(refused["user"], "alice");
    assert_eq!(refused["investigation"], "INC-1");
    assert_eq!(refused["tool"], "isolate_host");
    assert_eq!(refused["arguments"], serde_json::json!({"a": "b\nc"}));
    assert_eq!(refused["code"], "denied");
    assert_eq!(refused["gate"], "policy");
    assert_eq!(refused["times"], 3);
    let replayed = &records(scratch.path(), "replayed")[0];
    assert_eq!(replayed["first_call"], "c0");
    assert_eq!(records(scratch.path(), "read")[0]["code"], "empty");
    let started = &records(scratch.path(), "started")[0];
    assert_eq!(started["key"], key("a").to_string());
    assert_eq!(started["digest"], claim("a", "").digest.to_string());
    assert_eq!(started.get("user"), None);
    assert!(verify(scratch.path()).unwrap().clean_close);
}

#[tokio::test]
async fn records_say_what_they_changed() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    let isolated = run(&ledger, "isolate").await;
    let again = Claim {
        subjects: vec![subject(&["web-01"])],
        again_after: Some("isolate".to_owned()),
        every: Some(std::time::Duration::from_secs(3600)),
        ..claim("isolate", "again")
    };
    let Claimed::Won { version, .. } = ledger.claim(again).await.unwrap() else { panic!("not won") };
    let doubt = ledger.settle(settle("isolate", version, in_doubt())).await.unwrap();
    let mut late = settle("isolate", doubt.version, completed("[]"));
    let Outcome::Completed { subjects, .. } = &mut late.outcome else { panic!("not completed") };
    *subjects = vec![subject(&["ticket 7"])];
    late.how = How::Late;
    let settled = ledger.settle(late).await.unwrap();
    let version = win(&ledger, "other", "other").await;
    let mut error = settle("other", version, completed("[]"));
    let Outcome::Completed { stored_error, .. } = &mut error.outcome else { panic!("not completed") };
    *stored_error = true;
    ledger.settle(error).await.unwrap();
    ledger.close().await.unwrap();

    let completed = records(scratch.path(), "completed");
    assert_eq!(completed[0]["seq"], isolated.receipt.sequence);
    assert_eq!(completed[0]["hash"], isolated.receipt.hash.to_string());
    let started = records(scratch.path(), "started");
    assert_eq!(started[1]["subjects"], serde_json::json!([subject(&["web-01"])]));
    assert_eq!((&started[1]["again_after"], &started[1]["supersedes"]), (&"isolate".into(), &completed[0]["seq"]));
    assert!(started[1]["bucket"].as_u64().unwrap() > 400_000, "hours since 1970");
    assert_eq!((started[0].get("subjects"), started[0].get("again_after")), (None, None));
    assert_eq!(completed[0]["supersedes"], isolated.receipt.sequence - 1);
    for absent in ["late", "subjects", "stored_error"] {
        assert_eq!(completed[0].get(absent), None, "{absent}");
    }
    assert_eq!(completed[1]["seq"], settled.receipt.sequence);
    assert_eq!(completed[1]["supersedes"], doubt.receipt.sequence);
    assert_eq!(completed[1]["late"], true);
    assert_eq!(completed[1]["subjects"], serde_json::json!([subject(&["ticket 7"])]));
    assert_eq!((completed[1].get("stored_error"), &completed[2]["stored_error"]), (None, &true.into()));
    assert_eq!(completed[1]["payload"], Hash::of(b"[]").to_string());
    assert_eq!(records(scratch.path(), "in_doubt")[0]["code"], "timeout");
    let open = &records(scratch.path(), "open")[0];
    assert_eq!((&open["log"], &open["format"]), (&settled.receipt.log.into(), &1.into()));
    // Each was awaited, so each was a batch, and knew the one before to be synced. A checkpoint goes with its open or close.
    for line in super::journal_lines(scratch.path()).iter().filter(|line| line.starts_with("{\"hash\"")) {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let sequence = record["seq"].as_u64().unwrap();
        let with_the_one_before = sequence == 2 || record["event"] == "close";
        assert_eq!(record["durable"].as_u64(), Some(sequence - if with_the_one_before { 2 } else { 1 }));
    }
}

#[test]
fn debug_shows_nothing_that_a_caller_chose() {
    let text = format!("{:?} {:?}", claim("a", "c1"), completed("\"result\""));
    for hidden in ["web-01", "acme", "agent-7", "alice", "result"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
}
