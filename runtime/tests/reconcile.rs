//! What `reconcile` is asked with, and when its answer counts.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use common::call;
use safe_tool::ledger::{Claim, Claimed, Entry, Hash, How, Listed, Outcome, Settle, Standing};
use safe_tool::prelude::*;
use safe_tool::{InProcess, Ledger, Principal};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

const WRITE: Scope = Scope::new("lab:write");

/// What bodies and hooks did.
#[derive(Clone)]
struct Lab(Arc<Inner>);

struct Inner {
    /// The action keys of bodies and of hooks, in order.
    keys: Mutex<Vec<String>>,
    effects: Mutex<u32>,
    started: Semaphore,
    go_on: Semaphore,
}

impl Default for Lab {
    fn default() -> Self {
        Lab(Arc::new(Inner {
            keys: Mutex::default(),
            effects: Mutex::default(),
            started: Semaphore::new(0),
            go_on: Semaphore::new(0),
        }))
    }
}

impl Lab {
    fn saw(&self, key: String) {
        self.0.keys.lock().unwrap().push(key);
    }
}

#[derive(ToolError)]
enum LabError {
    #[tool_error(transient, "nobody knows", effect = unknown)]
    Unknown,
}

/// Marks a thing.
#[safe_tool(effect = write, scope = WRITE, key(thing, every = "1m"), undo = by_hand("unmark it"), reconcile = find_mark)]
async fn mark(
    call: Call<Lab>,
    /// The thing.
    #[arg(pattern = "^[a-z]{1,9}$")]
    thing: String,
) -> Result<Done, LabError> {
    let _ = thing;
    call.state().saw(call.action_key());
    Err(LabError::Unknown)
}

async fn find_mark(call: Call<Lab>, _: String) -> Result<Reconciled<Done>, LabError> {
    call.state().saw(call.action_key());
    Ok(Reconciled::Applied(Done))
}

/// Presses a button that takes its time.
#[safe_tool(effect = write, scope = WRITE, key(button), undo = by_hand("none"), timeout = "300ms", reconcile = find_press)]
async fn press(
    call: Call<Lab>,
    /// The button.
    #[arg(pattern = "^[a-z]{1,9}$")]
    button: String,
) -> Result<Done, LabError> {
    let (_, lab) = (button, &call.state().0);
    lab.started.add_permits(1);
    lab.go_on.acquire().await.unwrap().forget();
    *lab.effects.lock().unwrap() += 1;
    Ok(Done)
}

async fn find_press(call: Call<Lab>, _: String) -> Result<Reconciled<Done>, LabError> {
    let pressed = *call.state().0.effects.lock().unwrap() > 0;
    Ok(if pressed { Reconciled::Applied(Done) } else { Reconciled::NotApplied })
}

async fn server(lab: &Lab) -> InProcess {
    server_on(lab, &Ledger::open("memory:").unwrap()).await
}

async fn server_on(lab: &Lab, ledger: &Ledger) -> InProcess {
    let server = Server::write("lab", lab.clone()).tool::<mark>().tool::<press>();
    let ann = Principal::agent("triage").on_behalf_of("ann").with_scope("lab:write");
    server.ledger(ledger.clone()).in_process(ann).await.unwrap()
}

/// An action in doubt is looked up by the name that its body had.
#[tokio::test]
async fn the_action_key_of_a_doubt_is_that_of_its_body() {
    let lab = Lab::default();
    let server = server(&lab).await;
    let first = call(&server, "mark", json!({ "thing": "lamp" })).await;
    assert_eq!(first["error"]["kind"], "in_doubt");
    let second = call(&server, "mark", json!({ "thing": "lamp" })).await;
    assert_eq!((&second["status"], &second["replayed"]), (&json!("ok"), &json!(true)));
    let keys = lab.0.keys.lock().unwrap().clone();
    assert_eq!(keys.len(), 2, "one body, one lookup");
    assert_eq!(keys[0], keys[1]);
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// Buckets of a millisecond, which no tool may have: many have passed in no time.
#[tokio::test]
async fn a_doubt_outlives_its_bucket_and_keeps_its_name() {
    let ledger = Ledger::open("memory:").unwrap();
    let entry = Entry {
        call: "first".to_owned(),
        tenant: "default".to_owned(),
        agent: "triage".to_owned(),
        user: None,
        investigation: None,
        tool: "mark".into(),
        key: None,
        digest: None,
        arguments: None,
    };
    let key = Hash::of(b"mark lamp");
    let claim = Claim {
        entry: entry.clone(),
        key,
        digest: key,
        arguments: Vec::new(),
        subjects: Vec::new(),
        natural: false,
        needs_approval: false,
        again_after: None,
        every: Some(Duration::from_millis(1)),
        approved: None,
        lives: Duration::ZERO,
    };
    let Claimed::Won { version, effect_key } = ledger.claim(claim.clone()).await.unwrap() else { panic!("known") };
    assert_ne!(effect_key, key, "each bucket has a name of its own");
    let outcome = Outcome::InDoubt { code: "timeout".into(), running: false };
    ledger.settle(Settle { entry, key, version, outcome, how: How::Call }).await.unwrap();
    let settled = now_ms();
    while now_ms() < settled + 5 {
        tokio::task::yield_now().await;
    }
    let again = ledger.claim(claim).await.unwrap();
    let Claimed::Known(Standing::InDoubt { action, .. }) = again else { panic!("{again:?}") };
    assert_eq!(action.effect_key(), effect_key);
}

/// "Not applied" is not the last word while the body that will apply it still runs.
#[tokio::test]
async fn a_body_that_is_still_running_is_not_run_beside_itself() {
    let lab = Lab::default();
    let server = server(&lab).await;
    let first = call(&server, "press", json!({ "button": "red" })).await;
    assert_eq!((&first["error"]["kind"], &first["error"]["code"]), (&json!("in_doubt"), &json!("timeout")));
    lab.0.started.acquire().await.unwrap().forget();
    // The first body has not pressed yet and goes on behind its deadline.
    let again = tokio::select! {
        _ = lab.0.started.acquire() => panic!("a second body began while the first ran"),
        answer = call(&server, "press", json!({ "button": "red" })) => answer,
    };
    assert!(["in_doubt", "in_progress"].contains(&again["error"]["kind"].as_str().unwrap()), "{again}");
    lab.0.go_on.add_permits(2);
    server.close().await.unwrap();
    assert_eq!(*lab.0.effects.lock().unwrap(), 1);
}

/// A body has once its timeout again; then it is cut, and whoever asks next may ask the backend.
#[tokio::test]
async fn a_body_that_never_ends_is_cut_and_asked_about() {
    let lab = Lab::default();
    let ledger = Ledger::open("memory:").unwrap();
    let server = server_on(&lab, &ledger).await;
    call(&server, "press", json!({ "button": "red" })).await;
    let doubt = async || ledger.list(Listed::InDoubt, None, 9).await.unwrap().remove(0);
    assert!(!ledger.ended(&doubt().await).await.unwrap(), "it runs behind its deadline");
    lab.0.started.acquire().await.unwrap().forget();
    // Told in doubt until then. Only the second body is let go on.
    let again = async {
        loop {
            let answer = call(&server, "press", json!({ "button": "red" })).await;
            if answer["error"]["kind"] != "in_doubt" {
                return answer;
            }
        }
    };
    let let_go = async {
        lab.0.started.acquire().await.unwrap().forget();
        assert_eq!(*lab.0.effects.lock().unwrap(), 0);
        lab.0.go_on.add_permits(1);
    };
    let (again, ()) =
        tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(again, let_go) }).await.unwrap();
    assert_eq!((&again["status"], &again["replayed"]), (&json!("ok"), &json!(false)));
    assert_eq!(*lab.0.effects.lock().unwrap(), 1);
}
