//! Every kind of record, shown and exported: held by files. `SAFE_TOOL_GOLDEN=write` writes them anew.

use super::run;
use std::fs;
use std::path::{Path, PathBuf};

/// A ledger with one record of every kind; the tests of the ledger hold it to its format.
pub(super) fn ledger() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src/ledger/tests/golden")
}

fn is_golden(name: &str, told: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("operate/golden").join(name);
    let told = told.replace(concat!("|", env!("CARGO_PKG_VERSION"), "|"), "|VERSION|");
    let told = told.replace(concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\""), "\"version\":\"VERSION\"");
    if std::env::var("SAFE_TOOL_GOLDEN").as_deref() == Ok("write") {
        fs::write(&path, &told).unwrap();
    }
    assert_eq!(told, fs::read_to_string(&path).unwrap(), "{name}");
}

#[test]
fn shown() {
    is_golden("show.txt", &run(&[&"audit", &"show", &ledger()]).ok());
    is_golden("verify.txt", &run(&[&"audit", &"verify", &ledger()]).ok());
    is_golden("verify.json", &run(&[&"audit", &"verify", &ledger(), &"--json"]).ok());
    is_golden("checkpoint.json", &run(&[&"audit", &"checkpoint", &ledger()]).ok());
}

#[test]
fn exported() {
    for format in ["ocsf", "cef"] {
        is_golden(&format!("export.{format}"), &run(&[&"audit", &"export", &ledger(), &"--format", &format]).ok());
    }
}

#[test]
fn stored_lines_are_given_as_they_are() {
    let mut stored = String::new();
    let mut segments: Vec<_> =
        fs::read_dir(ledger().join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    for segment in segments {
        stored += &fs::read_to_string(segment).unwrap();
    }
    let records: String =
        stored.lines().filter(|line| line.starts_with("{\"hash\"")).map(|line| format!("{line}\n")).collect();
    assert_eq!(run(&[&"audit", &"export", &ledger(), &"--format", &"jsonl"]).ok(), records);
    assert_eq!(run(&[&"audit", &"show", &ledger(), &"--json"]).ok(), records);
}

#[test]
fn only_what_is_asked_for() {
    let count = |filter: &[&str]| {
        let ledger = ledger();
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"audit", &"show", &ledger];
        arguments.extend(filter.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
        run(&arguments).ok().lines().count()
    };
    let all = count(&[]);
    assert_eq!(count(&["--event", "open"]), 3);
    assert_eq!(count(&["--event", "open", "--event", "close"]), 5);
    assert_eq!(count(&["--call", "01JDB0000000000000000000C5"]), 1);
    assert_eq!(count(&["--principal", "nobody"]), 0);
    assert_eq!(count(&["--since", "2026-11-20T00:05:00Z", "--until", "2026-11-20T00:06:00Z"]), 1);
    assert_eq!(count(&["--until", "2026-11-20T00:05:00Z"]) + count(&["--since", "2026-11-20T00:05:00Z"]), all);
    let wrong = run(&[&"audit", &"show", &ledger(), &"--event", &"opened"]);
    assert!(wrong.code == 2 && wrong.err.contains("awaiting_approval"), "{}", wrong.err);
}

#[test]
fn a_filtered_export_has_the_same_events() {
    let export = |more: &[&str]| {
        let ledger = ledger();
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"audit", &"export", &ledger, &"--format", &"ocsf"];
        arguments.extend(more.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
        run(&arguments).ok()
    };
    let all = export(&[]);
    let some = export(&["--event", "in_doubt"]);
    assert_eq!(some.lines().count(), 2);
    assert!(some.lines().all(|line| all.lines().any(|other| other == line)));
}
