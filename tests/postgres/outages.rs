//! The database goes away under load and comes back; the servers do not.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::database::Database;
use crate::life::until;
use crate::servers::{said, server, signal, strike};
use crate::witness::Witness;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_crashes_under_load_and_nothing_is_lost_or_done_twice() {
    let Some(database) = Database::start() else { return };
    let witness = Witness::start().await;
    let servers = Arc::new([server(&database.url(), &witness).await, server(&database.url(), &witness).await]);
    let stop = Arc::new(AtomicBool::new(false));
    // Callers that go on and on, two of them on each target.
    let callers: Vec<_> = (0..32)
        .map(|caller: usize| {
            let (servers, stop) = (servers.clone(), stop.clone());
            tokio::spawn(async move {
                let mut heard: HashMap<String, Vec<Value>> = HashMap::new();
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let target = format!("c{}-{number}", caller / 2);
                    loop {
                        let answer = strike(&servers[caller % 2], &target).await.unwrap().expect("no server dies");
                        let again = said(&answer) == "unavailable" && !stop.load(Ordering::SeqCst);
                        heard.entry(target.clone()).or_default().push(answer);
                        if !again {
                            break;
                        }
                        // As a client does that is told so.
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                heard
            })
        })
        .collect();
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
    stop.store(true, Ordering::SeqCst);
    let mut heard: HashMap<String, Vec<Value>> = HashMap::new();
    for caller in callers {
        for (target, answers) in caller.await.unwrap() {
            heard.entry(target).or_default().extend(answers);
        }
    }
    let (mut kinds, effects) = (HashMap::<String, usize>::new(), witness.all());
    for (target, answers) in heard {
        for answer in &answers {
            *kinds.entry(said(answer)).or_default() += 1;
        }
        // What was acknowledged once is what everybody hears from now on, and what nobody heard of can be done.
        let now = strike(&servers[1], &target).await.unwrap().unwrap();
        match answers.iter().find(|answer| said(answer) == "ok") {
            Some(first) => assert_eq!((&now["replayed"], &now["data"]), (&json!(true), &first["data"]), "{target}"),
            None => assert!(["ok", "in_doubt"].contains(&said(&now).as_str()), "{target}: {now}"),
        }
        assert_eq!(witness.count(&target), 1, "{target}: {now}");
    }
    assert!(effects.values().all(|count| *count == 1));
    eprintln!("{} effects; answers: {kinds:?}", effects.len());
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
