//! Every store does what the [`reference`] says, whatever is asked of it in whatever order, crashes included.

use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tempfile::TempDir;

use super::super::action::Moment;
use super::super::local::journal::file::{segment_path, segments};
use super::super::{
    Action, Approval, Ask as AskApproval, Asked, Decide, Decision, Happened, Listed, NoteEvent, Standing, Version,
    verify,
};
use super::{
    ArgumentDigest, Claim, Claimed, Entry, Hash, How, Ledger, LedgerError, LedgerOptions, Outcome, Settle, State,
    Subject, copy, entry, failed, key, pair,
};
use core::Core;
use reference::{
    ACTIONS, Ask, BUCKETED, CALLERS, Caller, Effect, End, Name, Reference, Run, SUBJECTS, Said, Stand, Stands, Turn,
    Wanted,
};

mod core;
mod reference;

const NAMES: [&str; ACTIONS] = ["isolate", "release", "block", "scan"];
/// Far from now.
const LATER_MS: u64 = 1 << 42;
/// As often as it can pass in one run, it is less than the 90 days for which an operator's word answers.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
const QUARTER: Duration = Duration::from_secs(6 * 60 * 60);
const PLAIN: Wanted = Wanted { arguments: 0, natural: false, again_after: None };

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
    /// So many quarters of the retention pass.
    Wait(u64),
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
            4 * u32::from(P::HAS_CLOCK) => (1..5_u64).prop_map(Step::Wait),
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
                if let Some(version) = reference.known(*name).map(|known| known.version) {
                    reference.heard[*caller][*name] = version;
                }
            }
            Step::Note | Step::Tick => {}
            Step::Latch => reference.latched = true,
            Step::Wait(quarters) => reference.wait(*quarters),
            Step::Reopen { .. } => reference.reopen(&in_order()),
        }
        reference
    }
}

/// The actions by ascending key.
fn in_order() -> Vec<Name> {
    let mut names: Vec<Name> = (0..ACTIONS).collect();
    names.sort_by_key(|name| key(NAMES[*name]));
    names
}

/// What somebody may ask: anything at all, and rather what can succeed.
fn turn(reference: &Reference) -> BoxedStrategy<Turn> {
    let callers = 0..CALLERS;
    let end = prop_oneof![
        6 => (any::<u8>(), proptest::option::weighted(0.3, 0..ACTIONS), proptest::bool::weighted(0.1))
            .prop_map(|(payload, undo, stored_error)| End::Completed { payload, undo, stored_error }),
        2 => Just(End::Failed),
        1 => any::<bool>().prop_map(|running| End::InDoubt { running }),
    ]
    .boxed();
    let settle = (end.clone(), 0..4usize).prop_map(|(end, how)| Ask::Settle { end, how }).boxed();
    let decide = proptest::bool::weighted(0.8).prop_map(|approved| Ask::Decide { approved }).boxed();
    let mut turns = Vec::new();
    for name in 0..ACTIONS {
        // One call that is the latest, any other one, and one that never was.
        let some_call = 0..reference.calls.max(1);
        let again_after = prop_oneof![
            5 => Just(None),
            3 => Just(reference.latest_call(name)),
            1 => some_call.prop_map(Some),
            1 => Just(Some(usize::MAX)),
        ];
        let wanted = (proptest::bool::weighted(0.1), proptest::bool::weighted(0.2), again_after)
            .prop_map(|(other, natural, again_after)| Wanted { arguments: u8::from(other), natural, again_after })
            .boxed();
        let claim = |by_approval| wanted.clone().prop_map(move |wanted| Ask::Claim { wanted, by_approval }).boxed();
        let ask = (wanted.clone(), proptest::bool::weighted(0.2))
            .prop_map(|(wanted, expired)| Ask::Approval { wanted, expired })
            .boxed();
        let late = end.clone().prop_map(|end| Ask::Late { end }).boxed();
        let mut may = |weight: u32, caller: BoxedStrategy<Caller>, ask: BoxedStrategy<Ask>| {
            turns.push((weight, (caller, ask).prop_map(move |(caller, ask)| Turn { caller, name, ask }).boxed()));
        };
        may(6, callers.clone().boxed(), claim(false));
        may(1, callers.clone().boxed(), claim(true));
        may(2, callers.clone().boxed(), ask);
        may(1, callers.clone().boxed(), decide.clone());
        may(1, callers.clone().boxed(), settle.clone());
        may(1, callers.clone().boxed(), late);
        let Some(known) = reference.known(name) else { continue };
        let next = match &known.stand {
            Stand::AwaitingApproval { approved: None, .. } => decide.clone(),
            Stand::AwaitingApproval { .. } => {
                let (arguments, again_after) = (known.arguments, known.again_after);
                Just(Ask::Claim { wanted: Wanted { arguments, natural: false, again_after }, by_approval: true })
                    .boxed()
            }
            Stand::Started { .. } | Stand::InDoubt { .. } => settle.clone(),
            Stand::Completed { .. } | Stand::Failed => continue,
        };
        for caller in (0..CALLERS).filter(|caller| reference.heard[*caller][name] == known.version) {
            may(12, Just(caller).boxed(), next.clone());
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
    Awaits(Box<Action>),
    Stands(Standing),
    Recorded(Version),
    Superseded,
    Latched,
}

impl<P: Place> Player<P> {
    fn open(&mut self) {
        let retention = if self.forgets { Duration::ZERO } else { RETENTION };
        let options =
            Ledger::options().retention(retention).distrust(Duration::ZERO).segment_bytes(4096).checkpoint_every(16);
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

    async fn ask(&self, turn: &Turn, reference: &Reference, named: reference::Version, call: usize) -> Heard {
        let Turn { caller, name, ask } = turn;
        let version = self.versions[named];
        let ledger = self.ledger();
        let said = match ask {
            Ask::Claim { wanted, by_approval } => {
                let approved = by_approval.then_some(version);
                let claim = claim(*caller, *name, wanted, call);
                let claimed = ledger.claim(Claim { approved, needs_approval: *by_approval, ..claim }).await;
                claimed.map(|claimed| match claimed {
                    Claimed::Won { version, .. } => Heard::Won(version),
                    Claimed::Known(standing) => Heard::Stands(standing),
                })
            }
            Ask::Approval { wanted, expired } => {
                let expires_ms = if *expired { 1 } else { LATER_MS };
                let claim = Claim { needs_approval: true, ..claim(*caller, *name, wanted, call) };
                let asked = ledger.ask(AskApproval { claim, id: approval(call), expires_ms }).await;
                asked.map(|asked| match asked {
                    Asked::Awaits(action) => Heard::Awaits(action),
                    Asked::Known(standing) => Heard::Stands(standing),
                })
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
                let entry = asked_by(*caller, call, 0);
                let settle = Settle { entry, key: key(NAMES[*name]), version, outcome: outcome(end), how };
                ledger.settle(settle).await.map(|settled| Heard::Recorded(settled.version))
            }
            Ask::Late { end } => {
                let began = reference.runs.iter().find(|run| run.name == *name && run.intent == named);
                let entry = asked_by(*caller, began.map_or(call, |run| run.call), 0);
                let settle = Settle { entry, key: key(NAMES[*name]), version, outcome: outcome(end), how: How::Late };
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

    /// `action` is `run`.
    fn same(&self, run: &Run, action: &Action) {
        let state = match &run.stand {
            Stand::AwaitingApproval { expired, approved } => State::AwaitingApproval(Approval {
                id: approval(run.call),
                expires_ms: if *expired { 1 } else { LATER_MS },
                decision: approved.map(|approved| Decision { approved, operator: "olga".to_owned() }),
            }),
            Stand::Started { epoch } => State::Started { epoch: *epoch },
            Stand::Completed { .. } => State::Completed,
            Stand::Failed => State::Failed,
            Stand::InDoubt { .. } => State::InDoubt,
        };
        let Run { arguments, again_after, .. } = *run;
        let wanted = claim(run.owner, run.name, &Wanted { arguments, natural: false, again_after }, run.call);
        assert_eq!(action.state, state);
        assert_eq!(action.epoch, run.stand.epoch());
        assert_eq!(action.version, self.versions[run.version]);
        assert_eq!(action.intent, self.versions[run.intent]);
        assert_eq!(action.began, Moment(self.versions[run.intent].0));
        assert_eq!(action.ended, run.ended.map(|ended| Moment(self.versions[ended].0)));
        assert_eq!((action.key, action.digest, &action.arguments), (wanted.key, wanted.digest, &wanted.arguments));
        assert_eq!((&action.call, &action.tenant), (&wanted.entry.call, &wanted.entry.tenant));
        assert_eq!((action.owner.as_deref(), &action.again_after), (wanted.entry.owner(), &wanted.again_after));
        assert_eq!(action.tool, wanted.entry.tool);
        assert_eq!(action.stored_error, matches!(run.stand, Stand::Completed { stored_error: true, .. }));
        assert_eq!(action.expires_ms.is_some(), run.stand.is_settled());
        assert_eq!(action.bucket.is_some(), run.bucket.is_some());
    }

    /// `standing` is what `stands` says.
    fn stands(&self, stands: &Stands, standing: &Standing) {
        match (stands, standing) {
            (Stands::Free, Standing::Free) => {}
            (Stands::Awaiting { run, void }, Standing::Awaiting { action, void: heard }) => {
                assert_eq!(heard, void);
                self.same(run, action);
            }
            (Stands::InDoubt { run, may_run }, Standing::InDoubt { action, may_run: heard }) => {
                assert_eq!(heard, may_run);
                self.same(run, action);
            }
            (Stands::Running(calls), Standing::Running { call })
            | (Stands::SubjectInDoubt(calls), Standing::SubjectInDoubt { call }) => {
                assert!(calls.iter().any(|known| call == &call_id(*known)), "{call} of {calls:?}");
            }
            (Stands::Replay(run), Standing::Replay(action)) => self.same(run, action),
            (Stands::Differs(known), Standing::Differs { call, arguments }) => {
                assert_eq!((call, &arguments[..]), (&call_id(*known), &["minutes".to_owned()][..]));
            }
            (Stands::DoneForAnother(known), Standing::DoneForAnother { call }) => assert_eq!(call, &call_id(*known)),
            (Stands::Superseded { by, first, earlier, effect }, Standing::Superseded(heard)) => {
                assert_eq!(heard.by.as_ref().map(|by| by.call.clone()), by.map(call_id));
                assert_eq!(heard.first_call, first.map(call_id));
                assert_eq!(heard.earlier.is_some(), earlier.is_some());
                if let (Some(run), Some(action)) = (earlier, &heard.earlier) {
                    self.same(run, action);
                }
                assert!(
                    matches!(
                        (effect, heard.effect),
                        (Effect::Never, Happened::Never)
                            | (Effect::Before, Happened::Before)
                            | (Effect::MayBeNever, Happened::Never | Happened::Unknown)
                            | (Effect::Unknown, Happened::Unknown)
                    ),
                    "{:?} for {effect:?}",
                    heard.effect
                );
            }
            (stands, standing) => panic!("{standing:?} instead of {stands:?}"),
        }
    }

    fn reopen(&mut self, reference: &Reference, crash: bool, close: bool, lose_index: bool) {
        if close {
            let closed = self.ledger.clone().unwrap();
            self.runtime.block_on(async {
                closed.close().await.unwrap();
                assert!(matches!(closed.lookup(&key(NAMES[0])).await, Err(LedgerError::Closed)));
                assert!(matches!(closed.claim(claim(0, 0, &PLAIN, 0)).await, Err(LedgerError::Closed)));
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
        for name in in_order() {
            let last = self.last();
            let Some(run) = reference.known(name).filter(|run| run.version >= self.versions.len()) else { continue };
            let action = self.runtime.block_on(self.ledger().lookup(&key(NAMES[name]))).unwrap();
            self.meet(run.version, action.unwrap().version, last);
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
            Step::Wait(quarters) => player.place.wait(QUARTER * u32::try_from(quarters).unwrap()),
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
            for (name, text) in NAMES.into_iter().enumerate() {
                for caller in 0..CALLERS {
                    let claim = claim(caller, name, &PLAIN, reference.calls);
                    player
                        .stands(&reference.judge(caller, name, &PLAIN, false), &ledger.standing(claim).await.unwrap());
                }
                let action = ledger.lookup(&key(text)).await.unwrap();
                let Some(run) = reference.known(name) else {
                    assert_eq!(action, None, "{text} is absent");
                    continue;
                };
                let action = action.unwrap_or_else(|| panic!("{text} is {run:?}"));
                player.same(run, &action);
                match (&run.stand, ledger.payload(&action).await) {
                    (Stand::Completed { payload, .. }, stored) => assert_eq!(stored.unwrap(), body(*payload)),
                    (_, stored) => assert!(matches!(stored, Err(LedgerError::Payload { .. }))),
                }
                assert_eq!(ledger.ended(&action).await.unwrap(), run.stand.epoch() != reference.epoch);
                let intent = ledger.intent(&action).await.unwrap();
                let asked = asked_by(run.owner, run.call, run.arguments);
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
                let known = |name: &Name| reference.known(*name).is_some_and(|run| stands(&run.stand));
                let keys: Vec<Hash> = in_order().into_iter().filter(known).map(|name| key(NAMES[name])).collect();
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
        let asks = asks.map(|(place, (turn, (named, _)))| self.ask(turn, reference, *named, first + place));
        let heard = self.runtime.block_on(join_all(asks));
        for ((turn, (_, said)), heard) in turns.iter().zip(&reference.said).zip(heard) {
            let last = self.last();
            match (said, heard) {
                (Said::Won(counted), Heard::Won(version)) | (Said::Recorded(counted), Heard::Recorded(version)) => {
                    self.meet(*counted, version, last)
                }
                (Said::Awaits(run), Heard::Awaits(action)) => {
                    self.meet(run.version, action.version, last);
                    self.same(run, &action);
                }
                (Said::Stands(stands), Heard::Stands(standing)) => self.stands(stands, &standing),
                (Said::Superseded, Heard::Superseded) | (Said::Latched, Heard::Latched) => {}
                (said, heard) => panic!("{heard:?} instead of {said:?} to {turn:?}"),
            }
        }
    }
}

fn claim(owner: Caller, name: Name, wanted: &Wanted, call: usize) -> Claim {
    let Wanted { arguments, natural, again_after } = *wanted;
    Claim {
        entry: asked_by(owner, call, arguments),
        key: key(NAMES[name]),
        digest: key(&format!("{name} with {arguments} after {again_after:?}")),
        arguments: vec![ArgumentDigest {
            name: "minutes".to_owned(),
            exact: key(&arguments.to_string()).into(),
            full: key(&format!("{arguments} in full")).into(),
        }],
        subjects: subjects(name),
        natural,
        needs_approval: false,
        again_after: again_after.map(call_id),
        every: (name == BUCKETED).then_some(QUARTER),
        approved: None,
        lives: Duration::ZERO,
    }
}

fn subjects(name: Name) -> Vec<Subject> {
    let pairs = |subject: &&[u8]| subject.iter().map(|thing| pair(&thing.to_string())).collect();
    SUBJECTS[name].iter().map(|subject| Subject::new(pairs(subject)).unwrap()).collect()
}

fn asked_by(owner: Caller, call: usize, arguments: u8) -> Entry {
    let json = serde_json::value::to_raw_value(&serde_json::json!({ "minutes": arguments })).unwrap();
    let user = Some(format!("user {owner}"));
    Entry { arguments: Some(json), user, ..entry(&call_id(call)) }
}

fn call_id(call: usize) -> String {
    format!("call {call}")
}

fn approval(call: usize) -> String {
    format!("approval of call {call}")
}

fn body(payload: u8) -> Vec<u8> {
    format!("[{payload}]").into_bytes()
}

fn outcome(end: &End) -> Outcome {
    match end {
        End::Completed { payload, undo, stored_error } => Outcome::Completed {
            payload: body(*payload),
            code: "ok".into(),
            subjects: undo.map(subjects).unwrap_or_default(),
            stored_error: *stored_error,
        },
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
