//! The database goes away under load and comes back; the servers do not.

use std::sync::Arc;

use serde_json::json;

use crate::database::Database;
use crate::life::until;
use crate::load::Load;
use crate::servers::{said, server, signal, strike};
use crate::witness::Witness;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_crashes_under_load_and_nothing_is_lost_or_done_twice() {
    let Some(database) = Database::start() else { return };
    let witness = Witness::start().await;
    let servers = Arc::new([server(&database.url(), &witness).await, server(&database.url(), &witness).await]);
    let load = Load::start(&servers);
    for _ in 0..3 {
        let before = witness.all().len();
        until("work", async || witness.all().len() > before + 40).await;
        database.stop_at_once();
        // Fails closed: an answer comes, and it is that nothing can be recorded.
        let answer = strike(&servers[0], "during").await.unwrap().unwrap();
        assert_eq!(
            (&answer["error"]["code"], &answer["error"]["effect"]),
            (&json!("ledger_unavailable"), &json!("none"))
        );
        assert_eq!(witness.count("during"), 0);
        database.begin();
    }
    let before = witness.all().len();
    until("work again, without a restart", async || witness.all().len() > before + 40).await;
    load.stop().await.holds(&servers[1], &witness).await;
    drop(servers);
    safe_tool::ledger::verify_database(&database.url()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_is_alive_until_its_connection_is_gone_and_its_late_outcome_counts() {
    let Some(database) = Database::start() else { return };
    let witness = Witness::start().await;
    let way = database.way("one").await;
    let (one, two) = (server(&way, &witness).await, server(&database.url(), &witness).await);
    witness.hold();
    let first = strike(&one, "t-1");
    until("the effect", async || witness.count("t-1") == 1).await;
    let process = one.process().unwrap();
    signal(process, "STOP");
    // Who only waits cannot tell a slow server from a dead one, and is not asked to.
    let answer = strike(&two, "t-1").await.unwrap().unwrap();
    assert_eq!(said(&answer), "in_progress", "{answer}");
    database.cut("one").await;
    let answer = strike(&two, "t-1").await.unwrap().unwrap();
    assert_eq!((said(&answer).as_str(), &answer["error"]["effect"]), ("in_doubt", &json!("unknown")), "{answer}");
    database.mend("one").await;
    witness.release();
    signal(process, "CONT");
    let answer = first.await.unwrap().unwrap();
    assert_eq!((said(&answer).as_str(), &answer["data"]), ("ok", &json!({ "times": 1 })), "{answer}");
    let answer = strike(&two, "t-1").await.unwrap().unwrap();
    assert_eq!((&answer["replayed"], &answer["data"]), (&json!(true), &json!({ "times": 1 })), "{answer}");
    assert_eq!(witness.count("t-1"), 1);
}
