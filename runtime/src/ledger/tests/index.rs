//! The index: what it finds, what is kept of it, and what that is worth when it is not what was written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::super::action::{Approval, Beginning, Moment, State, Step, Transition, Unsettled, Version};
use super::super::changes::Changes;
use super::super::local::catch_up::follow;
use super::super::local::index::blocks::{Blocks, HEAD, Values, load};
use super::super::local::index::entry::Ended;
use super::super::local::index::sled::Sled;
use super::super::local::index::{Difference, Head, Index, SLICES, Standing as Before, keeper};
use super::super::local::journal::Journal;
use super::super::local::journal::file::segments;
use super::super::local::journal::files::OpenFiles;
use super::super::local::journal::memory::MemoryJournal;
use super::super::subject::{Pair, Subject, Touch};
use super::super::{Action, Claim, Claimed, Hash, IndexCheck, Ledger, LedgerError, Standing, VerifyError, verify};
use super::{claim, completed, copy, failed, key, known, lookup, open, payload, run, settle, subject, win};

const A: Hash = Hash([1; 32]);
const B: Hash = Hash([2; 32]);

fn empty() -> Index {
    Index::new(MemoryJournal::default().reader())
}

fn head(sequence: u64) -> Head {
    Head { log: "log".to_owned(), sequence, hash: Hash([9; 32]), epoch: 1, swept: 1, longest_ms: 0, at_ms: 0 }
}

fn take(index: &Index, sequence: u64, key: Hash, change: Transition) {
    let mut changes = Changes::default();
    let step = Step { version: Version(sequence), moment: Moment(sequence), at_ms: sequence, key, change };
    // There is no journal: what is settled, and was kept, begins anew.
    let current = index.action(&key).unwrap_or_default();
    changes.step(step, current, &Before { index, longest_ms: 0 }).unwrap();
    index.apply(&changes, &head(sequence));
}

fn start() -> Transition {
    Transition::Begin(Box::new(Beginning { subjects: vec![about(1)], ..Beginning::started(1) }))
}

fn await_approval() -> Transition {
    let approval = Approval { id: "01J".to_owned(), expires_ms: 9, decision: None };
    Transition::Begin(Box::new(Beginning { state: State::AwaitingApproval(approval), ..Beginning::started(1) }))
}

fn complete(subjects: Vec<Subject>) -> Transition {
    Transition::Complete { payload: None, subjects, expires_ms: Some(7), stored_error: false }
}

fn about(thing: u8) -> Subject {
    Subject::new(vec![Pair([thing; 16])]).unwrap()
}

/// The keys that meet at a thing: those still open, and those that are done.
fn met(index: &Index, thing: u8) -> (Vec<Hash>, Vec<Hash>) {
    let meeting = index.meeting(&about(thing).slot()).unwrap().unwrap_or_default();
    let keys = |touches: &[Touch]| touches.iter().map(|touch| touch.key).collect();
    (keys(&meeting.open.iter().map(|touch| Touch::clone(touch)).collect::<Vec<_>>()), keys(&meeting.done))
}

fn unsettled(index: &Index, state: Unsettled) -> Vec<Hash> {
    index.unsettled(state, None, 9).iter().map(|action| action.key).collect()
}

#[test]
fn it_finds_by_key_by_subject_and_by_state() {
    let index = empty();
    assert_eq!(index.head(), None);
    take(&index, 1, A, start());
    take(&index, 2, B, start());
    assert_eq!(unsettled(&index, Unsettled::Started), [A, B]);
    assert_eq!(index.unsettled(Unsettled::Started, Some(A), 9).len(), 1);
    assert_eq!(index.unsettled(Unsettled::Started, None, 1).len(), 1);
    assert_eq!(met(&index, 1), (vec![A, B], vec![]));
    take(&index, 3, A, complete(vec![about(2)]));
    assert_eq!(unsettled(&index, Unsettled::Started), [B]);
    assert_eq!(met(&index, 1), (vec![B], vec![A]));
    assert_eq!(met(&index, 2), (vec![], vec![A]), "the subject of its undo call");
    assert_eq!(met(&index, 3), (vec![], vec![]));
    assert_eq!((index.settled(&A), index.settled(&B)), (Some(Version(3)), None));
    take(&index, 4, A, start());
    assert_eq!(met(&index, 1), (vec![B, A], vec![A]), "what it did before is still remembered");
    take(&index, 5, A, Transition::Fail { expires_ms: Some(7) });
    take(&index, 6, B, complete(Vec::new()));
    assert_eq!(met(&index, 1), (vec![], vec![B, A]));
    assert_eq!(index.action(&A).unwrap().unwrap().state, State::Failed);
    assert_eq!(index.action(&B).unwrap().unwrap().version, Version(6));
    take(&index, 7, A, await_approval());
    assert_eq!(unsettled(&index, Unsettled::AwaitingApproval), [A]);
    take(&index, 8, A, start());
    take(&index, 9, A, Transition::Doubt { running: true });
    assert_eq!(unsettled(&index, Unsettled::AwaitingApproval), []);
    assert_eq!(unsettled(&index, Unsettled::Started), []);
    assert_eq!(unsettled(&index, Unsettled::InDoubt), [A]);
    assert_eq!(index.action(&A).unwrap().unwrap().intent, Version(8));
    assert_eq!(index.head(), Some(head(9)));
}

#[test]
fn a_slot_is_forgotten_a_day_after_the_last_that_needs_it_unless_something_is_open_there() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let index = empty();
    let forget = |now_ms| (0..SLICES).for_each(|slice| index.forget(slice, now_ms));
    take(&index, 1, A, start());
    take(&index, 2, A, complete(vec![about(2)]));
    take(&index, 3, B, start());
    forget(DAY + 7);
    assert_eq!((met(&index, 1), met(&index, 2)), ((vec![B], vec![A]), (vec![], vec![A])));
    forget(DAY + 8);
    assert_eq!((met(&index, 1), met(&index, 2)), ((vec![B], vec![A]), (vec![], vec![])));
    take(&index, 4, B, Transition::Fail { expires_ms: Some(9) });
    forget(DAY + 10);
    assert_eq!(met(&index, 1), (vec![], vec![]));
    assert!(index.spot(&about(1).slot()).is_none());
}

/// Values in memory.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl Values for Held {
    fn get(&self, name: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    fn put(&self, name: &[u8], value: &[u8]) -> Result<(), LedgerError> {
        self.0.lock().unwrap().insert(name.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&self, name: &[u8]) -> Result<(), LedgerError> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }

    fn names(&self) -> Result<Vec<Vec<u8>>, LedgerError> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }

    fn each(&self, show: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), LedgerError> {
        self.0.lock().unwrap().iter().for_each(|(name, value)| show(name, value));
        Ok(())
    }
}

impl Held {
    /// As a crash leaves them.
    fn now(&self) -> Held {
        Held(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }

    fn blocks(&self) -> Blocks {
        load(Box::new(self.clone())).unwrap().1
    }

    /// An index of what is kept, which must be whole.
    fn index(&self) -> Index {
        let (loaded, _) = load(Box::new(self.now())).unwrap();
        assert_eq!(loaded.damage, None);
        Index::kept(loaded.map, loaded.head, MemoryJournal::default().reader())
    }
}

/// An action that leads a life of so many steps.
fn live(index: &Index, sequence: &mut u64, name: u64, steps: u8) {
    let key = Hash::of(&name.to_be_bytes());
    let undone = about(u8::try_from(name % 200).unwrap());
    let changes = [start(), complete(vec![undone]), start(), Transition::Fail { expires_ms: Some(7) }];
    for change in changes.into_iter().take(usize::from(steps)) {
        *sequence += 1;
        take(index, *sequence, key, change);
    }
    if steps == 5 {
        *sequence += 1;
        let mut changes = Changes::default();
        changes.leave(key);
        index.apply(&changes, &head(*sequence));
    }
}

#[derive(Clone, Debug)]
enum Turn {
    /// So many actions from this one on, with so many steps each.
    Live(u64, u64, u8),
    Write,
    /// What is kept is read by the next server.
    Reopen,
    /// So are the changes since, all of them.
    Anew,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        4 => (0..3_000_u64, 1..400_u64, 1..=5_u8).prop_map(|(first, count, steps)| Turn::Live(first, count, steps)),
        3 => Just(Turn::Write),
        1 => Just(Turn::Reopen),
        1 => Just(Turn::Anew),
    ];
    proptest::collection::vec(turn, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_kept_is_what_was_known_when_it_was_written(turns in turns()) {
        let held = Held::default();
        let mut index = empty();
        let mut blocks = held.blocks();
        keeper::begin(&blocks, &index);
        let mut sequence = 0;
        for turn in turns {
            match turn {
                Turn::Live(first, count, steps) => {
                    (first..first + count).for_each(|name| live(&index, &mut sequence, name, steps));
                    continue;
                }
                Turn::Write => blocks.write(&index).unwrap(),
                Turn::Anew => {
                    index.note(true);
                    blocks.write(&index).unwrap();
                }
                Turn::Reopen => {
                    blocks.write(&index).unwrap();
                    index = held.index();
                    blocks = held.blocks();
                    keeper::begin(&blocks, &index);
                    // Without its journal it knows no open action.
                    continue;
                }
            }
            let again = held.index();
            prop_assert_eq!(again.head(), index.head());
            prop_assert_eq!(again.differs(&index, 0), Difference::default());
            prop_assert_eq!(index.differs(&again, 0), Difference::default());
        }
    }
}

/// Changes that come while all is written anew: some of them are in a part that was copied already, some are not.
#[test]
fn what_changes_while_all_is_written_anew_is_written_once() {
    struct Meanwhile {
        held: Held,
        index: Arc<Index>,
        sequence: Mutex<u64>,
    }
    impl Values for Meanwhile {
        fn get(&self, name: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
            self.held.get(name)
        }

        fn put(&self, name: &[u8], value: &[u8]) -> Result<(), LedgerError> {
            let mut sequence = self.sequence.lock().unwrap();
            if *sequence < 60_000 {
                (0..500).for_each(|name| live(&self.index, &mut sequence, name * 7, 4));
                (0..500).for_each(|name| live(&self.index, &mut sequence, name * 11, 5));
            }
            self.held.put(name, value)
        }

        fn remove(&self, name: &[u8]) -> Result<(), LedgerError> {
            self.held.remove(name)
        }

        fn names(&self) -> Result<Vec<Vec<u8>>, LedgerError> {
            self.held.names()
        }

        fn each(&self, show: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), LedgerError> {
            self.held.each(show)
        }
    }
    let (held, index) = (Held::default(), Arc::new(empty()));
    let mut sequence = 0;
    (0..10_000).for_each(|name| live(&index, &mut sequence, name, 2));
    let values = Meanwhile { held: held.clone(), index: Arc::clone(&index), sequence: Mutex::new(sequence) };
    let mut blocks = load(Box::new(values)).unwrap().1;
    keeper::begin(&blocks, &index);
    blocks.write(&index).unwrap();
    blocks.write(&index).unwrap();
    assert_eq!(held.index().differs(&index, 0), Difference::default());
}

#[test]
fn more_is_not_kept_than_twice_what_stands() {
    let (held, index) = (Held::default(), empty());
    let mut blocks = held.blocks();
    keeper::begin(&blocks, &index);
    let mut sequence = 0;
    let bytes = || held.0.lock().unwrap().values().map(Vec::len).sum::<usize>();
    let mut most = 0;
    for _ in 0..400 {
        (0..200).for_each(|name| live(&index, &mut sequence, name, 4));
        blocks.write(&index).unwrap();
        most = most.max(bytes());
    }
    assert!((2_000_000..8_000_000).contains(&most), "{most}");
    assert_eq!(held.index().differs(&index, 0), Difference::default());
}

/// A closed ledger with actions in every state and a failed repeat.
async fn closed(directory: &Path) -> Vec<(&'static str, Action)> {
    let ledger = open(directory);
    run(&ledger, "completed").await;
    let version = win(&ledger, "failed", "c3").await;
    ledger.settle(settle("failed", version, failed())).await.unwrap();
    let about = |name, call| Claim { subjects: vec![subject(&["web-01"])], ..claim(name, call) };
    let won = async |claim| match ledger.claim(claim).await.unwrap() {
        Claimed::Won { version, .. } => version,
        Claimed::Known(standing) => panic!("{standing:?}"),
    };
    for name in ["isolate", "release"] {
        let version = won(about(name, name)).await;
        ledger.settle(settle(name, version, completed("{}"))).await.unwrap();
    }
    for call in ["again", "once more"] {
        let again = Claim { again_after: Some("release".to_owned()), ..about("release", call) };
        let version = won(again).await;
        ledger.settle(settle("release", version, failed())).await.unwrap();
    }
    let names = ["completed", "failed", "isolate", "release"];
    let actions = names.map(|name| (name, lookup(&ledger, name).unwrap()));
    ledger.close().await.unwrap();
    actions.into()
}

fn agrees(ledger: &Ledger, actions: &[(&'static str, Action)]) {
    for (name, action) in actions {
        assert_eq!(lookup(ledger, name).as_ref(), Some(action), "{name}");
        if action.state == State::Completed {
            payload(ledger, action).unwrap();
        }
    }
}

/// Nothing is forgotten, and nothing that is known runs again.
async fn knows(directory: &Path, actions: &[(&'static str, Action)]) {
    let ledger = open(directory);
    agrees(&ledger, actions);
    assert_eq!(known(&ledger, "completed").await, actions[0].1);
    let about = Claim { subjects: vec![subject(&["web-01"])], ..claim("isolate", "later") };
    let standing = ledger.claim(about).await.unwrap();
    assert!(matches!(&standing, Claimed::Known(Standing::Superseded(_))), "{standing:?}");
}

fn sled(directory: &Path) -> ::sled::Db {
    ::sled::Config::default().path(directory.join("index")).segment_size(8 << 20).open().unwrap()
}

fn names(directory: &Path) -> Vec<Vec<u8>> {
    sled(directory).iter().keys().map(|name| name.unwrap().to_vec()).collect()
}

/// Each entry of sled in turn.
#[tokio::test]
async fn an_entry_that_was_removed_is_noticed_and_nothing_runs_twice() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = scratch.path().join("whole");
    let actions = closed(&whole).await;
    verify(&whole).unwrap();
    for (number, name) in names(&whole).into_iter().enumerate() {
        let directory = scratch.path().join(number.to_string());
        copy(&whole, &directory);
        let db = sled(&directory);
        assert!(db.remove(&name).unwrap().is_some());
        // A thread of sled's may outlive it for a moment: what is not written by then would not be in a copy.
        db.flush().unwrap();
        drop(db);
        let error = verify(&directory).unwrap_err();
        assert!(matches!(error, VerifyError::Index { .. }), "{error}");
        assert!(error.to_string().contains("does not say what the journal says"), "{error}");
        knows(&directory, &actions).await;
        verify(&directory).unwrap();
    }
}

#[tokio::test]
async fn an_entry_that_was_changed_is_noticed() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = scratch.path().join("whole");
    let actions = closed(&whole).await;
    let mut number = 0;
    for name in names(&whole) {
        let length = sled(&whole).get(&name).unwrap().unwrap().len();
        for place in [0, 5, 20, length - 1] {
            number += 1;
            let directory = scratch.path().join(number.to_string());
            copy(&whole, &directory);
            let db = sled(&directory);
            let mut value = db.get(&name).unwrap().unwrap().to_vec();
            value[place] ^= 1;
            db.insert(&name, value).unwrap();
            db.flush().unwrap();
            drop(db);
            let verified = verify(&directory);
            assert!(matches!(verified, Err(VerifyError::Index { .. })), "{place}: {verified:?}");
            knows(&directory, &actions).await;
        }
    }
}

/// All files of what is kept, byte for byte.
fn files(directory: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for item in fs::read_dir(directory).unwrap() {
        let path = item.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => drop(files.insert(path.clone(), fs::read(path).unwrap())),
        }
    }
    files
}

#[tokio::test]
async fn verifying_says_whether_it_compared_the_index_and_changes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let index = scratch.path().join("index");
    let checked = || verify(scratch.path()).unwrap().index.unwrap();
    closed(scratch.path()).await;
    let (before, last) = (files(&index), verify(scratch.path()).unwrap().last_sequence);
    assert_eq!(checked(), IndexCheck::Agrees { up_to: last });
    assert_eq!(files(&index), before);
    let ledger = open(scratch.path());
    assert_eq!(checked(), IndexCheck::InUse);
    drop(ledger);
    fs::write(index.join("db"), b"not sled").unwrap();
    assert!(matches!(checked(), IndexCheck::Unreadable { .. }));
    fs::remove_dir_all(&index).unwrap();
    assert_eq!(checked(), IndexCheck::Absent);
}

/// Made so that it fits itself: only the journal can tell.
#[tokio::test]
async fn an_index_that_lacks_an_action_and_fits_itself_is_a_break() {
    let scratch = tempfile::tempdir().unwrap();
    let actions = closed(scratch.path()).await;
    let journal = scratch.path().join("journal");
    let firsts = segments(&journal).unwrap();
    let index = Index::new(Arc::new(OpenFiles::new(journal.clone(), firsts.clone())));
    let (_, head) = follow(&journal, &firsts, &index, 0).unwrap();
    let mut changes = Changes::<Ended>::default();
    changes.leave(key("completed"));
    index.apply(&changes, &head.unwrap());
    let mut blocks = load(Box::new(Sled::open(&scratch.path().join("index")).unwrap())).unwrap().1;
    index.note(true);
    blocks.write_anew(&index).unwrap();
    drop(blocks);
    match verify(scratch.path()).unwrap_err() {
        VerifyError::Index { sequence, reason, .. } => {
            assert_eq!(sequence, Some(actions[0].1.moment.0));
            assert!(reason.starts_with("1 of its actions"), "{reason}");
        }
        other => panic!("{other}"),
    }
    // What it tells to do.
    fs::remove_dir_all(scratch.path().join("index")).unwrap();
    knows(scratch.path(), &actions).await;
    verify(scratch.path()).unwrap();
}

#[tokio::test]
async fn an_index_of_another_version_or_without_head_is_made_anew() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = scratch.path().join("whole");
    let actions = closed(&whole).await;
    for (number, change) in
        [|db: &::sled::Db| db.insert(b"a/x", b"").map(drop), |db: &::sled::Db| db.remove(HEAD).map(drop)]
            .into_iter()
            .enumerate()
    {
        let directory = scratch.path().join(number.to_string());
        copy(&whole, &directory);
        change(&sled(&directory)).unwrap();
        knows(&directory, &actions).await;
        assert!(names(&directory).iter().all(|name| name != b"a/x"));
    }
}

/// Everything known of a settled action is read from the journal, whatever led to it.
#[tokio::test]
async fn a_settled_action_reads_back_as_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    let actions = closed(scratch.path()).await;
    let restored = &actions[3].1;
    assert!(restored.version.0 > restored.moment.0, "a failed repeat put it back");
    for _ in 0..3 {
        let ledger = open(scratch.path());
        agrees(&ledger, &actions);
        agrees(&ledger, &actions);
    }
}

/// A call whose action cannot be read is refused alone.
#[tokio::test]
async fn a_record_that_cannot_be_read_refuses_its_key_only() {
    let scratch = tempfile::tempdir().unwrap();
    let actions = closed(scratch.path()).await;
    let ledger = open(scratch.path());
    let path = super::first_segment(scratch.path());
    let mut bytes = fs::read(&path).unwrap();
    let member = format!("\"seq\":{},", actions[0].1.version.0);
    let place = bytes.windows(member.len()).position(|bytes| bytes == member.as_bytes()).unwrap();
    bytes[place + member.len() + 20] ^= 1;
    fs::write(&path, bytes).unwrap();
    let refused = ledger.claim(claim("completed", "later")).await;
    assert!(matches!(refused, Err(LedgerError::Inconsistent { .. })), "{refused:?}");
    run(&ledger, "another").await;
    ledger.health().unwrap();
}
