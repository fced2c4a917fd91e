//! What `verify` finds.

use std::fs;
use std::path::Path;

use super::super::{NoteEvent, VerifyError, verify};
use super::{entry, first_segment, in_doubt, journal_lines, open, run, settle, win};

/// A closed ledger with a bit of everything.
async fn closed() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    run(&ledger, "isolate", Some("release")).await;
    run(&ledger, "release", Some("isolate")).await;
    let version = win(&ledger, "a", "c").await;
    ledger.settle(settle("a", version, in_doubt())).await.unwrap();
    ledger.note(entry("r"), NoteEvent::Refused { code: "denied".into(), gate: "scope", times: 1 }).unwrap();
    ledger.close().await.unwrap();
    scratch
}

fn write_lines(directory: &Path, lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(first_segment(directory), text).unwrap();
}

fn is_payload(line: &str) -> bool {
    line.starts_with("{\"payload\"")
}

#[tokio::test]
async fn an_untouched_journal_is_consistent() {
    let scratch = closed().await;
    let report = verify(scratch.path()).unwrap();
    assert_eq!((report.records, report.last_sequence), (11, 11));
    assert_eq!((report.payloads, report.missing_payloads), (2, 0));
    assert!(report.clean_close);
    assert_eq!(report.rung, "consistent, tail unproven");
    assert!(matches!(verify(&scratch.path().join("nowhere")), Err(VerifyError::Missing { .. })));
}

#[tokio::test]
async fn every_changed_byte_is_found() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    run(&ledger, "isolate", Some("release")).await;
    ledger.close().await.unwrap();
    let path = first_segment(scratch.path());
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        // 0x20 changes the case of a letter: a hash has one spelling.
        for mask in [0x01, 0x20] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            fs::write(&path, bytes).unwrap();
            assert!(verify(scratch.path()).is_err(), "byte {at} ^ {mask:#x}");
        }
    }
}

#[tokio::test]
async fn every_cut_within_a_line_is_found() {
    let scratch = closed().await;
    let path = first_segment(scratch.path());
    let whole = fs::read(&path).unwrap();
    for length in whole.len() - 500..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(verify(scratch.path()).is_err(), whole[length - 1] != b'\n', "cut at {length}");
    }
}

#[tokio::test]
async fn every_dropped_repeated_or_swapped_line_is_found() {
    let scratch = closed().await;
    let lines = journal_lines(scratch.path());
    for at in 0..lines.len() {
        let last = at + 1 == lines.len();
        let mut dropped = lines.clone();
        dropped.remove(at);
        write_lines(scratch.path(), &dropped);
        match verify(scratch.path()) {
            // Retention may drop a payload; the last record needs an anchor elsewhere.
            Ok(report) if is_payload(&lines[at]) => assert_eq!(report.missing_payloads, 1),
            Ok(report) => assert!(last && !report.clean_close, "dropped {at}"),
            Err(_) => assert!(!last && !is_payload(&lines[at]), "dropped {at}"),
        }

        let mut repeated = lines.clone();
        repeated.insert(at, lines[at].clone());
        write_lines(scratch.path(), &repeated);
        assert!(verify(scratch.path()).is_err(), "repeated {at}");

        for other in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            write_lines(scratch.path(), &swapped);
            assert!(verify(scratch.path()).is_err(), "swapped {at} and {other}");
        }
    }
    write_lines(scratch.path(), &lines);
    verify(scratch.path()).unwrap();
}

#[tokio::test]
async fn a_break_says_where() {
    let scratch = closed().await;
    let mut lines = journal_lines(scratch.path());
    // Line 4 is the payload of record 4.
    assert!(is_payload(&lines[3]));
    lines[5] = lines[5].replace("alice", "mallo");
    write_lines(scratch.path(), &lines);
    let Err(VerifyError::Broken { sequence, line, reason, .. }) = verify(scratch.path()) else { panic!("not found") };
    assert_eq!((sequence, line), (5, 6));
    assert_eq!(reason, "the record does not match its hash");
}
