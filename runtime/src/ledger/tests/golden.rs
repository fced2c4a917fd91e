//! The journal's format, held by files: a change that old journals or their readers would not survive shows here.
//!
//! The same files are what `tests/operate.rs` shows and exports. `SAFE_TOOL_GOLDEN=write` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::record::{Event, Line};
use super::super::{Approval, Entry, How, NoteEvent, verify};
use super::scribe::{Scribe, save};
use super::{Hash, Subject, entry, key, subject};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ledger/tests/golden")
}

/// Every event, with every member that any of them has.
fn journal() -> Scribe {
    let mut scribe = Scribe::new("0123456789abcdef0123456789abcdef", 7);
    scribe.checkpoint();
    let nobody = Entry {
        call: "01JDB0000000000000000000C1".to_owned(),
        tenant: String::new(),
        agent: String::new(),
        user: None,
        tool: "".into(),
        arguments: None,
        ..entry("")
    };
    let note = |code: &'static str, gate, times| NoteEvent::Refused { code: code.into(), gate, times };
    scribe.write(Line::note(&nobody, &note("unauthenticated", "authenticate", 40)));
    let odd = Entry {
        agent: "eve|=\\\n\u{1b}[2J".to_owned(),
        user: None,
        investigation: Some("INC=1|".to_owned()),
        ..entry("01JDB0000000000000000000C2")
    };
    scribe.write(Line::note(&odd, &note("denied", "scope", 1)));
    let who = |call| Entry { investigation: Some("INC-7".to_owned()), ..entry(call) };
    let read = who("01JDB0000000000000000000C3");
    scribe.write(Line::note(&read, &NoteEvent::Read { code: "empty".into() }));

    let done = who("01JDB0000000000000000000C4");
    let about: &[Subject] = &[subject(&["web-01"])];
    let begun = |event, name, epoch| Line {
        key: Some(key(name)),
        digest: Some(Hash::of(name.as_bytes())),
        epoch,
        subjects: about,
        until: epoch.map(|_| 1_795_133_430_000),
        ..Line::of(event, &done)
    };
    let approval =
        Approval { id: "01JDB0000000000000000000A1".to_owned(), expires_ms: 1_795_136_760_000, decision: None };
    let asked = scribe.write(Line { approval: Some(&approval), ..begun(Event::AwaitingApproval, "isolate", None) });
    let decided = |event, operator, supersedes| Line {
        operator: Some(operator),
        key: Some(key("isolate")),
        supersedes: Some(supersedes),
        arguments: None,
        ..Line::of(event, &done)
    };
    let approved = scribe.write(decided(Event::Approved, "olga", asked.sequence));
    let supersedes = Some(approved.sequence);
    let started = scribe.write(Line { supersedes, ..begun(Event::Started, "isolate", Some(1)) });
    let payload = scribe.payload("{\"status\":\"ok\"}");
    let ticket = [subject(&["ticket 7"])];
    let completed = Line {
        key: Some(key("isolate")),
        code: Some("ok"),
        supersedes: Some(started.sequence),
        payload: Some(payload),
        expires: Some(1_795_738_140_000),
        subjects: &ticket,
        late: true,
        ..Line::of(Event::Completed, &done)
    };
    scribe.write(completed);
    let again = who("01JDB0000000000000000000C5");
    scribe
        .write(Line::note(&again, &NoteEvent::Replayed { first_call: done.call.clone(), code: "ok".into(), times: 3 }));
    scribe.rotate();

    let again =
        Line { again_after: Some(&done.call), bucket: Some(498_648), ..begun(Event::Started, "again", Some(1)) };
    let started = scribe.write(again);
    let refused = scribe.payload("{\"status\":\"error\",\"error\":{\"code\":\"NOT_THERE\"}}");
    let refused = scribe.write(Line {
        key: Some(key("again")),
        code: Some("NOT_THERE"),
        supersedes: Some(started.sequence),
        payload: Some(refused),
        expires: Some(1_795_738_140_000),
        stored_error: true,
        ..Line::of(Event::Completed, &done)
    });
    let repeat = Line { supersedes: Some(refused.sequence), ..begun(Event::Started, "again", Some(1)) };
    let started = scribe.write(Line { again_after: Some("01JDB0000000000000000000C4"), ..repeat });
    scribe.write(Line {
        key: Some(key("again")),
        code: Some("HOST_OFFLINE"),
        supersedes: Some(started.sequence),
        expires: Some(1_795_738_140_000),
        restores: true,
        ..Line::of(Event::Failed, &done)
    });
    let asked = scribe.write(Line { approval: Some(&approval), ..begun(Event::AwaitingApproval, "other", None) });
    scribe.write(Line { key: Some(key("other")), ..decided(Event::ApprovalRefused, "olga", asked.sequence) });
    let outcome = |event, code, name, supersedes, how| Line {
        key: Some(key(name)),
        code: Some(code),
        supersedes: Some(supersedes),
        arguments: None,
        ..Line::settled(event, &done, how)
    };
    let started = scribe.write(begun(Event::Started, "failed", Some(1)));
    let line = outcome(Event::Failed, "HOST_OFFLINE", "failed", started.sequence, &How::Call);
    scribe.write(Line { expires: Some(1_795_738_140_000), ..line });
    let started = scribe.write(begun(Event::Started, "doubt", Some(1)));
    let doubt = scribe.write(outcome(Event::InDoubt, "timeout", "doubt", started.sequence, &How::Call));
    let payload = scribe.payload("{\"status\":\"error\",\"error\":{\"code\":\"resolved_applied\"}}");
    let operator = How::Operator("olga".to_owned());
    let line = outcome(Event::Completed, "resolved_applied", "doubt", doubt.sequence, &operator);
    scribe.write(Line { payload: Some(payload), ..line });
    let started = scribe.write(begun(Event::Started, "reconciled", Some(1)));
    let doubt = scribe.write(outcome(Event::InDoubt, "crashed", "reconciled", started.sequence, &How::Call));
    scribe.write(outcome(Event::Failed, "not_applied", "reconciled", doubt.sequence, &How::Reconcile));
    scribe.write(Line { keys: &[key("isolate")], ..Line::new(Event::Expired) });
    scribe.write(Line { swept: Some(1), ..Line::new(Event::Expired) });
    scribe.close();
    scribe.rotate();
    scribe.open();
    scribe.checkpoint();
    // And one that ended without a close.
    scribe.open();
    scribe.close();
    scribe
}

#[test]
fn the_format_is_what_it_was() {
    let journal = journal();
    if std::env::var("SAFE_TOOL_GOLDEN").as_deref() == Ok("write") {
        save(&directory(), journal.files());
    }
    for (first, bytes) in journal.files() {
        let held = fs::read_to_string(directory().join(format!("journal/{first:020}.jsonl"))).unwrap();
        assert_eq!(String::from_utf8_lossy(bytes), held, "segment {first}");
    }
    let report = verify(&directory()).unwrap();
    assert_eq!((report.clean_close, report.unclean_ends, report.payloads), (true, 1, 3));
}
