//! One system call, one blow: struck at the first, the second, the third.. until there is none left to strike.

use super::places::Files;
use super::run::{Blow, Call, Plan, Point, Went, run};
use super::tear::Tear;
use safe_tool_tests::witness::history::History;
use safe_tool_tests::witness::oracle;
use safe_tool_tests::witness::script::Script;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A ledger to begin with, and what the witness knew of it.
pub(super) struct Base {
    /// Its name in the table.
    pub(super) name: &'static str,
    /// Its directory; `None` for one that is yet to be made.
    pub(super) ledger: Option<PathBuf>,
    /// What happened before.
    pub(super) history: History,
}

/// What is struck.
#[derive(Clone, Copy, Debug)]
pub(super) enum Struck {
    /// A system call of any thread.
    Any(Files, &'static str),
    /// A system call of one thread, once the ledger is open.
    Thread(&'static str, Files, &'static str),
    /// A message to the witness.
    Message(bool),
}

/// A series of runs.
#[derive(Clone)]
pub(super) struct Series {
    /// What it begins with.
    pub(super) base: Arc<Base>,
    /// What is played.
    pub(super) script: Script,
    /// What is struck.
    pub(super) struck: Struck,
    /// With what.
    pub(super) blow: Blow,
    /// What is torn off the journal afterwards.
    pub(super) tear: Option<Tear>,
}

/// More points than any series has.
const MOST: u32 = 1_000;

/// What came of many runs: by series and by how the server went on.
#[derive(Default)]
pub(super) struct Table {
    rows: BTreeMap<String, BTreeMap<Went, u32>>,
    /// What did not hold, with the scenario.
    pub(super) broken: Vec<String>,
}

impl Table {
    /// All runs in which the point was reached.
    pub(super) fn runs(&self) -> u32 {
        self.rows.values().flat_map(BTreeMap::iter).filter(|(went, _)| **went != Went::NotReached).map(|(_, n)| n).sum()
    }

    /// Takes another in.
    pub(super) fn add(&mut self, other: Table) {
        for (row, counts) in other.rows {
            let into = self.rows.entry(row).or_default();
            for (went, count) in counts {
                *into.entry(went).or_default() += count;
            }
        }
        self.broken.extend(other.broken);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const COLUMNS: [Went; 4] = [Went::Killed, Went::Refused, Went::ClosedWell, Went::ClosedBadly];
        writeln!(f, "{:<58} {:>7} {:>7} {:>7} {:>7}", "", "killed", "refused", "went on", "latched")?;
        let reached = |counts: &BTreeMap<Went, u32>| counts.keys().any(|went| *went != Went::NotReached);
        for (row, counts) in self.rows.iter().filter(|(_, counts)| reached(counts)) {
            write!(f, "{row:<58}")?;
            for column in COLUMNS {
                write!(f, " {:>7}", counts.get(&column).copied().unwrap_or(0))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Series {
    fn row(&self) -> String {
        let struck = match self.struck {
            Struck::Any(files, syscall) => format!("{syscall} {files:?}"),
            Struck::Thread(thread, files, syscall) => format!("{syscall} {files:?} in {thread}"),
            Struck::Message(true) => "after a message".to_owned(),
            Struck::Message(false) => "before a message".to_owned(),
        };
        let blow = match self.blow {
            Blow::Kill => "kill".to_owned(),
            Blow::Error(error) => error.to_owned(),
            Blow::Errors(error) => format!("{error}.."),
        };
        let torn = self.tear.map_or_else(String::new, |_| ", torn".to_owned());
        format!("{} {}: {struck}: {blow}{torn}", self.base.name, self.script)
    }

    fn point(&self, ledger: &Path, nth: u32) -> Point {
        let call = |files: Files, syscall| Call { syscall, paths: files.paths(ledger) };
        match self.struck {
            Struck::Any(files, syscall) => Point::Any(call(files, syscall), nth),
            Struck::Thread(thread, files, syscall) => Point::Thread(thread, call(files, syscall), nth),
            Struck::Message(counted) => Point::Message { nth: nth as usize, counted },
        }
    }

    /// Whether nothing more may be accepted once this has failed.
    fn closes(&self) -> bool {
        let (thread, files, syscall) = match self.struck {
            Struck::Any(files, syscall) => ("", files, syscall),
            Struck::Thread(thread, files, syscall) => (thread, files, syscall),
            Struck::Message(_) => return false,
        };
        // What was not filled ahead is written all the same.
        thread != super::FILLER && files == Files::Journal && matches!(syscall, "pwritev2" | "fsync")
    }

    /// One run: the server is struck at the nth point, and then everything has to hold.
    fn once(&self, nth: u32, runtime: &tokio::runtime::Runtime, scratch: &Path) -> Result<Went, String> {
        let directory = tempfile::tempdir_in(scratch).map_err(|error| error.to_string())?;
        let ledger = directory.path().join("ledger");
        if let Some(base) = &self.base.ledger {
            copy(base, &ledger).map_err(|error| error.to_string())?;
        }
        let mut history = self.base.history.clone();
        history.lacked_room = matches!(self.struck, Struck::Any(_, "fallocate") | Struck::Thread(_, _, "fallocate"));
        let plan = Plan { script: self.script, point: self.point(&ledger, nth), blow: self.blow };
        let went = run(&ledger, &plan, &mut history)?;
        if went == Went::ClosedWell && self.closes() {
            return Err("the journal failed, and the server went on as if nothing had happened".to_owned());
        }
        if let Some(tear) = self.tear.filter(|_| went == Went::Killed) {
            let trace = std::fs::read_to_string(ledger.with_extension("strace"));
            let torn = trace.and_then(|trace| tear.tear(&ledger, &trace));
            torn.map_err(|error| format!("not torn: {error}"))?;
        }
        runtime.block_on(oracle::holds(&ledger, history))?;
        Ok(went)
    }

    /// All runs.
    pub(super) fn play(&self, runtime: &tokio::runtime::Runtime, scratch: &Path) -> Table {
        let mut table = Table::default();
        for nth in 1..MOST {
            let went = self.once(nth, runtime, scratch).unwrap_or_else(|why| {
                table.broken.push(format!("{} at {nth}: {why}", self.row()));
                Went::Broken
            });
            *table.rows.entry(self.row()).or_default().entry(went).or_default() += 1;
            // A few of a kind tell as much as all of them.
            if went == Went::NotReached || table.broken.len() > 2 {
                break;
            }
        }
        table
    }
}

/// Copies a directory; a socket that a killed server left behind is none of the ledger's files.
pub(super) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
