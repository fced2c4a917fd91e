//! The ledger in Postgres behaves as the one in memory, whatever is asked of them in whatever order.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use safe_tool::Ledger;
use safe_tool::ledger::{Claimed, Decide, Decision, LedgerError, Outcome, Settled, State, Version};

use crate::database::Database;
use crate::life::{ask, claim, completed, key, settle, win};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Op {
    Claim { name: usize, natural: bool, undo: Option<usize> },
    Ask { name: usize, expired: bool },
    Decide { name: usize, approved: bool },
    Settle { name: usize, stale: bool, end: End },
    Reopen,
}

#[derive(Clone, Debug)]
enum End {
    Completed { payload: u8, undo: Option<usize> },
    Failed,
    InDoubt,
}

fn op() -> impl Strategy<Value = Op> {
    let name = 0..NAMES.len();
    let undo = proptest::option::of(0..NAMES.len());
    let end = prop_oneof![
        4 => (any::<u8>(), undo.clone()).prop_map(|(payload, undo)| End::Completed { payload, undo }),
        1 => Just(End::Failed),
        1 => Just(End::InDoubt),
    ];
    prop_oneof![
        8 => (name.clone(), any::<bool>(), undo).prop_map(|(name, natural, undo)| Op::Claim { name, natural, undo }),
        2 => (name.clone(), proptest::bool::weighted(0.2)).prop_map(|(name, expired)| Op::Ask { name, expired }),
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
    /// One that was never that of an action here.
    foreign: Version,
}

impl Player {
    async fn new(ledger: Ledger, round: &str) -> Player {
        let other = format!("{round}-other");
        let version = win(&ledger, &other).await;
        let failed = Outcome::Failed { code: "HOST_OFFLINE".into() };
        let foreign = ledger.settle(settle(&other, version, failed)).await.unwrap().version;
        Player { ledger, round: round.to_owned(), versions: HashMap::new(), stale: HashMap::new(), foreign }
    }

    fn name(&self, name: usize) -> String {
        format!("{}-{}", self.round, NAMES[name])
    }

    async fn state(&self, name: usize) -> Option<State> {
        self.ledger.lookup(&key(&self.name(name))).await.unwrap().map(|action| action.state)
    }

    /// Asks, and tells what came back without versions.
    async fn play(&mut self, op: &Op, call: usize) -> String {
        let call = format!("call {call}");
        match op {
            Op::Claim { name, natural, undo } => {
                let mut claim = claim(&self.name(*name), &call);
                claim.natural = *natural;
                claim.undo = undo.map(|undo| key(&self.name(undo)));
                if let Some(State::AwaitingApproval(_)) = self.state(*name).await {
                    claim.approved = self.versions.get(name).copied();
                }
                match self.ledger.claim(claim).await.unwrap() {
                    Claimed::Won { version } => {
                        self.learn(*name, version);
                        "won".to_owned()
                    }
                    Claimed::Exists(action) => format!("{} by {}", bare(&action.state), action.call),
                }
            }
            Op::Ask { name, expired } => {
                let mut ask = ask(&self.name(*name), &call);
                if *expired {
                    ask.expires_ms = 1;
                }
                let action = self.ledger.ask(ask).await.unwrap();
                if action.call == call {
                    self.learn(*name, action.version);
                }
                format!("{} by {}", bare(&action.state), action.call)
            }
            Op::Decide { name, approved } => {
                let version = self.versions.get(name).copied().unwrap_or(self.foreign);
                let decision = Decision { approved: *approved, operator: "olga".to_owned() };
                let decided = self.ledger.decide(Decide { key: key(&self.name(*name)), version, decision }).await;
                self.took(*name, decided)
            }
            Op::Settle { name, stale, end } => {
                let outcome = match end {
                    End::Completed { payload, undo } => {
                        completed(&format!("[{payload}]"), undo.map(|undo| self.name(undo)).as_deref())
                    }
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
            let Some(action) = self.ledger.lookup(&key(&self.name(name))).await.unwrap() else {
                view.push("absent".to_owned());
                continue;
            };
            let payload = match action.payload {
                Some(_) => Some(self.ledger.payload(&action).await.unwrap()),
                None => None,
            };
            let kept = action.expires_ms.map(|expires| expires - action.at_ms);
            let undo = (0..NAMES.len()).find(|undo| action.undo == Some(key(&self.name(*undo))));
            let intent = self.ledger.intent(&action).await.unwrap().entry;
            let (state, agent) = (bare(&action.state), intent.agent);
            view.push(format!("{state} {} {undo:?} {payload:?} {kept:?} {:?} {agent}", action.call, action.arguments));
        }
        view
    }

    /// What reopening does to a ledger that cannot be reopened: the doubts.
    async fn doubt_all(&mut self) {
        for name in 0..NAMES.len() {
            if let Some(State::Started { .. }) = self.state(name).await {
                let doubt = Outcome::InDoubt { code: "crashed".into(), running: false };
                self.ledger.settle(settle(&self.name(name), self.versions[&name], doubt)).await.unwrap();
            }
        }
    }

    /// Whoever resolves a doubt after a restart looks the version up. The one before it is not stale in a shared ledger: the
    /// server that was presumed dead may still tell the outcome.
    async fn learn_versions(&mut self) {
        self.stale.clear();
        for name in 0..NAMES.len() {
            if let Some(action) = self.ledger.lookup(&key(&self.name(name))).await.unwrap() {
                self.versions.insert(name, action.version);
            }
        }
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
                    memory.doubt_all().await;
                    // In place of the open one, which then is dropped with its connection.
                    shared.ledger = Ledger::open("memory:").unwrap();
                    shared.ledger = Ledger::open(&database.url()).unwrap();
                    memory.learn_versions().await;
                    shared.learn_versions().await;
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
