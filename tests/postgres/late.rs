//! A body that runs behind its deadline on one server is neither asked about nor run again on another.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use safe_tool::prelude::*;
use safe_tool::{InProcess, Ledger, Principal};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::database::Database;
use crate::life::{open, until};

const WRITE: Scope = Scope::new("lab:write");

/// What both servers' bodies do.
#[derive(Clone)]
struct Lab(Arc<Inner>);

struct Inner {
    effects: Mutex<u32>,
    asked: AtomicU32,
    started: Semaphore,
    go_on: Semaphore,
}

impl Lab {
    fn new() -> Lab {
        let [started, go_on] = [0; 2].map(Semaphore::new);
        Lab(Arc::new(Inner { effects: Mutex::default(), asked: AtomicU32::new(0), started, go_on }))
    }
}

/// Presses a button that takes its time.
#[safe_tool(effect = write, scope = WRITE, key(button), undo = by_hand("none"), timeout = "3s", reconcile = find_press)]
async fn press(
    call: Call<Lab>,
    /// The button.
    #[arg(pattern = "^[a-z]{1,9}$")]
    button: String,
) -> Result<Done, Infallible> {
    let (_, lab) = (button, &call.state().0);
    lab.started.add_permits(1);
    lab.go_on.acquire().await.unwrap().forget();
    *lab.effects.lock().unwrap() += 1;
    Ok(Done)
}

async fn find_press(call: Call<Lab>, _: String) -> Result<Reconciled<Done>, Infallible> {
    call.state().0.asked.fetch_add(1, Ordering::SeqCst);
    let pressed = *call.state().0.effects.lock().unwrap() > 0;
    Ok(if pressed { Reconciled::Applied(Done) } else { Reconciled::NotApplied })
}

async fn server(lab: &Lab, ledger: &Ledger) -> InProcess {
    let ann = Principal::agent("triage").with_scope("lab:write");
    Server::write("lab", lab.clone()).tool::<press>().ledger(ledger.clone()).in_process(ann).await.unwrap()
}

async fn call(server: &InProcess) -> Value {
    serde_json::from_str(&server.call("press", r#"{"button":"red"}"#).await.unwrap()).unwrap()
}

#[tokio::test]
async fn what_another_server_may_still_do_is_not_done_beside_it() {
    let Some(database) = Database::start() else { return };
    let lab = Lab::new();
    let here = open(database.url()).await;
    let first = server(&lab, &here).await;
    let answer = call(&first).await;
    assert_eq!((&answer["error"]["kind"], &answer["error"]["code"]), (&json!("in_doubt"), &json!("timeout")));

    let there = open(database.url()).await;
    let second = server(&lab, &there).await;
    assert_eq!(call(&second).await["error"]["kind"], "in_doubt");
    assert_eq!((lab.0.asked.load(Ordering::SeqCst), *lab.0.effects.lock().unwrap()), (0, 0));
    lab.0.go_on.add_permits(2);
    until("the late outcome settles the doubt", async || call(&second).await["replayed"] == true).await;
    assert_eq!((lab.0.asked.load(Ordering::SeqCst), *lab.0.effects.lock().unwrap()), (0, 1));
}

/// A free lock shows that the connection is gone, and not that the body is.
#[tokio::test]
async fn what_a_server_without_its_database_may_still_do_is_not_done_beside_it() {
    let Some(database) = Database::start() else { return };
    let lab = Lab::new();
    let here = open(database.way("first").await).await;
    let first = Arc::new(server(&lab, &here).await);
    let there = open(database.url()).await;
    let second = server(&lab, &there).await;
    let running = {
        let first = first.clone();
        tokio::spawn(async move { call(&first).await })
    };
    lab.0.started.acquire().await.unwrap().forget();
    database.cut("first").await;
    assert_eq!(call(&second).await["error"]["kind"], "in_doubt");
    assert_eq!((lab.0.asked.load(Ordering::SeqCst), *lab.0.effects.lock().unwrap()), (0, 0));
    database.mend("first").await;
    lab.0.go_on.add_permits(2);
    running.await.unwrap();
    until("the outcome stands", async || call(&second).await["replayed"] == true).await;
    assert_eq!((lab.0.asked.load(Ordering::SeqCst), *lab.0.effects.lock().unwrap()), (0, 1));
}
