//! Two servers as processes on one database, with a witness that counts what they do.

use std::collections::HashMap;
use std::sync::Arc;

use safe_tool_examples::soc::connected::{Connected, call};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::database::Database;
use crate::life::until;
use crate::witness::Witness;

/// The command line of a server over stdio.
pub(crate) fn command(url: &str, witness: &Witness) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_safe-tool-postgres-server"));
    command
        .env("WITNESS", witness.address())
        .env("SAFE_TOOL_LEDGER", url)
        .env("XDG_STATE_HOME", witness.state())
        .env("SAFE_TOOL_AGENT", "striker")
        .env("SAFE_TOOL_SCOPES", "targets:strike")
        .env("SAFE_TOOL_LOG", std::env::var("SAFE_TOOL_LOG").unwrap_or_else(|_| "off".to_owned()));
    command
}

/// A server, and the client at its pipe.
pub(crate) async fn server(url: &str, witness: &Witness) -> Connected {
    Connected::start(command(url, witness)).await.unwrap()
}

/// Stops or continues a process.
pub(crate) fn signal(process: u32, signal: &str) {
    let sent = std::process::Command::new("kill").args(["-s", signal, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Asks a server to strike a target; `None` when it dies before it answers.
pub(crate) fn strike(server: &Connected, target: &str) -> JoinHandle<Option<Value>> {
    let (peer, arguments) = (server.peer(), json!({ "target": target }));
    tokio::spawn(async move { call(&peer, "strike", &arguments).await.ok() })
}

/// What an answer says: `ok`, or the kind of the error.
pub(crate) fn said(answer: &Value) -> String {
    let said = if answer["status"] == "ok" { &answer["status"] } else { &answer["error"]["kind"] };
    said.as_str().unwrap_or("nothing").to_owned()
}

/// What is known of a target once the database has noticed who is gone, which takes it a moment.
async fn known(server: &Connected, target: &str) -> Value {
    let mut answer = Value::Null;
    until("it is not in progress", async || {
        answer = strike(server, target).await.unwrap().unwrap();
        said(&answer) != "in_progress"
    })
    .await;
    answer
}

/// How many callers heard what.
async fn heard(callers: Vec<JoinHandle<Option<Value>>>) -> HashMap<String, usize> {
    let mut heard = HashMap::new();
    for caller in callers {
        let answer = caller.await.unwrap();
        *heard.entry(answer.map_or("nothing".to_owned(), |answer| said(&answer))).or_default() += 1;
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_and_fifty_six_callers_of_one_key_on_two_servers_are_one_effect() {
    let Some(database) = Database::start() else { return };
    let witness = Witness::start().await;
    let servers = [server(&database.url(), &witness).await, server(&database.url(), &witness).await];
    let callers = (0..256).map(|caller| strike(&servers[caller % 2], "t-1")).collect();
    let heard = heard(callers).await;
    assert_eq!(witness.count("t-1"), 1);
    let known = heard.get("ok").copied().unwrap_or(0) + heard.get("in_progress").copied().unwrap_or(0);
    assert_eq!(known, 256, "{heard:?}");
    for server in &servers {
        let answer = strike(server, "t-1").await.unwrap().unwrap();
        assert_eq!((&answer["replayed"], &answer["data"]), (&json!(true), &json!({ "times": 1 })));
    }
}

/// 256 callers on both servers while the first is killed in the middle of effects.
async fn one_is_killed(targets: usize) {
    let Some(database) = Database::start() else { return };
    let witness = Witness::start().await;
    let (dies, lives) = (server(&database.url(), &witness).await, server(&database.url(), &witness).await);
    // Effects happen and are not answered: whatever the first server has begun then is begun and not ended.
    witness.hold();
    let target = |caller: usize| format!("t-{}", caller % targets);
    let mut callers = vec![strike(&dies, &target(0))];
    until("the first effect", async || witness.count(&target(0)) == 1).await;
    // Each target is asked of both, in another order each time.
    let server = |caller: usize| if (caller + caller / targets).is_multiple_of(2) { &dies } else { &lives };
    callers.extend((1..256).map(|caller| strike(server(caller), &target(caller))));
    until("the effects", async || witness.all().len() == targets).await;
    let struck = witness.all();
    dies.kill().await.unwrap();
    witness.release();
    let heard = heard(callers).await;
    let meant = ["ok", "in_progress", "in_doubt", "nothing"];
    assert!(heard.keys().all(|kind| meant.contains(&kind.as_str())), "{heard:?}");
    // The other server knows without a restart; a server that comes later knows the same.
    let later = self::server(&database.url(), &witness).await;
    let mut doubts = 0;
    for caller in 0..targets {
        let target = target(caller);
        let answers = [known(&lives, &target).await, known(&later, &target).await];
        for answer in &answers {
            match said(answer).as_str() {
                "ok" => assert_eq!(answer["data"]["times"], 1, "{answer}"),
                "in_doubt" => assert!(struck.contains_key(&target), "{answer}"),
                other => panic!("{target}: {other}"),
            }
        }
        assert_eq!(said(&answers[0]), said(&answers[1]));
        doubts += usize::from(said(&answers[0]) == "in_doubt");
    }
    assert!(doubts > 0, "nothing was in the middle of anything");
    let twice: Vec<_> = witness.all().into_iter().filter(|(_, count)| *count > 1).collect();
    assert_eq!(twice, []);
    drop((lives, later));
    safe_tool::ledger::verify_database(&database.url()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_killed_under_256_callers_of_one_key() {
    one_is_killed(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_killed_under_256_callers_of_many_keys() {
    one_is_killed(64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_killed_at_any_moment() {
    let Some(database) = Database::start() else { return };
    let witness = Arc::new(Witness::start().await);
    let lives = server(&database.url(), &witness).await;
    // Killed after ever more effects, which is another moment each time.
    for round in 0..12 {
        let dies = server(&database.url(), &witness).await;
        let target = |number: usize| format!("r{round}-{number}");
        let callers: Vec<_> =
            (0..128).map(|caller| strike(if caller % 2 == 0 { &dies } else { &lives }, &target(caller / 2))).collect();
        let before = witness.all().len();
        until("some effects", async || witness.all().len() >= before + round * 5).await;
        dies.kill().await.unwrap();
        heard(callers).await;
        for number in 0..64 {
            let answer = known(&lives, &target(number)).await;
            assert!(["ok", "in_doubt"].contains(&said(&answer).as_str()), "{answer}");
        }
    }
    let all = witness.all();
    assert!(all.values().all(|count| *count == 1), "{all:?}");
    drop(lives);
    safe_tool::ledger::verify_database(&database.url()).unwrap();
}
