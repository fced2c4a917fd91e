//! Servers whose clocks are wrong share a ledger: its time is the database's.

use std::time::Duration;

use safe_tool::Ledger;
use safe_tool_examples::soc::connected::{Connected, call};
use serde_json::{Value, json};

use crate::database::{Database, clock};
use crate::life::{completed, settle, until, win};
use crate::servers::{command, said, server};
use crate::witness::Witness;

/// A server with another clock, which forgets at once what has expired by the ledger's time.
async fn skewed(url: &str, witness: &Witness, by: &str) -> Option<Connected> {
    let mut command = command(url, witness);
    command.envs(clock(by)?).env("FORGETS", "1");
    Some(Connected::start(command).await.unwrap())
}

async fn ask(server: &Connected, tool: &'static str, target: &str) -> Value {
    call(&server.peer(), tool, &json!({ "target": target })).await.unwrap()
}

/// Its sweep removed the answers of all servers: each call that was repeated ran again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_eight_days_ahead_frees_nobodys_key() {
    let Some(database) = Database::start() else { return };
    let witness = Witness::start().await;
    let right = server(&database.url(), &witness).await;
    assert_eq!(said(&ask(&right, "strike", "t-1").await), "ok");
    let Some(ahead) = skewed(&database.url(), &witness, "+8d").await else { return };
    // Something that has expired for everybody: when that is gone, the one ahead has looked at the rest as well.
    let forgetful = Ledger::options().retention(Duration::ZERO).open(&database.url()).unwrap();
    let version = win(&forgetful, "expired").await;
    forgetful.settle(settle("expired", version, completed("{}"))).await.unwrap();
    forgetful.close().await.unwrap();
    until("it is swept", async || database.ask("SELECT FROM safe_tool.actions").await.len() == 1).await;
    for server in [&right, &ahead] {
        assert_eq!(ask(server, "strike", "t-1").await["replayed"], true);
    }
    assert_eq!(witness.count("t-1"), 1);
}

/// By its own clock its lease was over before it began, and another server ran beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_ten_minutes_behind_still_runs_is_not_run_beside_it() {
    let Some(database) = Database::start() else { return };
    let witness = Witness::start().await;
    let way = database.way("behind").await;
    let Some(behind) = skewed(&way, &witness, "-10m").await else { return };
    let right = server(&database.url(), &witness).await;
    witness.hold();
    let peer = behind.peer();
    let painting = tokio::spawn(async move { call(&peer, "paint", &json!({ "target": "w-1" })).await });
    until("it paints", async || witness.count("w-1") == 1).await;
    // Its lock in the database is free from now on, and its body runs on.
    database.cut("behind").await;
    let answer = ask(&right, "paint", "w-1").await;
    assert!(["in_progress", "in_doubt"].contains(&said(&answer).as_str()), "{answer}");
    assert_eq!(witness.count("w-1"), 1);
    witness.release();
    database.mend("behind").await;
    drop(painting.await.unwrap());
}

/// A quarter of the payments were made twice: one server was in the next bucket of time already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn around_the_end_of_a_bucket_of_time_two_servers_pay_once() {
    let Some(database) = Database::start() else { return };
    database.stop_at_once();
    let Some(()) = database.begin_at("2026-11-21 09:59:55") else { return };
    let witness = Witness::start().await;
    let (Some(one), Some(two)) = (
        skewed(&database.url(), &witness, "@2026-11-21 09:59:57").await,
        skewed(&database.url(), &witness, "@2026-11-21 09:59:53").await,
    ) else {
        return;
    };
    let second = async || {
        let rows = database.ask("SELECT extract(minute FROM clock_timestamp())::int8").await;
        rows[0].get::<_, i64>(0)
    };
    assert_eq!(second().await, 59, "it took too long to begin");
    let mut paid = Vec::new();
    while second().await == 59 {
        let target = format!("p-{}", paid.len());
        let (first, other) = tokio::join!(ask(&one, "pay", &target), ask(&two, "pay", &target));
        for answer in [first, other] {
            assert!(["ok", "in_progress"].contains(&said(&answer).as_str()), "{answer}");
        }
        paid.push(target);
    }
    // All of them again, in the next bucket.
    for target in &paid {
        assert_eq!(ask(&one, "pay", target).await["replayed"], true);
        assert_eq!(ask(&two, "pay", target).await["replayed"], true);
        assert_eq!(witness.count(target), 1);
    }
    assert!(paid.len() > 1);
}
