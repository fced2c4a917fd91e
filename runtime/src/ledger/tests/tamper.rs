//! What `verify` finds: every change of a journal, and with an anchor every end that is missing.

use std::fs;
use std::path::Path;

use super::super::record::{Event, FORMAT, Line};
use super::super::{Anchor, Report, Rung, Verification, VerifyError, verify};
use super::scribe::{Scribe, save};
use super::{entry, in_doubt, key, open, run, settle, win};

/// Several segments, payloads, a server that ended without a close, checkpoints, a close.
fn journal() -> Scribe {
    let mut scribe = Scribe::new("log", 7);
    scribe.checkpoint();
    scribe.action("isolate");
    scribe.rotate();
    scribe.action("release");
    scribe.rotate();
    scribe.open();
    scribe.checkpoint();
    scribe.refusal("r");
    scribe.rotate();
    scribe.close();
    scribe
}

fn against(anchors: impl IntoIterator<Item = Anchor>, directory: &Path) -> Result<Report, VerifyError> {
    Verification::default().anchors(anchors).run(directory, &mut |_| {})
}

/// What is held elsewhere of the last record.
fn last(scribe: &Scribe) -> [Anchor; 1] {
    [Anchor::Receipt(scribe.receipt())]
}

type Segments = Vec<(u64, Vec<u8>)>;

/// Every line with the segment it stands in.
fn lines(segments: &Segments) -> Vec<(usize, Vec<u8>)> {
    let of = |(place, (_, bytes)): (usize, &(u64, Vec<u8>))| {
        bytes.split_inclusive(|byte| *byte == b'\n').map(|line| (place, line.to_vec())).collect::<Vec<_>>()
    };
    segments.iter().enumerate().flat_map(of).collect()
}

/// The segments of these lines: each line where it was, under the names that were there.
fn with_lines(segments: &Segments, lines: &[(usize, Vec<u8>)]) -> Segments {
    let mut made: Segments = segments.iter().map(|(first, _)| (*first, Vec::new())).collect();
    for (place, line) in lines {
        made[*place].1.extend_from_slice(line);
    }
    made
}

fn is_payload(line: &[u8]) -> bool {
    line.starts_with(b"{\"payload\"")
}

#[test]
fn an_untouched_journal_is_consistent_and_against_its_last_record_complete() {
    let scratch = tempfile::tempdir().unwrap();
    let scribe = journal();
    scribe.save(scratch.path());
    let report = verify(scratch.path()).unwrap();
    assert_eq!((report.records, report.last_sequence, report.log.as_str()), (11, 11, "log"));
    assert_eq!((report.payloads, report.missing_payloads), (2, 0));
    assert_eq!((report.checkpoints, report.signed_up_to), (3, 10 - 1));
    assert_eq!(report.signers, [scribe.public()]);
    assert_eq!((report.clean_close, report.unclean_ends, report.backdated), (true, 1, 0));
    assert_eq!(report.rung.to_string(), "consistent, tail unproven");

    let report = against(last(&scribe), scratch.path()).unwrap();
    assert_eq!(
        report.rung.to_string(),
        "complete up to record 11, the last (anchor of 2026-11-20T00:11:00.000Z)",
        "a receipt has the time of its record"
    );
    let signed = scribe.checkpoints[1].clone();
    let report = against([Anchor::Checkpoint(signed)], scratch.path()).unwrap();
    assert_eq!(
        report.rung.to_string(),
        "complete up to record 7 (anchor of 2026-11-20T00:08:00.000Z); 4 records after it are consistent"
    );
    assert!(matches!(verify(&scratch.path().join("nowhere")), Err(VerifyError::Missing { .. })));
}

/// Each byte changed in its lowest bit, in its highest bit, and taken out.
#[test]
fn every_changed_or_missing_byte_is_found() {
    let scratch = tempfile::tempdir().unwrap();
    let scribe = journal();
    let anchors = last(&scribe);
    scribe.save(scratch.path());
    for (first, whole) in scribe.files() {
        let path = scratch.path().join(format!("journal/{first:020}.jsonl"));
        for at in 0..whole.len() {
            for mask in [Some(0x01), Some(0x80), None] {
                let mut bytes = whole.clone();
                match mask {
                    Some(mask) => bytes[at] ^= mask,
                    None => drop(bytes.remove(at)),
                }
                fs::write(&path, bytes).unwrap();
                assert!(against(anchors.clone(), scratch.path()).is_err(), "segment {first}, byte {at}, {mask:?}");
            }
        }
        fs::write(&path, whole).unwrap();
    }
    against(anchors, scratch.path()).unwrap();
}

#[test]
fn every_dropped_repeated_or_swapped_line_is_found() {
    let scratch = tempfile::tempdir().unwrap();
    let scribe = journal();
    let (whole, anchors) = (scribe.files().to_vec(), last(&scribe));
    let lines = lines(&whole);
    let found = |lines: &[(usize, Vec<u8>)]| {
        save(scratch.path(), &with_lines(&whole, lines));
        against(anchors.clone(), scratch.path())
    };
    for at in 0..lines.len() {
        let mut dropped = lines.clone();
        dropped.remove(at);
        match found(&dropped) {
            // Retention may drop a payload, and records it.
            Ok(report) => {
                assert!(is_payload(&lines[at].1), "dropped {at}");
                assert_eq!((report.missing_payloads, report.lost_payloads), (1, 1));
            }
            Err(_) => assert!(!is_payload(&lines[at].1), "dropped {at}"),
        }
        for to in at..lines.len() {
            let mut repeated = lines.clone();
            repeated.insert(to, lines[at].clone());
            assert!(found(&repeated).is_err(), "repeated {at} before {to}");
        }
        for other in at + 1..lines.len() {
            let mut swapped = lines.clone();
            let (here, there) = (lines[at].1.clone(), lines[other].1.clone());
            (swapped[at].1, swapped[other].1) = (there, here);
            assert!(found(&swapped).is_err(), "swapped {at} and {other}");
        }
    }
    assert_eq!(found(&lines).unwrap().missing_payloads, 0);
}

#[test]
fn every_missing_end_is_found() {
    let scratch = tempfile::tempdir().unwrap();
    let scribe = journal();
    let (whole, anchors) = (scribe.files().to_vec(), last(&scribe));
    for place in 0..whole.len() {
        for length in 0..whole[place].1.len() {
            let mut cut = whole[..=place].to_vec();
            cut[place].1.truncate(length);
            save(scratch.path(), &cut);
            let error = against(anchors.clone(), scratch.path()).unwrap_err();
            assert!(matches!(error, VerifyError::EndsBefore { anchor: 11, .. }), "{place} cut at {length}: {error}");
            // Without an anchor nothing contradicts it, and it is not called complete.
            let report = verify(scratch.path()).unwrap();
            assert_eq!(report.rung, Rung::TailUnproven);
            let at_a_record = length == 0 || cut[place].1[..length].ends_with(b"\n") && report.unfinished_bytes == 0;
            assert_eq!(report.unfinished_bytes == 0, at_a_record, "{place} cut at {length}");
            assert!(!report.clean_close);
        }
        if place > 0 {
            let mut without = whole.clone();
            without.remove(place - 1);
            save(scratch.path(), &without);
            assert!(matches!(verify(scratch.path()), Err(VerifyError::Broken { .. })), "without segment {place}");
        }
    }
    save(scratch.path(), &whole);
    against(anchors, scratch.path()).unwrap();
}

#[test]
fn a_half_line_in_the_middle_is_a_break() {
    let scratch = tempfile::tempdir().unwrap();
    let mut whole = journal().files().to_vec();
    whole[1].1.pop();
    save(scratch.path(), &whole);
    let Err(VerifyError::Broken { sequence, line, reason, .. }) = verify(scratch.path()) else { panic!("not found") };
    assert_eq!((sequence, line, reason), (6, 3, "the line is incomplete"));
}

#[test]
fn a_break_says_where() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = journal().files().to_vec();
    let mut lines = lines(&whole);
    // Line 4 of the first segment is the payload of record 4.
    assert!(is_payload(&lines[3].1));
    lines[4].1 = String::from_utf8(lines[4].1.clone()).unwrap().replace("alice", "mallo").into_bytes();
    save(scratch.path(), &with_lines(&whole, &lines));
    let Err(VerifyError::Broken { sequence, line, reason, .. }) = verify(scratch.path()) else { panic!("not found") };
    assert_eq!((sequence, line), (4, 5));
    assert_eq!(reason, "the record does not match its hash");
}

/// systemd-journald, CVE-2023-31438: a sealed log is cut, sealing goes on, and it verifies.
#[test]
fn cut_and_gone_on_with_by_the_same_key_it_does_not_extend_an_earlier_anchor() {
    let scratch = tempfile::tempdir().unwrap();
    let mut honest = Scribe::new("log", 7);
    honest.checkpoint();
    let mut cut = honest.clone();
    honest.action("a");
    let held = honest.checkpoint();
    honest.action("b");

    // Cut short of what the anchor covers, then beyond it again under the real key, and closed cleanly.
    cut.open();
    let at_rest = cut.clone();
    for name in ["c", "d", "e"] {
        cut.action(name);
        cut.checkpoint();
    }
    cut.close();
    cut.save(scratch.path());
    assert_eq!(verify(scratch.path()).unwrap().rung, Rung::TailUnproven, "by itself it is consistent");
    let error = against([Anchor::Checkpoint(held.clone())], scratch.path()).unwrap_err();
    assert!(matches!(error, VerifyError::Rewritten { anchor } if anchor == held.sequence), "{error}");

    at_rest.save(scratch.path());
    let error = against([Anchor::Checkpoint(held.clone())], scratch.path()).unwrap_err();
    assert!(matches!(error, VerifyError::EndsBefore { .. }), "{error}");
    honest.save(scratch.path());
    against([Anchor::Checkpoint(held)], scratch.path()).unwrap();
}

/// systemd-journald, CVE-2023-31439: entries of an earlier time are accepted behind a newer seal.
#[test]
fn earlier_records_behind_a_newer_checkpoint_are_found() {
    let scratch = tempfile::tempdir().unwrap();
    let honest = journal();
    let whole = honest.files().to_vec();
    let broken = |segments: &Segments| {
        save(scratch.path(), segments);
        match verify(scratch.path()).unwrap_err() {
            VerifyError::Broken { reason, .. } => reason,
            other => panic!("{other}"),
        }
    };

    // As they are, one record or a whole segment, under every name.
    for (_, line) in lines(&whole).into_iter().filter(|(_, line)| !is_payload(line)) {
        let mut spliced = whole.clone();
        spliced.last_mut().unwrap().1.extend_from_slice(&line);
        assert_eq!(broken(&spliced), "the sequence has a gap or a repetition");
    }
    for (first, bytes) in &whole {
        for name in [*first + 11, 12] {
            let mut spliced = whole.clone();
            spliced.push((name, bytes.clone()));
            broken(&spliced);
        }
    }

    // Chained anew, what it says of its own time gives it away.
    let mut forged = honest.clone();
    forged.at_minute(2);
    forged.refusal("old");
    forged.save(scratch.path());
    let report = verify(scratch.path()).unwrap();
    assert_eq!((report.backdated, report.first_backdated), (1, Some(12)));
    assert_eq!(report.signed_up_to, 9, "and no checkpoint stands behind it");
}

/// Chained rightly, by somebody who did not think of the rest.
#[test]
fn what_does_not_fit_its_place_is_found() {
    let scratch = tempfile::tempdir().unwrap();
    let reason = |forge: &dyn Fn(&mut Scribe)| {
        let mut scribe = Scribe::new("log", 7);
        scribe.action("a");
        scribe.open();
        forge(&mut scribe);
        scribe.save(scratch.path());
        match verify(scratch.path()).map(|report| report.records) {
            Err(VerifyError::Broken { sequence, reason, .. }) => {
                assert_eq!(sequence, 5);
                reason
            }
            other => panic!("{other:?}"),
        }
    };
    let who = entry("c");
    let started = |epoch| Line { key: Some(key("b")), epoch, ..Line::of(Event::Started, &who) };
    let unopened = "it was started by a server that was not open there";
    assert_eq!(reason(&|scribe| drop(scribe.write(started(Some(1))))), unopened);
    assert_eq!(reason(&|scribe| drop(scribe.write(started(None)))), unopened);

    let synced = "it knows another part of the journal to be synced than stands before it";
    for durable in [2, 5] {
        let forge = |scribe: &mut Scribe| {
            scribe.durable = durable;
            scribe.refusal("b");
        };
        assert_eq!(reason(&forge), synced, "{durable}");
    }

    let opened = |change: &dyn Fn(&mut Scribe)| {
        reason(&|scribe| {
            change(scribe);
            scribe.open();
        })
    };
    assert_eq!(opened(&|scribe| scribe.epoch -= 1), "its epoch is not behind the one before");
    assert_eq!(opened(&|scribe| scribe.log = "other".to_owned()), "it is of another journal");
    assert_eq!(opened(&|scribe| scribe.closed = true), "it found a clean end where there is none");
    fn open(log: Option<&str>, format: u64) -> Line<'_> {
        Line { log, format: Some(format), epoch: Some(3), ..Line::new(Event::Open) }
    }
    let bare = |line: fn() -> Line<'static>| reason(&|scribe| drop(scribe.write(line())));
    assert_eq!(bare(|| open(Some("log"), FORMAT)), "it does not name the tail it found");
    assert_eq!(bare(|| open(None, FORMAT)), "it does not say which journal it is");
    assert_eq!(bare(|| open(Some("log"), FORMAT + 1)), "the format is unknown");
    assert_eq!(bare(|| Line::new(Event::Checkpoint)), "the checkpoint is not signed");

    let mut headless = Scribe::empty("log", 7);
    headless.refusal("a");
    headless.save(scratch.path());
    let Err(VerifyError::Broken { reason, .. }) = verify(scratch.path()) else { panic!("not found") };
    assert_eq!(reason, "the journal does not begin with an `open` record");
}

/// Whoever has the directory but not the key.
#[test]
fn without_the_key_no_checkpoint_can_be_made() {
    let scratch = tempfile::tempdir().unwrap();
    let reason = |scribe: &Scribe| {
        scribe.save(scratch.path());
        match verify(scratch.path()).unwrap_err() {
            VerifyError::Broken { reason, .. } => reason,
            other => panic!("{other}"),
        }
    };
    let mut honest = Scribe::new("log", 7);
    honest.action("a");
    let before = honest.clone();
    let real = honest.checkpoint();

    // A real signature in another place.
    let mut forged = before.clone();
    forged.refusal("b");
    forged.write_checkpoint(&real);
    assert_eq!(reason(&forged), "the signature of the checkpoint is wrong");

    // A key of one's own, without announcing it.
    let mut forged = before.clone();
    forged.signs_with(8);
    forged.checkpoint();
    assert_eq!(reason(&forged), "the checkpoint is signed with a key that was not announced");

    // Announced: consistent, until the keys are named or an anchor is there.
    let mut forged = Scribe::new("log", 8);
    forged.action("a");
    forged.checkpoint();
    forged.save(scratch.path());
    verify(scratch.path()).unwrap();
    let named = Verification::default().signers([honest.public()]);
    let error = named.run(scratch.path(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, VerifyError::Broken { sequence: 1, .. }), "{error}");
    let error = against([Anchor::Checkpoint(real.clone())], scratch.path()).unwrap_err();
    assert!(matches!(error, VerifyError::Rewritten { .. }), "{error}");
    honest.save(scratch.path());
    named.run(scratch.path(), &mut |_| {}).unwrap();
    against([Anchor::Checkpoint(real)], scratch.path()).unwrap();
}

#[test]
fn an_anchor_says_which_journal_and_which_key() {
    let scratch = tempfile::tempdir().unwrap();
    let mut honest = Scribe::new("log", 7);
    honest.action("a");
    honest.save(scratch.path());

    let mut other = Scribe::new("other", 7);
    other.action("a");
    let error = against([Anchor::Checkpoint(other.checkpoint())], scratch.path()).unwrap_err();
    assert!(matches!(error, VerifyError::OtherLog { anchor: 3 }), "{error}");

    // Anybody can sign what he has seen.
    let mut seen = honest.clone();
    seen.signs_with(8);
    let error = against([Anchor::Checkpoint(seen.checkpoint())], scratch.path()).unwrap_err();
    assert!(matches!(error, VerifyError::OtherSigner { anchor: 3 }), "{error}");

    // After a change of keys the anchor of before still holds, and so does one of after.
    let before = honest.checkpoint();
    honest.signs_with(8);
    honest.open();
    honest.refusal("b");
    let after = honest.checkpoint();
    honest.save(scratch.path());
    let report = against([Anchor::Checkpoint(after), Anchor::Checkpoint(before)], scratch.path()).unwrap();
    assert_eq!(report.signers.len(), 2);
    assert!(matches!(report.rung, Rung::Complete { up_to: 6, behind: 1, .. }), "{:?}", report.rung);
}

/// The same of a ledger that was kept by the ledger.
#[tokio::test]
async fn what_the_ledger_writes_verifies() {
    let scratch = tempfile::tempdir().unwrap();
    let ledger = open(scratch.path());
    run(&ledger, "isolate").await;
    let version = win(&ledger, "a", "c").await;
    let receipt = ledger.settle(settle("a", version, in_doubt())).await.unwrap().receipt;
    let anchors = [Anchor::Receipt(receipt.clone())];
    // While the server runs.
    let report = against(anchors.clone(), scratch.path()).unwrap();
    assert!(!report.clean_close);
    drop(ledger);
    let ledger = open(scratch.path());
    ledger.close().await.unwrap();
    drop(ledger);
    let report = against(anchors, scratch.path()).unwrap();
    assert_eq!((report.unclean_ends, report.clean_close), (1, true));
    assert!(matches!(report.rung, Rung::Complete { up_to, .. } if up_to == receipt.sequence));
}
