//! The ledger in Postgres behaves as the one in memory, whatever is asked of them in whatever order.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use safe_tool::Ledger;
use safe_tool::ledger::{
    Action, Asked, Claim, Claimed, Decide, Decision, LedgerError, Outcome, Settled, Standing, State, Subject,
    Superseded, Version,
};

use crate::database::Database;
use crate::life::{ask, claim, key, settle, subject, win};

/// The actions, each with what it is about: two share a host, one is about a part of it, one is apart.
const NAMES: [(&str, &[&str]); 4] = [("a", &["web"]), ("b", &["web"]), ("c", &["web", "nginx"]), ("d", &["db"])];
const USERS: [Option<&str>; 2] = [Some("alice"), None];

#[derive(Clone, Debug)]
enum Op {
    Claim { name: usize, natural: bool, user: usize, again: Option<usize> },
    Ask { name: usize, expired: bool, user: usize, again: Option<usize> },
    Decide { name: usize, approved: bool },
    Settle { name: usize, stale: bool, end: End },
    Reopen,
}

#[derive(Clone, Debug)]
enum End {
    Completed { payload: u8, undo: Option<usize>, stored_error: bool },
    Failed,
    InDoubt,
}

fn op() -> impl Strategy<Value = Op> {
    let name = 0..NAMES.len();
    let user = || prop_oneof![4 => Just(0_usize), 1 => Just(1)];
    // How many calls that ran are between.
    let again = || prop_oneof![2 => Just(None), 2 => Just(Some(0)), 1 => (1..4_usize).prop_map(Some)];
    let undo = proptest::option::of(0..NAMES.len());
    let error = proptest::bool::weighted(0.2);
    let end = prop_oneof![
        4 => (any::<u8>(), undo, error)
            .prop_map(|(payload, undo, stored_error)| End::Completed { payload, undo, stored_error }),
        2 => Just(End::Failed),
        1 => Just(End::InDoubt),
    ];
    prop_oneof![
        8 => (name.clone(), proptest::bool::weighted(0.2), user(), again())
            .prop_map(|(name, natural, user, again)| Op::Claim { name, natural, user, again }),
        2 => (name.clone(), proptest::bool::weighted(0.2), user(), again())
            .prop_map(|(name, expired, user, again)| Op::Ask { name, expired, user, again }),
        2 => (name.clone(), proptest::bool::weighted(0.8)).prop_map(|(name, approved)| Op::Decide { name, approved }),
        8 => (name, proptest::bool::weighted(0.1), end).prop_map(|(name, stale, end)| Op::Settle { name, stale, end }),
        1 => Just(Op::Reopen),
    ]
}

/// One ledger and the versions it gave, which differ between stores.
struct Player {
    ledger: Ledger,
    /// Apart from those of other rounds on the same database.
    round: String,
    versions: HashMap<usize, Version>,
    /// Those before them, as far as nobody takes them any more.
    stale: HashMap<usize, Version>,
    /// The calls that ran, in order.
    ran: Vec<String>,
    /// One that was never that of an action here.
    foreign: Version,
}

impl Player {
    async fn new(ledger: Ledger, round: &str) -> Player {
        let other = format!("{round}-other");
        let version = win(&ledger, &other).await;
        let failed = Outcome::Failed { code: "HOST_OFFLINE".into() };
        let foreign = ledger.settle(settle(&other, version, failed)).await.unwrap().version;
        Player {
            ledger,
            round: round.to_owned(),
            versions: HashMap::new(),
            stale: HashMap::new(),
            ran: Vec::new(),
            foreign,
        }
    }

    fn name(&self, name: usize) -> String {
        format!("{}-{}", self.round, NAMES[name].0)
    }

    /// What the action is about.
    fn subject(&self, name: usize) -> Subject {
        subject(&self.ledger, NAMES[name].1.iter().map(|thing| format!("{}-{thing}", self.round)))
    }

    /// A call's claim.
    fn claim(&self, claim: Claim, name: usize, user: usize, again: Option<usize>) -> Claim {
        let named = again.and_then(|back| self.ran.iter().rev().nth(back)).cloned();
        let mut claim = Claim { subjects: vec![self.subject(name)], again_after: named, ..claim };
        claim.entry.user = USERS[user].map(str::to_owned);
        claim
    }

    async fn state(&self, name: usize) -> Option<State> {
        self.ledger.lookup(&key(&self.name(name))).await.unwrap().map(|action| action.state)
    }

    /// Asks, and tells what came back without versions.
    async fn play(&mut self, op: &Op, call: usize) -> String {
        let call = format!("call {call}");
        match op {
            Op::Claim { name, natural, user, again } => {
                let mut claim = self.claim(claim(&self.name(*name), &call), *name, *user, *again);
                claim.natural = *natural;
                if let Some(State::AwaitingApproval(_)) = self.state(*name).await {
                    claim.approved = self.versions.get(name).copied();
                }
                match self.ledger.claim(claim).await {
                    Ok(Claimed::Won { version, effect_key }) => {
                        self.learn(*name, version);
                        self.ran.push(call);
                        format!("won {effect_key}")
                    }
                    Ok(Claimed::Known(standing)) => told(&standing),
                    // The approval that it would use up was not given, or counts no longer.
                    Err(LedgerError::Superseded) => "superseded".to_owned(),
                    Err(error) => panic!("{error}"),
                }
            }
            Op::Ask { name, expired, user, again } => {
                let mut ask = ask(&self.name(*name), &call);
                ask.claim = Claim { needs_approval: true, ..self.claim(ask.claim, *name, *user, *again) };
                if *expired {
                    ask.expires_ms = 1;
                }
                match self.ledger.ask(ask).await.unwrap() {
                    Asked::Awaits(action) => {
                        self.learn(*name, action.version);
                        format!("{} by {}", bare(&action.state), action.call)
                    }
                    Asked::Known(standing) => told(&standing),
                }
            }
            Op::Decide { name, approved } => {
                let version = self.versions.get(name).copied().unwrap_or(self.foreign);
                let decision = Decision { approved: *approved, operator: "olga".to_owned() };
                let decided = self.ledger.decide(Decide { key: key(&self.name(*name)), version, decision }).await;
                self.took(*name, decided)
            }
            Op::Settle { name, stale, end } => {
                let outcome = match end {
                    End::Completed { payload, undo, stored_error } => Outcome::Completed {
                        payload: format!("[{payload}]").into_bytes(),
                        code: "ok".into(),
                        subjects: undo.map(|undo| self.subject(undo)).into_iter().collect(),
                        stored_error: *stored_error,
                    },
                    End::Failed => Outcome::Failed { code: "HOST_OFFLINE".into() },
                    End::InDoubt => Outcome::InDoubt { code: "timeout".into(), running: false },
                };
                let versions = if *stale { &self.stale } else { &self.versions };
                let version = versions.get(name).copied().unwrap_or(self.foreign);
                let settled = self.ledger.settle(settle(&self.name(*name), version, outcome)).await;
                self.took(*name, settled)
            }
            Op::Reopen => String::new(),
        }
    }

    fn learn(&mut self, name: usize, version: Version) {
        if let Some(stale) = self.versions.insert(name, version) {
            self.stale.insert(name, stale);
        }
    }

    fn took(&mut self, name: usize, settled: Result<Settled, LedgerError>) -> String {
        match settled {
            Ok(settled) => {
                self.learn(name, settled.version);
                "recorded".to_owned()
            }
            Err(LedgerError::Superseded) => "superseded".to_owned(),
            Err(error) => panic!("{error}"),
        }
    }

    /// All that can be looked up, without versions and times.
    async fn view(&self) -> Vec<String> {
        let mut view = Vec::new();
        for name in 0..NAMES.len() {
            for again in [None, Some(0)] {
                let probe = self.claim(claim(&self.name(name), "probe"), name, 0, again);
                let standing = self.ledger.standing(probe).await.unwrap();
                view.push(told(&standing));
                let stored = match &standing {
                    Standing::Replay(action) => Some(&**action),
                    Standing::Superseded(superseded) => superseded.earlier.as_ref(),
                    _ => None,
                };
                if let Some(stored) = stored {
                    view.push(format!("{:?}", self.ledger.payload(stored).await.unwrap()));
                }
            }
            let Some(action) = self.ledger.lookup(&key(&self.name(name))).await.unwrap() else {
                view.push("absent".to_owned());
                continue;
            };
            let payload = match action.payload {
                Some(_) => Some(self.ledger.payload(&action).await.unwrap()),
                None => None,
            };
            let kept = action.expires_ms.map(|expires| expires - action.at_ms);
            let about: Vec<_> = (0..NAMES.len()).map(|other| action.subjects.contains(&self.subject(other))).collect();
            let replaced = action.replaced.as_ref().map(|before| &before.call);
            let intent = self.ledger.intent(&action).await.unwrap().entry;
            let (state, agent) = (bare(&action.state), intent.agent);
            view.push(format!("{state} {} {payload:?} {kept:?} {:?} {agent}", action.call, action.arguments));
            let Action { owner, again_after, stored_error, began, ended, .. } = &action;
            let over = ended.is_some_and(|ended| ended > *began);
            view.push(format!("{owner:?} {about:?} {again_after:?} {stored_error} {replaced:?} {over}"));
        }
        view
    }

    /// Those that run.
    async fn started(&self) -> Vec<usize> {
        let mut started = Vec::new();
        for name in 0..NAMES.len() {
            if let Some(State::Started { .. }) = self.state(name).await {
                started.push(name);
            }
        }
        started
    }

    /// What nobody runs any more is in doubt: in a ledger that cannot be reopened, and in one that has found it in doubt in
    /// an order of its own. From here on the two agree on which ended last.
    async fn doubt(&mut self, started: &[usize]) {
        for name in started {
            let doubt = Outcome::InDoubt { code: "crashed".into(), running: false };
            let doubted = self.ledger.settle(settle(&self.name(*name), self.versions[name], doubt)).await.unwrap();
            self.versions.insert(*name, doubted.version);
        }
    }

    /// Whoever resolves a doubt after a restart looks the version up.
    async fn learn_versions(&mut self) {
        self.stale.clear();
        for name in 0..NAMES.len() {
            if let Some(action) = self.ledger.lookup(&key(&self.name(name))).await.unwrap() {
                self.versions.insert(name, action.version);
            }
        }
    }
}

/// What stands against a call, without versions and times.
fn told(standing: &Standing) -> String {
    let by = |action: &Action| format!("{} by {}", bare(&action.state), action.call);
    match standing {
        Standing::Awaiting { action, void } => format!("{}, void: {void}", by(action)),
        Standing::InDoubt { action, may_run } => format!("{}, may run: {may_run}", by(action)),
        Standing::Replay(action) => format!("replay of {}", by(action)),
        Standing::Superseded(superseded) => {
            let Superseded { by: latest, first_call, earlier, effect } = &**superseded;
            let latest = latest.as_ref().map(|latest| (&latest.call, &latest.tool));
            format!("superseded by {latest:?} {first_call:?} {:?} {effect:?}", earlier.as_ref().map(by))
        }
        other => format!("{other:?}"),
    }
}

fn bare(state: &State) -> String {
    match state {
        State::AwaitingApproval(approval) => format!("awaits {} {:?}", approval.expires_ms, approval.decision),
        State::Started { .. } => "started".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn memory_and_postgres_agree() {
    let Some(database) = Database::start() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let postgres = std::cell::Cell::new(None);
    let rounds = std::cell::Cell::new(0);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() });
    let ran = runner.run(&proptest::collection::vec(op(), 1..60), |ops| {
        rounds.set(rounds.get() + 1);
        let round = format!("round {}", rounds.get());
        runtime.block_on(async {
            let open = || Ledger::open(&database.url()).unwrap();
            let ledger = postgres.take().unwrap_or_else(open);
            let mut memory = Player::new(Ledger::open("memory:").unwrap(), &round).await;
            let mut shared = Player::new(ledger, &round).await;
            for (call, op) in ops.iter().enumerate() {
                if let Op::Reopen = op {
                    let started = memory.started().await;
                    // In place of the open one, which then is dropped with its connection.
                    shared.ledger = Ledger::open("memory:").unwrap();
                    shared.ledger = Ledger::open(&database.url()).unwrap();
                    memory.learn_versions().await;
                    shared.learn_versions().await;
                    memory.doubt(&started).await;
                    shared.doubt(&started).await;
                }
                prop_assert_eq!(memory.play(op, call).await, shared.play(op, call).await, "at {}", call);
                prop_assert_eq!(memory.view().await, shared.view().await, "after {}", call);
            }
            postgres.set(Some(shared.ledger));
            Ok(())
        })
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
    drop(postgres);
    safe_tool::ledger::verify_database(&database.url()).unwrap();
}
