//! Tests of the ledger as a whole, by what they show.

#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg_attr(shuttle, allow(dead_code, reason = "some of the tests below are not compiled for shuttle"))]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use futures_util::FutureExt;
use serde_json::Value;

use super::action::PayloadAt;
use super::checkpoint::Signer;
use super::local::committer::Opened;
use super::local::index::blocks::{Values, load};
use super::local::index::{Head, Index, keeper};
use super::local::journal::file::create_directory;
use super::local::journal::memory::MemoryJournal;
use super::local::journal::zeros::content;
use super::local::journal::{Journal, Position, Reader, WriteError};
use super::local::store::{Keys, LocalStore};
use super::redact::Redactor;
use super::subject::{Pair, Subject};
use super::{
    Action, ArgumentDigest, Claim, Claimed, Entry, Hash, How, Ledger, LedgerError, LedgerOptions, Outcome, Settle,
    Settled, Standing, State, Version,
};

#[cfg(not(shuttle))]
mod batches;
mod crash;
mod files;
mod golden;
#[cfg(shuttle)]
pub(super) mod handoff;
mod home;
#[cfg(not(shuttle))]
mod index;
mod life;
mod model;
#[cfg(not(shuttle))]
mod poison;
mod retention;
#[cfg(not(shuttle))]
mod room;
mod scribe;
mod tamper;

fn key(name: &str) -> Hash {
    Hash::of(name.as_bytes())
}

fn entry(call: &str) -> Entry {
    Entry {
        call: call.to_owned(),
        tenant: "acme".to_owned(),
        agent: "agent-7".to_owned(),
        user: Some("alice".to_owned()),
        investigation: None,
        tool: "isolate_host".into(),
        key: None,
        digest: None,
        arguments: Some(serde_json::value::to_raw_value(&serde_json::json!({"host_id": "web-01"})).unwrap()),
    }
}

pub(super) fn claim(name: &str, call: &str) -> Claim {
    Claim {
        entry: entry(call),
        key: key(name),
        digest: Hash::of(format!("digest of {name}").as_bytes()),
        arguments: vec![ArgumentDigest {
            name: "host_id".to_owned(),
            exact: key("exact").into(),
            full: key("full").into(),
        }],
        subjects: Vec::new(),
        natural: false,
        needs_approval: false,
        again_after: None,
        every: None,
        approved: None,
        lives: std::time::Duration::ZERO,
    }
}

fn settle(name: &str, version: Version, outcome: Outcome) -> Settle {
    Settle { entry: entry("settling"), key: key(name), version, outcome, how: How::Call }
}

fn completed(payload: &str) -> Outcome {
    let payload = payload.as_bytes().to_vec();
    Outcome::Completed { payload, code: "ok".into(), subjects: Vec::new(), stored_error: false }
}

/// The subject that these things make together.
fn subject(things: &[&str]) -> Subject {
    Subject::new(things.iter().map(|thing| pair(thing)).collect()).unwrap()
}

fn pair(thing: &str) -> Pair {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&key(thing).0[..16]);
    Pair(bytes)
}

fn failed() -> Outcome {
    Outcome::Failed { code: "HOST_OFFLINE".into() }
}

fn in_doubt() -> Outcome {
    Outcome::InDoubt { code: "timeout".into(), running: false }
}

/// Claims and must win.
async fn win(ledger: &Ledger, name: &str, call: &str) -> Version {
    match ledger.claim(claim(name, call)).await.unwrap() {
        Claimed::Won { version, .. } => version,
        Claimed::Known(standing) => panic!("{name} is known: {standing:?}"),
    }
}

/// Claims and must find it known.
async fn known(ledger: &Ledger, name: &str) -> Action {
    match ledger.claim(claim(name, "later")).await.unwrap() {
        Claimed::Won { .. } => panic!("{name} was claimed"),
        Claimed::Known(Standing::Running { call }) => {
            let action = lookup(ledger, name).unwrap();
            assert_eq!(action.call, call);
            action
        }
        Claimed::Known(
            Standing::Replay(action) | Standing::InDoubt { action, .. } | Standing::Awaiting { action, .. },
        ) => *action,
        Claimed::Known(standing) => panic!("{name} has no answer: {standing:?}"),
    }
}

/// Runs an action from claim to completion.
async fn run(ledger: &Ledger, name: &str) -> Settled {
    let version = win(ledger, name, name).await;
    ledger.settle(settle(name, version, completed(&format!("{{\"of\":\"{name}\"}}")))).await.unwrap()
}

/// As a ledger wants its directory and keys; what `tempfile` and `fs::write` make may be read by everybody.
fn private(directory: &Path) {
    for (path, mode) in [("", 0o700), ("redact.key", 0o600), ("signing.key", 0o600)] {
        let path = directory.join(path);
        if path.exists() {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

fn open(directory: &Path) -> Ledger {
    private(directory);
    Ledger::open(directory.to_str().unwrap()).unwrap()
}

fn refused(directory: &Path) -> LedgerError {
    private(directory);
    Ledger::open(directory.to_str().unwrap()).map(drop).unwrap_err()
}

/// What a crash leaves: the files of a ledger that is still open, seen by somebody else.
fn copy(from: &Path, to: &Path) {
    create_directory(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).unwrap();
        }
    }
}

/// All lines of the first segment.
fn journal_lines(directory: &Path) -> Vec<String> {
    let bytes = fs::read(first_segment(directory)).unwrap();
    // Zero bytes follow while a server writes.
    String::from_utf8(content(&bytes).to_vec()).unwrap().lines().map(str::to_owned).collect()
}

/// The records of the first segment with this event.
fn records(directory: &Path, event: &str) -> Vec<Value> {
    let lines = journal_lines(directory);
    let values = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    values.filter(|value| value["event"] == event).collect()
}

fn first_segment(directory: &Path) -> std::path::PathBuf {
    directory.join("journal/00000000000000000001.jsonl")
}

/// What an append of a [`Gated`] journal is told to do.
enum Append {
    Write,
    Refuse,
    Fail,
    Panic,
}

/// A journal in memory whose appends wait for what the test tells them.
struct Gated {
    inner: MemoryJournal,
    arrived: Sender<()>,
    verdicts: Receiver<Append>,
}

/// The test's side of a [`Gated`] journal.
struct Gate {
    arrived: Receiver<()>,
    verdicts: Sender<Append>,
}

impl Journal for Gated {
    fn begin(&mut self, next: u64) -> std::io::Result<Position> {
        self.inner.begin(next)
    }

    fn append(&mut self, batch: &[u8]) -> Result<(), WriteError> {
        self.arrived.send(()).unwrap();
        match self.verdicts.recv() {
            // The test has left: nothing is held back any more.
            Ok(Append::Write) | Err(_) => self.inner.append(batch),
            Ok(Append::Refuse) => Err(WriteError::Refused(std::io::Error::other("injected"))),
            Ok(Append::Fail) => Err(WriteError::Broken(std::io::Error::other("injected"))),
            Ok(Append::Panic) => panic!("injected"),
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.inner.reader()
    }
}

/// A ledger in memory with a gate before each append; its `open` record is written already.
fn gated() -> (Ledger, Gate) {
    let (arrived, arrivals) = channel();
    let (verdicts, waiting) = channel();
    verdicts.send(Append::Write).unwrap();
    let journal = Gated { inner: MemoryJournal::default(), arrived, verdicts: waiting };
    let ledger = start(Box::new(journal), None);
    arrivals.recv().unwrap();
    (ledger, Gate { arrived: arrivals, verdicts })
}

/// A new ledger on this journal, whose index is written to `values`.
fn start(journal: Box<dyn Journal>, values: Option<Box<dyn Values>>) -> Ledger {
    let head =
        Head { log: "log".to_owned(), sequence: 0, hash: Hash::ZERO, epoch: 0, swept: 1, longest_ms: 0, at_ms: 0 };
    let keys = Keys { redactor: Redactor::new(&[7; 32]).unwrap(), signer: Signer::new(&[7; 32]).unwrap() };
    let opened = Opened { head, tail: None };
    let index = Index::new(journal.reader());
    let blocks = values.map(|values| load(values).unwrap().1);
    blocks.iter().for_each(|blocks| keeper::begin(blocks, &index));
    let store = LocalStore::start(journal, index, blocks, opened, keys, &LedgerOptions::default(), None).unwrap();
    Ledger::with(Arc::new(store))
}

/// Polls once: the operation is queued, and its answer is held back.
fn queue<T>(ask: &mut (impl Future<Output = T> + Unpin)) {
    assert!(ask.now_or_never().is_none());
}

/// A payload as the index would name it.
fn nowhere() -> PayloadAt {
    PayloadAt { segment: 1, offset: 0, length: u64::MAX, hash: Hash::ZERO }
}

/// Both stores that a test can make.
fn both() -> (tempfile::TempDir, Vec<Ledger>) {
    let directory = tempfile::tempdir().unwrap();
    let ledgers = vec![Ledger::open("memory:").unwrap(), open(directory.path())];
    (directory, ledgers)
}

/// What a local store answers at once.
fn now<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().unwrap()
}

fn lookup(ledger: &Ledger, name: &str) -> Option<Action> {
    now(ledger.lookup(&key(name))).unwrap()
}

fn payload(ledger: &Ledger, action: &Action) -> Result<Vec<u8>, LedgerError> {
    now(ledger.payload(action))
}

fn state(ledger: &Ledger, name: &str) -> Option<State> {
    lookup(ledger, name).map(|action| action.state)
}
