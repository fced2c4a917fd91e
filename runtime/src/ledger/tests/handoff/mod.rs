//! From the committer into the index, and by way of the keeper into what is kept of it, in the orders in which the threads
//! may go on.
//!
//! Compiled with `--cfg shuttle` only: [`sync`] then stands for the ledger's own. It runs one thread at a time, chooses the next
//! at each lock and each channel, and finds whoever waits for ever. The seeds are fixed: what is red once stays red.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};

mod parts;
pub(in crate::ledger) mod sync;

use self::parts::{Disk, Kept};
use super::super::action::State;
use super::super::checkpoint::Signer;
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::local::committer::Opened;
use super::super::local::index::blocks::load;
use super::super::local::index::{Head, Index, keeper};
use super::super::local::journal::memory::MemoryJournal;
use super::super::local::journal::{Journal, Reader};
use super::super::local::store::{Keys, LocalStore};
use super::super::redact::Redactor;
use super::super::{Claim, Claimed, LedgerOptions, Listed, NoteEvent, Outcome, Settle};
use super::super::{How, Ledger, Standing, Version};
use super::{claim, completed, entry, in_doubt, key, settle, subject};

/// Runs of a test in which the next thread is any,
const RUNS: usize = 250;
/// and in which one thread goes on until, once, at any moment, another does all it can: what takes that takes many runs.
const MORE_RUNS: usize = 4_000;
const SEED: u64 = 7;
/// More than a test writes.
const NEVER: usize = usize::MAX;

/// Runs `test` in many orders: `runs` of the second kind.
fn explore(runs: usize, test: impl Fn() + Clone + Send + Sync + 'static) {
    let config = || {
        let mut config = Config::new();
        // Unoptimised encoders and signatures.
        config.stack_size = 1 << 20;
        config
    };
    Runner::new(RandomScheduler::new_from_seed(SEED, RUNS), config()).run(test.clone());
    Runner::new(PctScheduler::new_from_seed(SEED, 2, runs), config()).run(test);
}

/// A new ledger, with what its threads leave.
struct Started {
    ledger: Ledger,
    written: Arc<dyn Reader>,
    kept: Kept,
}

/// The journal fails after `appends` more than the first, what is kept of the index after `writes`.
fn start(appends: usize, writes: usize) -> Started {
    let head =
        Head { log: "log".to_owned(), sequence: 0, hash: Hash::ZERO, epoch: 0, swept: 1, longest_ms: 0, at_ms: 0 };
    let keys = Keys { redactor: Redactor::new(&[7; 32]).unwrap(), signer: Signer::new(&[7; 32]).unwrap() };
    let journal = Disk { inner: MemoryJournal::default(), left: appends.saturating_add(1) };
    let written = journal.reader();
    let kept = Kept::new(writes);
    let (_, blocks) = load(Box::new(kept.clone())).unwrap();
    let index = Index::new(journal.reader());
    keeper::begin(&blocks, &index);
    let opened = Opened { head, tail: None };
    let options = LedgerOptions::default();
    let store = LocalStore::start(Box::new(journal), index, Some(blocks), opened, keys, &options, None).unwrap();
    Started { ledger: Ledger::with(Arc::new(store)), written, kept }
}

impl Started {
    /// The sequence of the last record, and its line.
    fn last(&self) -> (u64, String) {
        let records = (1..).map_while(|sequence| Some((sequence, self.written.record(sequence).ok()?)));
        let (sequence, line) = records.last().unwrap();
        (sequence, String::from_utf8(line).unwrap())
    }
}

fn natural(name: &str) -> Claim {
    Claim { natural: true, ..claim(name, "call") }
}

/// The version that was won.
fn won(claimed: Claimed) -> Version {
    match claimed {
        Claimed::Won { version, .. } => version,
        Claimed::Known(standing) => panic!("known: {standing:?}"),
    }
}

/// Runs an action that nobody else runs.
fn run(ledger: &Ledger, claim: Claim, outcome: Outcome) -> Version {
    let (name, entry) = (claim.key, claim.entry.clone());
    let version = won(block_on(ledger.claim(claim)).unwrap());
    let settle = Settle { entry, key: name, version, outcome, how: How::Call };
    block_on(ledger.settle(settle)).unwrap().version
}

#[test]
fn what_was_answered_is_seen_and_never_goes_back() {
    explore(RUNS, || {
        let Started { ledger, .. } = start(NEVER, NEVER);
        let names = ["a", "b"];
        let answered = Arc::new([const { AtomicU64::new(0) }; 2]);
        let mut threads = Vec::new();
        for (place, name) in names.into_iter().enumerate() {
            let (ledger, answered) = (ledger.clone(), Arc::clone(&answered));
            threads.push(thread::spawn(move || {
                for outcome in [completed("1"), in_doubt(), completed("2")] {
                    let version = won(block_on(ledger.claim(natural(name))).unwrap());
                    answered[place].store(version.0, Ordering::SeqCst);
                    let settled = block_on(ledger.settle(settle(name, version, outcome))).unwrap();
                    answered[place].store(settled.version.0, Ordering::SeqCst);
                }
            }));
        }
        for _ in 0..2 {
            let (ledger, answered) = (ledger.clone(), Arc::clone(&answered));
            threads.push(thread::spawn(move || {
                let mut seen = [0; 2];
                for _ in 0..6 {
                    for (place, name) in names.into_iter().enumerate() {
                        let at_least = answered[place].load(Ordering::SeqCst).max(seen[place]);
                        let found = block_on(ledger.lookup(&key(name))).unwrap();
                        seen[place] = found.as_ref().map_or(0, |action| action.version.0);
                        assert!(seen[place] >= at_least, "{} behind {at_least}", seen[place]);
                        // The result of what is completed is there.
                        if let Some(action) = found.filter(|action| action.state == State::Completed) {
                            block_on(ledger.payload(&action)).unwrap();
                        }
                    }
                }
            }));
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_doubt_is_listed_wherever_it_is() {
    explore(MORE_RUNS, || {
        let Started { ledger, .. } = start(NEVER, NEVER);
        let doubt = run(&ledger, claim("a", "call"), in_doubt());
        let listed = || block_on(ledger.list(Listed::InDoubt, None, 9)).unwrap().len();
        assert_eq!(listed(), 1);
        block_on(ledger.settle(settle("a", doubt, completed("1")))).unwrap();
        assert_eq!(listed(), 0);
    });
}

#[test]
fn what_happened_to_a_subject_is_known_wherever_that_is() {
    explore(MORE_RUNS, || {
        let Started { ledger, .. } = start(NEVER, NEVER);
        let about = |name| Claim { subjects: vec![subject(&["web-01"])], ..claim(name, name) };
        run(&ledger, about("isolate"), completed("1"));
        run(&ledger, about("release"), completed("1"));
        match block_on(ledger.standing(about("isolate"))).unwrap() {
            Standing::Superseded(superseded) => assert_eq!(superseded.by.unwrap().call, "release"),
            other => panic!("{other:?}"),
        }
    });
}

/// Three callers that claim and settle until they are refused; gives the sequences that they were answered with.
fn callers(ledger: &Ledger, refusals: fn(&LedgerError) -> bool) -> Vec<thread::JoinHandle<Vec<u64>>> {
    let caller = |caller: usize| {
        let ledger = ledger.clone();
        thread::spawn(move || {
            let mut answered = Vec::new();
            let mut refused = false;
            for round in 0..2 {
                let name = format!("{caller} {round}");
                let claimed = block_on(ledger.claim(claim(&name, "call")));
                assert!(!(refused && claimed.is_ok()), "it was refused before");
                let version = match claimed {
                    Ok(claimed) => won(claimed),
                    Err(error) => {
                        assert!(refusals(&error), "{error}");
                        refused = true;
                        continue;
                    }
                };
                answered.push(version.0);
                match block_on(ledger.settle(settle(&name, version, completed("1")))) {
                    Ok(settled) => answered.push(settled.receipt.sequence),
                    Err(error) => {
                        assert!(refusals(&error), "{error}");
                        refused = true;
                    }
                }
                // Refused or not, and nobody waits for it.
                ledger.note(entry("read"), NoteEvent::Read { code: "ok".into() }).ok();
            }
            answered
        })
    };
    (0..3).map(caller).collect()
}

#[test]
fn a_journal_that_fails_leaves_nobody_waiting_and_nothing_answered_that_is_not_written() {
    explore(RUNS, || {
        let started = start(thread_rng().gen_range(0..6), NEVER);
        let callers = callers(&started.ledger, |error| matches!(error, LedgerError::Unavailable));
        for caller in callers {
            for sequence in caller.join().unwrap() {
                started.written.record(sequence).unwrap();
            }
        }
        // Whether or not that was the append that fails.
        if block_on(started.ledger.close()).is_err() {
            assert!(matches!(started.ledger.health(), Err(LedgerError::Unavailable)));
            assert!(matches!(block_on(started.ledger.lookup(&key("0 0"))), Err(LedgerError::Unavailable)));
        }
    });
}

#[test]
fn an_index_that_cannot_be_kept_costs_nobody_an_answer() {
    explore(RUNS, || {
        let started = start(NEVER, thread_rng().gen_range(0..6));
        let callers = callers(&started.ledger, |_| false);
        for caller in callers {
            for sequence in caller.join().unwrap() {
                started.written.record(sequence).unwrap();
            }
        }
        block_on(started.ledger.close()).unwrap();
    });
}

#[test]
fn closing_records_what_is_answered_and_nothing_behind_it() {
    explore(RUNS, || {
        let started = start(NEVER, NEVER);
        let callers = callers(&started.ledger, |error| matches!(error, LedgerError::Closed));
        let other = {
            let ledger = started.ledger.clone();
            thread::spawn(move || block_on(ledger.close()))
        };
        let closed = block_on(started.ledger.close());
        let closed = [closed, other.join().unwrap()];
        assert_eq!(closed.iter().filter(|closed| closed.is_ok()).count(), 1);
        assert!(closed.iter().any(|closed| matches!(closed, Err(LedgerError::Closed))));
        let answered: Vec<u64> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        let (last, line) = started.last();
        assert!(line.contains(r#""event":"close""#), "{line}");
        assert!(answered.iter().all(|sequence| *sequence < last));
    });
}

#[test]
fn the_last_to_leave_waits_for_the_index() {
    explore(RUNS, || {
        let Started { ledger, kept, written } = start(NEVER, NEVER);
        let caller = {
            let ledger = ledger.clone();
            thread::spawn(move || run(&ledger, claim("a", "call"), completed("1")))
        };
        // One whose caller leaves before there is an answer.
        drop(futures_util::FutureExt::now_or_never(ledger.claim(claim("b", "call"))));
        drop(ledger);
        let version = caller.join().unwrap();
        let (loaded, _) = load(Box::new(kept)).unwrap();
        assert_eq!(loaded.damage, None);
        let index = Index::kept(loaded.map, loaded.head, Arc::clone(&written));
        assert_eq!(index.action(&key("a")).unwrap().unwrap().version, version);
        let records = (1..).take_while(|sequence| written.record(*sequence).is_ok()).last();
        assert_eq!(index.head().map(|head| head.sequence), records);
    });
}
