//! What the next open makes of a ledger that was not closed.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use futures_util::FutureExt;

use super::super::LedgerOptions;
use super::super::local::journal::zeros::content;
use super::super::record::{Event, Line, Tail, write_record};
use super::super::{Claim, Claimed, Hash, Ledger, LedgerError, Standing, State, VerifyError, verify};
use super::{
    claim, completed, copy, entry, failed, first_segment, in_doubt, journal_lines, key, known, lookup, open, payload,
    private, records, refused, run, settle, state, subject, win,
};

/// A ledger with actions in every state, still open, and what a crash would leave of it.
async fn crashed() -> (tempfile::TempDir, std::path::PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("live");
    let ledger = open(&directory);
    run(&ledger, "completed").await;
    let version = win(&ledger, "in doubt", "c2").await;
    ledger.settle(settle("in doubt", version, in_doubt())).await.unwrap();
    let version = win(&ledger, "failed", "c3").await;
    ledger.settle(settle("failed", version, failed())).await.unwrap();
    run_about(&ledger, "isolate").await;
    run_about(&ledger, "release").await;
    win(&ledger, "started", "c4").await;
    let left = scratch.path().join("left");
    copy(&directory, &left);
    (scratch, left)
}

/// A claim of an action about one host.
fn about(name: &str, call: &str) -> Claim {
    Claim { subjects: vec![subject(&["web-01"])], ..claim(name, call) }
}

/// Runs an action about one host.
async fn run_about(ledger: &Ledger, name: &str) {
    let Claimed::Won { version, .. } = ledger.claim(about(name, name)).await.unwrap() else { panic!("not won") };
    ledger.settle(settle(name, version, completed("{}"))).await.unwrap();
}

/// The call that superseded an action about one host.
async fn superseded_by(ledger: &Ledger, name: &str) -> String {
    match ledger.claim(about(name, "later")).await.unwrap() {
        Claimed::Known(Standing::Superseded(superseded)) => superseded.by.unwrap().call,
        other => panic!("{other:?}"),
    }
}

fn append(directory: &Path, bytes: &[u8]) {
    let path = first_segment(directory);
    let written = content(&fs::read(&path).unwrap()).len() as u64;
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, written).unwrap();
}

#[tokio::test]
async fn started_becomes_in_doubt_and_nothing_else_changes() {
    let (_scratch, directory) = crashed().await;
    let ledger = open(&directory);
    let action = known(&ledger, "started").await;
    assert_eq!(action.state, State::InDoubt);
    assert_eq!(action.call, "c4");
    let completed = known(&ledger, "completed").await;
    assert_eq!(completed.state, State::Completed);
    assert_eq!(completed.expires_ms, Some(completed.at_ms + LedgerOptions::default().retention_ms()));
    assert_eq!(payload(&ledger, &completed).unwrap(), br#"{"of":"completed"}"#);
    assert_eq!(state(&ledger, "in doubt"), Some(State::InDoubt));
    assert_eq!(state(&ledger, "failed"), Some(State::Failed));
    assert_eq!(state(&ledger, "isolate"), Some(State::Completed));
    assert_eq!(superseded_by(&ledger, "isolate").await, "release");

    let version = win(&ledger, "new", "c5").await;
    assert_eq!(state(&ledger, "new"), Some(State::Started { epoch: 2 }));
    ledger.settle(settle("new", version, failed())).await.unwrap();
    // Who resolves the doubt names the version that made it.
    ledger.settle(settle("started", action.version, super::completed("{}"))).await.unwrap();
    ledger.close().await.unwrap();

    let doubt = &records(&directory, "in_doubt")[1];
    assert_eq!(doubt["code"], "crashed");
    assert_eq!(doubt["call"], "c4");
    assert_eq!(doubt["key"], key("started").to_string());
    let opens = records(&directory, "open");
    assert_eq!(opens[0]["tail"], serde_json::Value::Null);
    assert_eq!(opens[1]["tail"]["clean"], false);
    assert_eq!(opens[1]["tail"]["cut"], 0);
    assert_eq!(opens[1]["log"], opens[0]["log"]);
    assert!(verify(&directory).unwrap().clean_close);
}

#[tokio::test]
async fn a_clean_close_is_told_from_a_crash() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    win(&ledger, "a", "c1").await;
    ledger.close().await.unwrap();
    drop(ledger);
    // Dropped without a close.
    drop(open(scratch.path()));
    drop(open(scratch.path()));
    let opens = records(scratch.path(), "open");
    assert_eq!(opens[1]["tail"]["clean"], true);
    assert_eq!(opens[2]["tail"]["clean"], false);
    assert_eq!([1, 2, 3], [0, 1, 2].map(|n| opens[n]["epoch"].as_u64().unwrap()));
    assert!(!verify(scratch.path()).unwrap().clean_close);
    assert_eq!(records(scratch.path(), "in_doubt").len(), 1, "in doubt once is enough");
}

#[tokio::test]
async fn a_lost_or_ruined_index_is_rebuilt_equal() {
    let (scratch, directory) = crashed().await;
    let names = ["completed", "in doubt", "failed", "isolate", "release", "started"];
    let lookup = |directory: &Path| {
        let ledger = open(directory);
        names.map(|name| {
            let action = lookup(&ledger, name);
            let payload = action.as_ref().and_then(|action| payload(&ledger, action).ok());
            // The crash's own doubt is recorded anew in each copy.
            (
                action.map(|action| if name == "started" { super::Action { at_ms: 0, ..action } } else { action }),
                payload,
            )
        })
    };
    let ruined = scratch.path().join("ruined");
    copy(&directory, &ruined);
    for item in fs::read_dir(ruined.join("index")).unwrap() {
        let path = item.unwrap().path();
        if path.is_file() {
            fs::write(path, b"not sled").unwrap();
        }
    }
    let lost = scratch.path().join("lost");
    copy(&directory, &lost);
    fs::remove_dir_all(lost.join("index")).unwrap();
    let expected = lookup(&directory);
    assert!(expected[0].0.is_some());
    assert_eq!(lookup(&ruined), expected);
    assert_eq!(lookup(&lost), expected);
    // And the rebuilt one still knows what happened to a subject.
    for directory in [&ruined, &lost] {
        assert_eq!(superseded_by(&open(directory), "isolate").await, "release");
    }
}

#[tokio::test]
async fn half_a_line_is_cut_and_the_cut_is_recorded() {
    let (_scratch, directory) = crashed().await;
    let before = journal_lines(&directory).len();
    append(&directory, b"{\"hash\":\"0123");
    assert_eq!(verify(&directory).unwrap().unfinished_bytes, 13);
    drop(open(&directory));
    let opens = records(&directory, "open");
    assert_eq!(opens[1]["tail"]["cut"], 13);
    assert_eq!(opens[1]["tail"]["clean"], false);
    // The open record, the doubt it made, and a checkpoint.
    assert_eq!(journal_lines(&directory).len(), before + 3);
    verify(&directory).unwrap();
}

#[tokio::test]
async fn a_cut_behind_a_close_is_not_clean() {
    let scratch = tempfile::tempdir().unwrap();
    open(scratch.path()).close().await.unwrap();
    append(scratch.path(), b"{");
    drop(open(scratch.path()));
    let tail = &records(scratch.path(), "open")[1]["tail"];
    assert_eq!((&tail["clean"], &tail["cut"]), (&false.into(), &1.into()));
}

#[test]
fn epochs_go_on_without_the_index() {
    let scratch = tempfile::tempdir().unwrap();
    for epoch in 1..4 {
        drop(open(scratch.path()));
        assert_eq!(records(scratch.path(), "open").last().unwrap()["epoch"], epoch);
        fs::remove_dir_all(scratch.path().join("index")).unwrap();
    }
}

#[test]
fn a_format_of_the_future_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    drop(open(scratch.path()));
    let report = verify(scratch.path()).unwrap();
    let tail = Tail { sequence: report.last_sequence, hash: report.last_hash };
    let mut bytes = Vec::new();
    let line = Line { format: Some(2), ..Line::new(Event::Open) };
    write_record(&mut bytes, tail, report.last_sequence, "2026-11-20T00:00:00.000Z", line).unwrap();
    append(scratch.path(), &bytes);
    assert!(matches!(refused(scratch.path()), LedgerError::Format { found: 2 }));
    assert!(verify(scratch.path()).is_err());
}

#[tokio::test]
async fn a_payload_without_its_record_is_cut() {
    let (_scratch, directory) = crashed().await;
    let line = format!("{{\"payload\":\"{}\",\"body\":{{}}}}\n", Hash::of(b"{}"));
    append(&directory, line.as_bytes());
    drop(open(&directory));
    assert_eq!(records(&directory, "open")[1]["tail"]["cut"], line.len());
    verify(&directory).unwrap();
}

/// Appends three records, as one batch that was never acknowledged, of which the second is ruined.
async fn torn_batch(directory: &Path, third_knows_durable: u64) -> u64 {
    let report = verify(directory).unwrap();
    let mut tail = Tail { sequence: report.last_sequence, hash: report.last_hash };
    let mut bytes = Vec::new();
    let mut starts = Vec::new();
    for durable in [report.last_sequence, report.last_sequence, third_knows_durable] {
        starts.push(bytes.len());
        tail = write_record(&mut bytes, tail, durable, "2026-11-20T00:00:00.000Z", Line::of(Event::Read, &entry("x")))
            .unwrap();
    }
    // A page of zeros, as a file has where a later page reached the disk first.
    bytes[starts[1]..starts[2] - 10].fill(0);
    append(directory, &bytes);
    (bytes.len() - starts[1]) as u64
}

#[tokio::test]
async fn a_batch_torn_in_the_middle_is_cut_from_there() {
    let (_scratch, directory) = crashed().await;
    let last = verify(&directory).unwrap().last_sequence;
    let torn = torn_batch(&directory, last).await;
    drop(open(&directory));
    let tail = &records(&directory, "open")[1]["tail"];
    assert_eq!(tail["cut"], torn);
    assert_eq!(tail["sequence"], last + 1, "the record before the tear is whole and stays");
    verify(&directory).unwrap();
}

#[tokio::test]
async fn what_a_later_record_knows_to_be_synced_is_not_cut() {
    let (_scratch, directory) = crashed().await;
    let last = verify(&directory).unwrap().last_sequence;
    torn_batch(&directory, last + 2).await;
    let before = fs::read(first_segment(&directory)).unwrap();
    let LedgerError::Damaged { sequence, .. } = refused(&directory) else { panic!("not damaged") };
    assert_eq!(sequence, last + 2);
    assert_eq!(fs::read(first_segment(&directory)).unwrap(), before, "nothing is changed");
}

#[tokio::test]
async fn damage_before_the_durable_mark_refuses_to_open() {
    let (_scratch, directory) = crashed().await;
    // The index is lost too, so that only the journal's own marks are left to tell.
    fs::remove_dir_all(directory.join("index")).unwrap();
    let path = first_segment(&directory);
    let whole = fs::read(&path).unwrap();
    let lines = journal_lines(&directory);
    // All but the last: the last record is alone in its batch and nobody vouches for it.
    let mut offset = 0;
    for line in &lines[..lines.len() - 1] {
        let mut bytes = whole.clone();
        bytes[offset + line.len() / 2] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(refused(&directory), LedgerError::Damaged { .. }), "{line}");
        offset += line.len() + 1;
    }
    fs::write(&path, whole).unwrap();
    drop(open(&directory));
}

#[tokio::test]
async fn a_tail_that_the_index_has_seen_is_not_cut() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    run(&ledger, "a").await;
    ledger.close().await.unwrap();
    drop(ledger);
    let path = first_segment(scratch.path());
    let whole = fs::read(&path).unwrap();
    let last = verify(scratch.path()).unwrap().last_sequence;

    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(refused(scratch.path()), LedgerError::Damaged { sequence, .. } if sequence == last));
    // Cut at a line: the journal itself is whole, and only the index knows better.
    let cut = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(&path, &whole[..cut]).unwrap();
    let VerifyError::Index { sequence, .. } = verify(scratch.path()).unwrap_err() else { panic!("another error") };
    assert_eq!(sequence, Some(last));
    assert!(
        matches!(refused(scratch.path()), LedgerError::IndexAhead { seen, found, .. } if (seen, found) == (last, last - 1))
    );
    fs::write(&path, b"").unwrap();
    assert!(matches!(refused(scratch.path()), LedgerError::IndexAhead { found: 0, .. }));

    fs::write(&path, &whole).unwrap();
    drop(open(scratch.path()));
}

#[tokio::test]
async fn another_journal_under_the_index_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        let ledger = open(&scratch.path().join(name));
        run(&ledger, name).await;
        ledger.close().await.unwrap();
    }
    fs::copy(first_segment(&scratch.path().join("two")), first_segment(&scratch.path().join("one"))).unwrap();
    assert!(matches!(refused(&scratch.path().join("one")), LedgerError::IndexAhead { .. }));
}

/// A crash at any byte of the journal: it opens, every record before the cut counts, and no action is lost or repeated.
#[tokio::test]
async fn a_crash_at_any_length_opens() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(&scratch.path().join("live"));
    let version = win(&ledger, "a", "c1").await;
    let settled = ledger.settle(settle("a", version, completed("{}"))).await.unwrap();
    let left = scratch.path().join("left");
    copy(&scratch.path().join("live"), &left);
    fs::remove_dir_all(left.join("index")).unwrap();
    let whole = fs::read(first_segment(&left)).unwrap();
    // Lengths around each line's end, and some in between.
    let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let lengths: Vec<usize> = ends.flat_map(|end| [end - 40, end, end + 1]).collect();
    for length in lengths {
        let directory = scratch.path().join(format!("cut at {length}"));
        copy(&left, &directory);
        fs::write(first_segment(&directory), &whole[..length]).unwrap();
        let ledger = open(&directory);
        // Lines: open, checkpoint, started, payload, completed.
        let expected = match whole[..length].iter().filter(|byte| **byte == b'\n').count() {
            0..=2 => None,
            3 | 4 => Some(State::InDoubt),
            _ => Some(State::Completed),
        };
        assert_eq!(state(&ledger, "a"), expected, "cut at {length}");
        drop(ledger);
        verify(&directory).unwrap();
    }
    assert_eq!(settled.receipt.sequence, 4);
}

#[tokio::test]
async fn claims_that_nobody_waits_for_any_more_are_still_in_doubt_later() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    // Polled once, and dropped whether or not it was answered by then.
    drop(ledger.claim(claim("a", "gone")).now_or_never());
    assert!(matches!(ledger.claim(claim("a", "later")).await.unwrap(), Claimed::Known(_)));
    drop(ledger);
    assert_eq!(known(&open(scratch.path()), "a").await.state, State::InDoubt);
}

/// sled may keep what was begun and lose the rest: the records that it was begun with were synced all the same.
#[tokio::test]
async fn records_that_the_index_began_to_take_over_are_not_cut() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    run(&ledger, "a").await;
    ledger.close().await.unwrap();
    drop(ledger);
    let index = ::sled::Config::default().path(scratch.path().join("index")).segment_size(8 << 20).open().unwrap();
    let (name, mut value) = index.iter().find(|item| item.as_ref().unwrap().0.starts_with(b"b/")).unwrap().unwrap();
    // A block further on, that the head does not know of.
    value[9..17].copy_from_slice(&99_u64.to_le_bytes());
    let sum = Hash::of(&value[9..]);
    value[1..9].copy_from_slice(&sum.0[..8]);
    let next = [&name[..name.len() - 1], &[7]].concat();
    index.insert(next, value).unwrap();
    drop(index);
    assert!(matches!(refused(scratch.path()), LedgerError::IndexAhead { seen: 99, .. }));
}

/// Takes out of the page cache what is on the disk.
#[cfg(target_os = "linux")]
fn evict(path: &Path) {
    let file = fs::File::open(path).unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// After a failed write, writing to the same place again does not bring it to the disk (ext4): recovery may read the old
/// file only, and goes on in a new one.
#[tokio::test]
async fn what_nobody_knows_to_be_synced_goes_on_in_a_new_file() {
    let (scratch, directory) = crashed().await;
    append(&directory, b"{\"hash\":\"0123");
    let (path, old) = (first_segment(&directory), scratch.path().join("old"));
    let before = fs::read(&path).unwrap();
    fs::hard_link(&path, &old).unwrap();
    let ledger = open(&directory);
    run(&ledger, "later").await;
    assert_ne!(fs::metadata(&path).unwrap().ino(), fs::metadata(&old).unwrap().ino());
    assert_eq!(fs::read(&old).unwrap(), before, "the old file was written to");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    // What the next one reads is what is on the disk.
    let left = scratch.path().join("left again");
    #[cfg(target_os = "linux")]
    for entry in fs::read_dir(directory.join("journal")).unwrap() {
        evict(&entry.unwrap().path());
    }
    copy(&directory, &left);
    drop(ledger);
    assert_eq!(state(&open(&left), "later"), Some(State::Completed));
    verify(&left).unwrap();
}

#[tokio::test]
async fn what_is_known_to_be_synced_is_not_copied() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    run(&ledger, "a").await;
    ledger.close().await.unwrap();
    drop(ledger);
    let path = first_segment(scratch.path());
    assert!(!fs::read(&path).unwrap().contains(&0), "a closed journal has no zero bytes");
    let inode = fs::metadata(&path).unwrap().ino();
    drop(open(scratch.path()));
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
}

#[tokio::test]
async fn zeros_behind_the_last_line_are_room_and_not_damage() {
    let (_scratch, directory) = crashed().await;
    let path = first_segment(&directory);
    let written = content(&fs::read(&path).unwrap()).to_vec();
    for zeros in [1, 4096, 1 << 20] {
        fs::write(&path, [&written[..], &vec![0; zeros]].concat()).unwrap();
        let report = verify(&directory).unwrap();
        assert_eq!(report.unfinished_bytes, 0, "{zeros}");
    }
    let last = verify(&directory).unwrap().last_sequence;
    drop(open(&directory));
    let tail = &records(&directory, "open")[1]["tail"];
    assert_eq!((&tail["cut"], &tail["sequence"]), (&0.into(), &last.into()));
    assert!(!fs::read(&path).unwrap().contains(&0));
}

#[tokio::test]
async fn a_hole_is_damage_where_a_later_record_knows_better() {
    for later_knows in [false, true] {
        let (_scratch, directory) = crashed().await;
        let last = verify(&directory).unwrap().last_sequence;
        torn_batch(&directory, if later_knows { last + 2 } else { last }).await;
        match verify(&directory) {
            Ok(report) => assert!(!later_knows && report.unfinished_bytes > 0 && report.last_sequence == last + 1),
            Err(error) => assert!(later_knows, "{error}"),
        }
    }
}

#[tokio::test]
async fn zeros_behind_a_segment_that_is_complete_are_damage() {
    let scratch = tempfile::tempdir().unwrap();
    private(scratch.path());
    let ledger = LedgerOptions::default().segment_bytes(1).open(scratch.path().to_str().unwrap()).unwrap();
    run(&ledger, "a").await;
    drop(ledger);
    OpenOptions::new().append(true).open(first_segment(scratch.path())).unwrap().write_all(&[0; 100]).unwrap();
    fs::remove_dir_all(scratch.path().join("index")).unwrap();
    assert!(matches!(refused(scratch.path()), LedgerError::Damaged { .. }));
}

/// A server that writes a lot is killed: what was filled ahead is cut, and the next one goes on.
#[tokio::test]
async fn what_was_filled_ahead_is_cut() {
    let scratch = tempfile::tempdir().unwrap();
    let live = scratch.path().join("live");
    let ledger = open(&live);
    let path = first_segment(&live);
    let mut number = 0;
    // The filler works when it gets its turn.
    while content(&fs::read(&path).unwrap()).len() + 64 * 1024 > fs::read(&path).unwrap().len() {
        assert!(number < 10_000, "nothing is filled ahead");
        run(&ledger, &format!("{number} {}", "x".repeat(2_000))).await;
        number += 1;
    }
    let left = scratch.path().join("left");
    copy(&live, &left);
    verify(&live).unwrap();
    verify(&left).unwrap();
    drop(ledger);
    assert!(!fs::read(&path).unwrap().contains(&0));
    let ledger = open(&left);
    assert!(!records(&left, "open").is_empty());
    run(&ledger, "later").await;
    drop(ledger);
    assert!(!left.join("journal/next.filled").exists());
    assert_eq!(records(&left, "completed").len(), number + 1);
    verify(&left).unwrap();
}
