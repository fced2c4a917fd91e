//! Crash points, enumerated: the server dies, or its disk fails, at every system call on the ledger's files, one by one.
//!
//! The witness of the effects is another process. After each blow the ledger is opened twice and everything is asked for
//! again; what the journal says, what the index says, what callers were told and what happened must be one story.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod places;
mod run;
mod series;
mod syncs;
mod tear;

use places::{Files, blows};
use run::{Blow, Call, Plan, Point, run};
use safe_tool_tests::cannot;
use safe_tool_tests::witness::history::History;
use safe_tool_tests::witness::script::Script;
use series::{Base, Series, Struck, Table};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tear::Tear;

/// The committer, as the system names its thread.
const COMMITTER: &str = "ledger";
/// What fills segments ahead.
const FILLER: &str = "ledger-fill";
/// What removes expired results.
const SWEEPER: &str = "ledger-sweep";
/// Whoever calls; its name is cut to what the system keeps.
const CALLER: &str = "safe-tool-crash";

/// Runs below which the enumeration has lost its points.
const LEAST: u32 = 2_000;

/// Where files live in memory, when the machine has such a place: what a disk adds is another test's business.
fn scratch() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    if shared.is_dir() { shared } else { std::env::temp_dir() }
}

/// Whether this machine can trace a process from its start, and one that runs.
fn traces() -> bool {
    let traced = Command::new("strace").args(["-qq", "-e", "trace=none", "true"]).status();
    if !traced.is_ok_and(|status| status.success()) {
        cannot("strace is missing, or may not trace");
        return false;
    }
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if !root && !matches!(scope.trim(), "" | "0") {
        cannot("strace may not attach to a process (needs root, or kernel.yama.ptrace_scope = 0)");
        return false;
    }
    true
}

/// What opening finds: ledgers that were left in every way.
fn bases(at: &Path) -> Vec<Arc<Base>> {
    let mut bases = vec![Base { name: "new", ledger: None, history: History::default() }];
    let mut left = |name, script, point: &dyn Fn(&Path) -> Point, after: &dyn Fn(&Path)| {
        let ledger = at.join(name).join("ledger");
        std::fs::create_dir_all(ledger.parent().unwrap()).unwrap();
        let mut history = History::default();
        let plan = Plan { script, point: point(&ledger), blow: Blow::Kill };
        run(&ledger, &plan, &mut history).unwrap();
        after(&ledger);
        bases.push(Base { name, ledger: Some(ledger), history });
    };
    let journal = |ledger: &Path, syscall| Call { syscall, paths: Files::Journal.paths(ledger) };
    let nothing = |_: &Path| ();
    let to_the_end = |_: &Path| Point::Nowhere;
    let in_an_effect = |_: &Path| Point::Message { nth: 4, counted: true };
    left("closed", Script::Life, &to_the_end, &nothing);
    left("started", Script::Life, &in_an_effect, &nothing);
    left("crowded", Script::Crowd, &|_| Point::Message { nth: 30, counted: true }, &nothing);
    left("torn", Script::Life, &|ledger| Point::Thread(COMMITTER, journal(ledger, "pwritev2"), 9), &|ledger| {
        Tear::Half.tear(ledger, &std::fs::read_to_string(ledger.with_extension("strace")).unwrap()).unwrap();
    });
    left("without index", Script::Life, &in_an_effect, &|ledger| {
        std::fs::remove_dir_all(ledger.join("index")).unwrap();
    });
    left("ruined index", Script::Life, &in_an_effect, &|ledger| {
        std::fs::write(ledger.join("index/db"), b"not sled").unwrap();
    });
    bases.into_iter().map(Arc::new).collect()
}

fn all_series(bases: &[Arc<Base>]) -> Vec<Series> {
    let mut series = Vec::new();
    let new = bases.first().unwrap();
    let mut add = |base: &Arc<Base>, script, struck, blow, tear| {
        series.push(Series { base: Arc::clone(base), script, struck, blow, tear });
    };
    for script in [Script::Crowd, Script::Life, Script::Volume, Script::Long] {
        for counted in [true, false] {
            add(new, script, Struck::Message(counted), Blow::Kill, None);
        }
        for syscall in ["pwritev2", "fallocate", "openat", "ftruncate", "fsync", "renameat"] {
            for blow in blows(syscall) {
                for files in [Files::Journal, Files::Directories] {
                    add(new, script, Struck::Thread(COMMITTER, files, syscall), *blow, None);
                }
            }
        }
        for tear in Tear::ALL {
            add(new, script, Struck::Thread(COMMITTER, Files::Journal, "pwritev2"), Blow::Kill, Some(tear));
        }
        for syscall in ["pwrite64", "fdatasync", "openat"] {
            for blow in blows(syscall) {
                add(new, script, Struck::Thread(FILLER, Files::Journal, syscall), *blow, None);
            }
        }
        for syscall in ["openat", "pread64"] {
            add(new, script, Struck::Thread(CALLER, Files::Journal, syscall), Blow::Error("EIO"), None);
        }
        for syscall in ["pwrite64", "sync_file_range", "ftruncate"] {
            for blow in blows(syscall) {
                add(new, script, Struck::Any(Files::Index, syscall), *blow, None);
            }
        }
    }
    for (files, syscall) in [
        (Files::Swept, "openat"),
        (Files::Swept, "read"),
        (Files::Swept, "write"),
        (Files::Swept, "fsync"),
        (Files::Swept, "rename"),
        (Files::Directories, "openat"),
        (Files::Directories, "fsync"),
    ] {
        // A kill while it reads is a kill before it writes.
        for blow in blows(syscall).iter().filter(|blow| syscall != "read" || **blow != Blow::Kill) {
            add(new, Script::Sweep, Struck::Thread(SWEEPER, files, syscall), *blow, None);
        }
    }
    for syscall in ["pwritev2", "fallocate"] {
        for blow in blows(syscall) {
            add(new, Script::Sweep, Struck::Thread(COMMITTER, Files::Journal, syscall), *blow, None);
        }
    }
    for base in bases {
        for files in Files::ALL {
            for syscall in files.opening() {
                for blow in blows(syscall) {
                    add(base, Script::Brief, Struck::Any(files, syscall), *blow, None);
                }
            }
        }
    }
    series
}

#[test]
fn at_every_point_the_story_is_one() {
    if !traces() {
        return;
    }
    let begun = Instant::now();
    let scratch = tempfile::tempdir_in(scratch()).unwrap();
    let bases = bases(scratch.path());
    let waiting = Mutex::new(all_series(&bases).into_iter());
    let total = Mutex::new(Table::default());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(series) = next else { break };
                    let table = series.play(&runtime, scratch.path());
                    total.lock().unwrap_or_else(PoisonError::into_inner).add(table);
                }
            });
        }
    });
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let runs = total.runs();
    eprintln!("{total}{runs} runs in {} s", begun.elapsed().as_secs());
    assert!(total.broken.is_empty(), "{} broken:\n{}", total.broken.len(), total.broken.join("\n"));
    assert!(runs >= LEAST, "{runs} runs only");
}

#[test]
fn what_is_told_was_synced_before() {
    if !traces() {
        return;
    }
    let mut told = 0;
    for script in [Script::Life, Script::Volume, Script::Crowd] {
        let scratch = tempfile::tempdir().unwrap();
        let ledger = scratch.path().join("ledger");
        let trace = run::traced(&ledger, script).unwrap();
        let found = syncs::check(&trace, ledger.to_str().unwrap()).unwrap_or_else(|why| panic!("{script}: {why}"));
        eprintln!("{script}: {found:?}");
        // Opening makes the ledger, its two directories, a segment and two keys.
        assert!(found.told > 10 && found.synced > 10 && found.named > 6, "{script}: {found:?}");
        told += found.told;
    }
    assert!(told > 120, "{told}");
}
