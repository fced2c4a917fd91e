//! All stores behave alike, whatever is asked of them in whatever order.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::{Claimed, Ledger, LedgerError, State};
use super::{claim, completed, failed, in_doubt, lookup, open, payload, settle};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Ask {
    Claim { name: usize, natural: bool },
    Settle { name: usize, stale: bool, end: End },
    Reopen,
}

#[derive(Clone, Debug)]
enum End {
    Completed { payload: u8, undo: Option<usize> },
    Failed,
    InDoubt,
}

fn ask() -> impl Strategy<Value = Ask> {
    let name = 0..NAMES.len();
    let end = prop_oneof![
        4 => (any::<u8>(), proptest::option::of(0..NAMES.len())).prop_map(|(payload, undo)| End::Completed { payload, undo }),
        1 => Just(End::Failed),
        1 => Just(End::InDoubt),
    ];
    prop_oneof![
        8 => (name.clone(), any::<bool>()).prop_map(|(name, natural)| Ask::Claim { name, natural }),
        8 => (name, proptest::bool::weighted(0.1), end).prop_map(|(name, stale, end)| Ask::Settle { name, stale, end }),
        1 => Just(Ask::Reopen),
    ]
}

/// One ledger and the versions it gave: sequences differ between stores, because opening and closing are records too.
struct Player {
    ledger: Option<Ledger>,
    versions: HashMap<usize, u64>,
}

impl Player {
    fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().unwrap()
    }

    /// Asks, and tells what came back without sequences.
    async fn play(&mut self, ask: &Ask, call: usize) -> String {
        match ask {
            Ask::Claim { name, natural } => {
                let mut claim = claim(NAMES[*name], &format!("call {call}"));
                claim.natural = *natural;
                match self.ledger().claim(claim).await.unwrap() {
                    Claimed::Won { version } => {
                        self.versions.insert(*name, version);
                        "won".to_owned()
                    }
                    Claimed::Exists(action) => format!("{:?} by {}", without_epoch(&action.state), action.call),
                }
            }
            Ask::Settle { name, stale, end } => {
                let outcome = match end {
                    End::Completed { payload, undo } => {
                        completed(&format!("[{payload}]"), undo.map(|undo| NAMES[undo]))
                    }
                    End::Failed => failed(),
                    End::InDoubt => in_doubt(),
                };
                let version = self.versions.get(name).copied().unwrap_or(1) - u64::from(*stale);
                match self.ledger().settle(settle(NAMES[*name], version, outcome)).await {
                    Ok(receipt) => {
                        self.versions.insert(*name, receipt.sequence);
                        "settled".to_owned()
                    }
                    Err(LedgerError::Superseded) => "superseded".to_owned(),
                    Err(error) => panic!("{error}"),
                }
            }
            Ask::Reopen => String::new(),
        }
    }

    /// All that can be looked up, without sequences and times.
    fn view(&self) -> Vec<String> {
        let look = |name: &&str| {
            let Some(action) = lookup(self.ledger(), name) else { return "absent".to_owned() };
            let payload = action.payload.is_some().then(|| payload(self.ledger(), &action).unwrap());
            let state = without_epoch(&action.state);
            let kept = action.expires_ms.map(|expires| expires - action.at_ms);
            format!("{state:?} {} {:?} {payload:?} {kept:?} {:?}", action.call, action.undo, action.arguments)
        };
        NAMES.iter().map(look).collect()
    }

    /// What reopening does to a ledger that cannot be reopened: the doubts.
    async fn doubt_all(&mut self) {
        for name in NAMES {
            let action = lookup(self.ledger(), name);
            if let Some(action) = action.filter(|action| matches!(action.state, State::Started { .. })) {
                self.ledger().settle(settle(name, action.version, in_doubt())).await.unwrap();
            }
        }
    }

    /// Whoever resolves a doubt after a restart looks the version up.
    fn learn_versions(&mut self) {
        for (name, text) in NAMES.iter().enumerate() {
            if let Some(action) = lookup(self.ledger(), text) {
                self.versions.insert(name, action.version);
            }
        }
    }
}

fn without_epoch(state: &State) -> State {
    match state {
        State::Started { .. } => State::Started { epoch: 0 },
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_sled_agree(asks in proptest::collection::vec(ask(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let mut memory = Player { ledger: Some(Ledger::open("memory:").unwrap()), versions: HashMap::new() };
            let mut sled = Player { ledger: Some(open(directory.path())), versions: HashMap::new() };
            for (call, ask) in asks.iter().enumerate() {
                if let Ask::Reopen = ask {
                    memory.doubt_all().await;
                    sled.ledger = None;
                    if call % 2 == 0 {
                        std::fs::remove_dir_all(directory.path().join("index")).unwrap();
                    }
                    sled.ledger = Some(open(directory.path()));
                    memory.learn_versions();
                    sled.learn_versions();
                }
                prop_assert_eq!(memory.play(ask, call).await, sled.play(ask, call).await, "at {}", call);
                prop_assert_eq!(memory.view(), sled.view(), "after {}", call);
            }
            sled.ledger = None;
            super::super::verify(directory.path()).unwrap();
            Ok(())
        })?;
    }
}
