//! Every store does what the [`reference`] says, whatever is asked of it in whatever order, crashes included.

use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tempfile::TempDir;

use super::super::local::journal::file::{segment_path, segments};
use super::super::{Action, Approval, Ask as AskApproval, Decide, Decision, Listed, NoteEvent, Version, verify};
use super::{
    ArgumentDigest, Claim, Claimed, Entry, Hash, How, Ledger, LedgerError, LedgerOptions, Outcome, Settle, State, copy,
    entry, failed, key,
};
use core::Core;
use reference::{ACTIONS, Ask, CALLERS, End, Known, Name, Reference, Said, Stand, Turn, Wanted};

mod core;
mod reference;

const NAMES: [&str; ACTIONS] = ["isolate", "release", "block", "unblock"];
/// Far from now.
const LATER_MS: u64 = 1 << 42;
/// As often as it can pass in one run, it is less than the 90 days for which an operator's word answers.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// A store to be held to the reference. Another one is one more of these, and one more line at the end of this file.
trait Place: Sized + 'static {
    /// What it holds outlives the ledger.
    const REOPENS: bool;
    /// A copy of it can be made at any moment, as a crash would leave it.
    const CRASHES: bool;
    /// Its clock can be set.
    const HAS_CLOCK: bool = false;

    fn new() -> Self;
    fn open(&mut self, options: &LedgerOptions) -> Ledger;
    fn wait(&self, _time: Duration) {}
    /// Goes on with what a crash would leave now.
    fn crash(&mut self) {}
    fn lose_index(&self) {}
    /// Nobody has it open; `closed` cleanly or not.
    fn verify(&self, _closed: bool) {}
}

struct Memory;

impl Place for Memory {
    const REOPENS: bool = false;
    const CRASHES: bool = false;

    fn new() -> Memory {
        Memory
    }

    fn open(&mut self, options: &LedgerOptions) -> Ledger {
        options.open("memory:").unwrap()
    }
}

struct Sled {
    scratch: TempDir,
    crashes: usize,
}

impl Sled {
    fn directory(&self) -> PathBuf {
        self.scratch.path().join(format!("after {} crashes", self.crashes))
    }
}

impl Place for Sled {
    const REOPENS: bool = true;
    const CRASHES: bool = true;

    fn new() -> Sled {
        Sled { scratch: tempfile::tempdir().unwrap(), crashes: 0 }
    }

    fn open(&mut self, options: &LedgerOptions) -> Ledger {
        options.open(self.directory().to_str().unwrap()).unwrap()
    }

    fn crash(&mut self) {
        let from = self.directory();
        self.crashes += 1;
        copy_live(&from, &self.directory());
    }

    fn lose_index(&self) {
        fs::remove_dir_all(self.directory().join("index")).unwrap();
    }

    fn verify(&self, closed: bool) {
        let report = verify(&self.directory()).unwrap();
        assert_eq!((report.records, report.clean_close), (report.last_sequence, closed));
    }
}

/// Copies in the order that leaves no more in the copy than a moment had: the sweeper may be at work.
fn copy_live(from: &Path, to: &Path) {
    copy(&from.join("index"), &to.join("index"));
    let (journal, copied) = (from.join("journal"), to.join("journal"));
    fs::create_dir_all(&copied).unwrap();
    for first in segments(&journal).unwrap().into_iter().rev() {
        fs::copy(segment_path(&journal, first), segment_path(&copied, first)).unwrap();
    }
    for file in ["redact.key", "signing.key"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// All at once.
    Turns(Vec<Turn>),
    /// A caller looks what became of an action.
    Look(usize, Name),
    Note,
    Tick,
    Latch,
    /// What is completed by now answers no longer, unless an operator said so.
    Wait,
    Reopen {
        crash: bool,
        close: bool,
        lose_index: bool,
    },
}

struct Model<P>(PhantomData<P>);

impl<P: Place> ReferenceStateMachine for Model<P> {
    type State = Reference;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Reference> {
        proptest::bool::weighted(0.2).prop_map(Reference::new).boxed()
    }

    fn transitions(reference: &Reference) -> BoxedStrategy<Step> {
        let turns = prop_oneof![3 => Just(1), 2 => 2..5usize];
        let turn = turn(reference);
        let turns = turns.prop_flat_map(move |turns| proptest::collection::vec(turn.clone(), turns));
        let seldom = u32::from(P::REOPENS);
        prop_oneof![
            30 => turns.prop_map(Step::Turns),
            3 => (0..CALLERS, 0..ACTIONS).prop_map(|(caller, name)| Step::Look(caller, name)),
            1 => Just(Step::Note),
            1 => Just(Step::Tick),
            // Only the next open ends it.
            seldom => Just(Step::Latch),
            3 * u32::from(P::HAS_CLOCK) => Just(Step::Wait),
            2 * seldom => (proptest::bool::weighted(0.3), any::<bool>())
                .prop_map(|(lose_index, close)| Step::Reopen { crash: false, close, lose_index }),
            seldom * u32::from(P::CRASHES) => proptest::bool::weighted(0.3)
                .prop_map(|lose_index| Step::Reopen { crash: true, close: false, lose_index }),
        ]
        .boxed()
    }

    fn apply(mut reference: Reference, step: &Step) -> Reference {
        match step {
            Step::Turns(turns) => reference.take(turns),
            Step::Look(caller, name) => {
                if let Some(known) = &reference.actions[*name] {
                    reference.heard[*caller][*name] = known.version;
                }
            }
            Step::Note | Step::Tick => {}
            Step::Latch => reference.latched = true,
            Step::Wait => reference.forget(),
            Step::Reopen { .. } => reference.reopen(),
        }
        reference
    }
}

/// What somebody may ask: anything at all, and rather what can succeed.
fn turn(reference: &Reference) -> BoxedStrategy<Turn> {
    let name = || 0..ACTIONS;
    let undo = proptest::option::weighted(0.7, name());
    let wanted = (proptest::bool::weighted(0.2), proptest::bool::weighted(0.2), undo.clone());
    let wanted = wanted.prop_map(|(other, natural, undo)| Wanted { arguments: u8::from(other), natural, undo }).boxed();
    let end = prop_oneof![
        4 => (any::<u8>(), undo).prop_map(|(payload, undo)| End::Completed { payload, undo }),
        1 => Just(End::Failed),
        1 => any::<bool>().prop_map(|running| End::InDoubt { running }),
    ];
    let end = (end, 0..4usize).prop_map(|(end, how)| Ask::Settle { end, how }).boxed();
    let claim = |by_approval| wanted.clone().prop_map(move |wanted| Ask::Claim { wanted, by_approval }).boxed();
    let ask = (wanted.clone(), proptest::bool::weighted(0.2))
        .prop_map(|(wanted, expired)| Ask::Approval { wanted, expired })
        .boxed();
    let decide = proptest::bool::weighted(0.8).prop_map(|approved| Ask::Decide { approved }).boxed();
    let anybody =
        |ask: BoxedStrategy<Ask>| (0..CALLERS, name(), ask).prop_map(|(caller, name, ask)| Turn { caller, name, ask });
    let mut turns = vec![
        (6, anybody(claim(false)).boxed()),
        (1, anybody(claim(true)).boxed()),
        (3, anybody(ask).boxed()),
        (1, anybody(decide.clone()).boxed()),
        (1, anybody(end.clone()).boxed()),
    ];
    for (name, known) in reference.actions.iter().enumerate() {
        let Some(known) = known else { continue };
        let next = match &known.stand {
            Stand::AwaitingApproval { approved: None, .. } => decide.clone(),
            Stand::AwaitingApproval { .. } => claim(true),
            Stand::Started { .. } | Stand::InDoubt { .. } => end.clone(),
            Stand::Completed { .. } => continue,
        };
        for caller in (0..CALLERS).filter(|caller| reference.heard[*caller][name] == known.version) {
            turns.push((4, next.clone().prop_map(move |ask| Turn { caller, name, ask }).boxed()));
        }
    }
    proptest::strategy::Union::new_weighted(turns).boxed()
}

/// A store under test.
struct Player<P> {
    place: P,
    /// Taken to reopen it.
    ledger: Option<Ledger>,
    runtime: tokio::runtime::Runtime,
    forgets: bool,
    /// The store's version for each that the reference counted.
    versions: Vec<Version>,
}

/// What a store said.
#[derive(Debug)]
enum Heard {
    Won(Version),
    Known(Box<Action>),
    Recorded(Version),
    Superseded,
    Latched,
}

impl<P: Place> Player<P> {
    fn open(&mut self) {
        let retention = if self.forgets { Duration::ZERO } else { RETENTION };
        let options = Ledger::options().retention(retention).segment_bytes(4096).checkpoint_every(16);
        self.ledger = Some(self.place.open(&options));
    }

    fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().unwrap()
    }

    /// The reference's version `counted` is `version`: later ones are those of later records.
    fn meet(&mut self, counted: reference::Version, version: Version, later_than: Version) {
        if counted == self.versions.len() {
            assert!(version > later_than, "{version:?} is not behind {later_than:?}");
            self.versions.push(version);
        }
        assert_eq!(self.versions[counted], version, "version {counted}");
    }

    fn last(&self) -> Version {
        self.versions.iter().copied().max().unwrap()
    }

    async fn ask(&self, Turn { name, ask, .. }: &Turn, named: reference::Version, call: usize) -> Heard {
        let version = self.versions[named];
        let ledger = self.ledger();
        let said = match ask {
            Ask::Claim { wanted, by_approval } => {
                let approved = by_approval.then_some(version);
                let claimed = ledger.claim(Claim { approved, ..claim(*name, wanted, call) }).await;
                claimed.map(|claimed| match claimed {
                    Claimed::Won { version, .. } => Heard::Won(version),
                    Claimed::Exists(action) => Heard::Known(action),
                })
            }
            Ask::Approval { wanted, expired } => {
                let expires_ms = if *expired { 1 } else { LATER_MS };
                let ask = AskApproval { claim: claim(*name, wanted, call), id: approval(call), expires_ms };
                ledger.ask(ask).await.map(|action| Heard::Known(Box::new(action)))
            }
            Ask::Decide { approved } => {
                let decision = Decision { approved: *approved, operator: "olga".to_owned() };
                let decided = ledger.decide(Decide { key: key(NAMES[*name]), version, decision }).await;
                decided.map(|settled| Heard::Recorded(settled.version))
            }
            Ask::Settle { end, how } => {
                let how = match how {
                    0 => How::Call,
                    1 => How::Late,
                    2 => How::Reconcile,
                    _ => How::Operator("olga".to_owned()),
                };
                let entry = asked_by(call, 0);
                let settle = Settle { entry, key: key(NAMES[*name]), version, outcome: outcome(end), how };
                ledger.settle(settle).await.map(|settled| Heard::Recorded(settled.version))
            }
        };
        match said {
            Ok(heard) => heard,
            Err(LedgerError::Superseded) => Heard::Superseded,
            Err(LedgerError::Latched) => Heard::Latched,
            Err(error) => panic!("{error}"),
        }
    }

    /// `action` is what the reference knows.
    fn same(&self, name: Name, known: &Known, action: &Action) {
        let state = match &known.stand {
            Stand::AwaitingApproval { expired, approved } => State::AwaitingApproval(Approval {
                id: approval(known.call),
                expires_ms: if *expired { 1 } else { LATER_MS },
                decision: approved.map(|approved| Decision { approved, operator: "olga".to_owned() }),
            }),
            Stand::Started { epoch } => State::Started { epoch: *epoch },
            Stand::Completed { .. } => State::Completed,
            Stand::InDoubt { .. } => State::InDoubt,
        };
        let wanted = claim(name, &Wanted { arguments: known.arguments, natural: false, undo: None }, known.call);
        assert_eq!(action.state, state);
        assert_eq!(action.epoch, known.stand.epoch());
        assert_eq!(action.version, self.versions[known.version]);
        assert_eq!(action.intent, self.versions[known.intent]);
        assert_eq!((action.key, action.digest, &action.arguments), (wanted.key, wanted.digest, &wanted.arguments));
        assert_eq!((&action.call, &action.tenant), (&wanted.entry.call, &wanted.entry.tenant));
        assert_eq!(action.tool, wanted.entry.tool);
        assert_eq!(action.undo, known.undo.map(|undo| key(NAMES[undo])));
        assert_eq!(action.expires_ms.is_some(), state == State::Completed);
    }

    fn reopen(&mut self, reference: &Reference, crash: bool, close: bool, lose_index: bool) {
        if close {
            let closed = self.ledger.clone().unwrap();
            self.runtime.block_on(async {
                closed.close().await.unwrap();
                let none = Wanted { arguments: 0, natural: false, undo: None };
                assert!(matches!(closed.lookup(&key(NAMES[0])).await, Err(LedgerError::Closed)));
                assert!(matches!(closed.claim(claim(0, &none, 0)).await, Err(LedgerError::Closed)));
            });
        }
        if crash {
            self.place.crash();
        }
        self.ledger = None;
        if !crash {
            self.place.verify(close);
        }
        if lose_index {
            self.place.lose_index();
        }
        self.open();
        // Those that ran are in doubt by records of this open.
        let last = self.last();
        for (name, known) in reference.actions.iter().enumerate() {
            let Some(known) = known.as_ref().filter(|known| known.version >= self.versions.len()) else { continue };
            let action = self.runtime.block_on(self.ledger().lookup(&key(NAMES[name]))).unwrap();
            self.meet(known.version, action.unwrap().version, last);
        }
    }
}

impl<P: Place> StateMachineTest for Player<P> {
    type SystemUnderTest = Player<P>;
    type Reference = Model<P>;

    fn init_test(reference: &Reference) -> Player<P> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut player =
            Player { place: P::new(), ledger: None, runtime, forgets: reference.forgets, versions: vec![Version(0)] };
        player.open();
        player
    }

    fn apply(mut player: Player<P>, reference: &Reference, step: Step) -> Player<P> {
        match step {
            Step::Turns(turns) => player.play(reference, &turns),
            Step::Look(..) => {}
            Step::Note => {
                let read = NoteEvent::Read { code: "ok".into() };
                player.ledger().note(entry("read"), read).unwrap();
            }
            Step::Tick => player.ledger().tick(),
            Step::Latch => player.ledger().latch(),
            Step::Wait => player.place.wait(RETENTION),
            Step::Reopen { crash, close, lose_index } => player.reopen(reference, crash, close, lose_index),
        }
        player
    }

    /// All that can be asked without changing anything says what the reference knows.
    fn check_invariants(player: &Player<P>, reference: &Reference) {
        let ledger = player.ledger();
        match ledger.health() {
            Ok(()) => assert!(!reference.latched),
            Err(error) => assert!(reference.latched && matches!(error, LedgerError::Latched), "{error}"),
        }
        player.runtime.block_on(async {
            for (name, known) in reference.actions.iter().enumerate() {
                let action = ledger.lookup(&key(NAMES[name])).await.unwrap();
                let Some(known) = known else {
                    assert_eq!(action, None, "{} is absent", NAMES[name]);
                    continue;
                };
                let action = action.unwrap_or_else(|| panic!("{} is {known:?}", NAMES[name]));
                player.same(name, known, &action);
                match (&known.stand, ledger.payload(&action).await) {
                    (Stand::Completed { payload, .. }, stored) => assert_eq!(stored.unwrap(), body(*payload)),
                    (_, stored) => assert!(matches!(stored, Err(LedgerError::Payload { .. }))),
                }
                assert_eq!(ledger.ended(&action).await.unwrap(), known.stand.epoch() != reference.epoch);
                let intent = ledger.intent(&action).await.unwrap();
                let asked = asked_by(known.call, known.arguments);
                assert_eq!(intent.sequence, action.intent.0);
                assert_eq!((intent.entry.call, intent.entry.user), (asked.call, asked.user));
                assert_eq!((intent.entry.key, intent.entry.digest), (Some(action.key), Some(action.digest)));
                assert_eq!(
                    intent.entry.arguments.map(|json| json.get().to_owned()),
                    asked.arguments.map(|json| json.get().to_owned())
                );
            }
            for (which, stands) in [
                (Listed::InDoubt, (|stand| matches!(stand, Stand::InDoubt { .. })) as fn(&Stand) -> bool),
                (Listed::AwaitingApproval, |stand| matches!(stand, Stand::AwaitingApproval { .. })),
            ] {
                let known = reference.actions.iter().zip(NAMES);
                let known = known.filter(|(known, _)| known.as_ref().is_some_and(|known| stands(&known.stand)));
                let mut keys: Vec<Hash> = known.map(|(_, name)| key(name)).collect();
                keys.sort();
                let mut listed = Vec::new();
                while let [action] = &ledger.list(which, listed.last().copied(), 1).await.unwrap()[..] {
                    listed.push(action.key);
                    assert!(listed.len() <= ACTIONS, "a page begins behind the one before");
                }
                assert_eq!(listed, keys, "{which:?}");
            }
        });
    }

    fn teardown(mut player: Player<P>, _reference: Reference) {
        player.runtime.block_on(player.ledger().close()).unwrap();
        player.ledger = None;
        player.place.verify(true);
    }
}

impl<P: Place> Player<P> {
    /// Asks all at once and compares what is said.
    fn play(&mut self, reference: &Reference, turns: &[Turn]) {
        let first = reference.calls - turns.len();
        let asks = turns.iter().zip(&reference.said).enumerate();
        let asks = asks.map(|(place, (turn, (named, _)))| self.ask(turn, *named, first + place));
        let heard = self.runtime.block_on(join_all(asks));
        for ((turn, (_, said)), heard) in turns.iter().zip(&reference.said).zip(heard) {
            let last = self.last();
            match (said, heard) {
                (Said::Won(counted), Heard::Won(version)) | (Said::Recorded(counted), Heard::Recorded(version)) => {
                    self.meet(*counted, version, last)
                }
                (Said::Known(known), Heard::Known(action)) => {
                    self.meet(known.version, action.version, last);
                    self.same(turn.name, known, &action);
                }
                (Said::Superseded, Heard::Superseded) | (Said::Latched, Heard::Latched) => {}
                (said, heard) => panic!("{heard:?} instead of {said:?} to {turn:?}"),
            }
        }
    }
}

fn claim(name: Name, wanted: &Wanted, call: usize) -> Claim {
    let arguments = wanted.arguments;
    Claim {
        entry: asked_by(call, arguments),
        key: key(NAMES[name]),
        digest: key(&format!("{name} with {arguments}")),
        arguments: vec![ArgumentDigest {
            name: "minutes".to_owned(),
            exact: key(&arguments.to_string()),
            full: key(&format!("{arguments} in full")),
        }],
        natural: wanted.natural,
        undo: wanted.undo.map(|undo| key(NAMES[undo])),
        approved: None,
        lives: Duration::ZERO,
    }
}

fn asked_by(call: usize, arguments: u8) -> Entry {
    let json = serde_json::value::to_raw_value(&serde_json::json!({ "minutes": arguments })).unwrap();
    Entry { arguments: Some(json), ..entry(&format!("call {call}")) }
}

fn approval(call: usize) -> String {
    format!("approval of call {call}")
}

fn body(payload: u8) -> Vec<u8> {
    format!("[{payload}]").into_bytes()
}

fn outcome(end: &End) -> Outcome {
    match end {
        End::Completed { payload, undo } => {
            let undo = undo.map(|undo| key(NAMES[undo]));
            Outcome::Completed { payload: body(*payload), code: "ok".into(), undo }
        }
        End::Failed => failed(),
        End::InDoubt { running } => Outcome::InDoubt { code: "timeout".into(), running: *running },
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_core_is_the_model(sequential 1..80 => Player<Core>);
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn memory_is_the_model(sequential 1..80 => Player<Memory>);
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sled_is_the_model(sequential 1..80 => Player<Sled>);
}
