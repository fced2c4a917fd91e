//! The shop's desk as a process, with its databases as the witness.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use safe_tool_examples::soc::connected::{Connected, Failure, call};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::task::JoinHandle;

/// One line of a recorded conversation: a call, and what it was answered with.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    tool: String,
    arguments: Value,
    /// The line whose call it names in order to do the same again on purpose.
    again_after: Option<usize>,
    status: String,
    code: Option<String>,
}

/// A ledger and two databases in a temporary directory.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn open(&self) -> Connected {
        let mut command = Command::new(env!("CARGO_BIN_EXE_safe-tool-test-server"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        command
            .arg("orders")
            .stderr(log)
            .env("ORDERS_DB", self.path("db"))
            .env("SAFE_TOOL_LEDGER", self.path("ledger"))
            .env("SAFE_TOOL_AGENT", "desk-agent")
            .env("SAFE_TOOL_SCOPES", "orders:refund orders:ship orders:return tickets:write");
        Connected::start(command).await.unwrap()
    }

    fn database(&self, name: &str) -> Connection {
        let database = Connection::open(self.path("db").join(name)).unwrap();
        database.busy_timeout(Duration::from_secs(10)).unwrap();
        database
    }

    fn count(&self, database: &str, table: &str) -> u32 {
        let count = format!("SELECT count(*) FROM {table}");
        self.database(database).query_row(&count, [], |row| row.get(0)).unwrap()
    }

    /// Refunds, orders put back in stock, tickets.
    fn effects(&self) -> [u32; 3] {
        [self.count("shop.db", "refunds"), self.count("warehouse.db", "restocked"), self.count("shop.db", "tickets")]
    }

    fn stock(&self, item: &str) -> u32 {
        let pieces = "SELECT pieces FROM stock WHERE item = ?1";
        self.database("warehouse.db").query_row(pieces, [item], |row| row.get(0)).unwrap()
    }

    /// Every row of both databases.
    fn everything(&self) -> Vec<Vec<Sql>> {
        let mut rows = Vec::new();
        let tables =
            [("shop.db", ["orders", "refunds", "tickets"].as_slice()), ("warehouse.db", &["stock", "restocked"])];
        for (name, tables) in tables {
            let database = self.database(name);
            for table in tables {
                let mut select = database.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
                let columns = select.column_count();
                let read = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
                rows.extend(select.query_map([], read).unwrap().map(Result::unwrap));
            }
        }
        rows
    }

    fn records(&self) -> Vec<Value> {
        let Ok(segments) = std::fs::read_dir(self.path("ledger").join("journal")) else { return Vec::new() };
        let segments = segments.map(|segment| std::fs::read_to_string(segment.unwrap().path()).unwrap());
        // A line that is being written has no end yet.
        segments
            .flat_map(|text| text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<_>>())
            .collect()
    }

    fn recorded(&self, event: &str, tool: &str) -> Option<Value> {
        self.records().into_iter().find(|record| record["event"] == event && record["tool"] == tool)
    }

    /// Sets the ledger aside as it is now, without what came after.
    fn keep_ledger(&self) {
        copy(&self.path("ledger"), &self.path("kept"));
    }

    /// What a crash between an effect and its record leaves: the effect is there, and the ledger knows of its intent only.
    fn put_ledger_back(&self) {
        std::fs::remove_dir_all(self.path("ledger")).unwrap();
        std::fs::rename(self.path("kept"), self.path("ledger")).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&from, &to);
        } else if entry.file_type().unwrap().is_file() {
            std::fs::copy(from, to).unwrap();
        }
    }
}

async fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !happened() {
        assert!(Instant::now() < patience, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Keeps every other writer out until it is dropped.
fn hold(database: &Connection) -> rusqlite::Transaction<'_> {
    rusqlite::Transaction::new_unchecked(database, rusqlite::TransactionBehavior::Immediate).unwrap()
}

fn beside(server: &Connected, tool: &'static str, arguments: Value) -> JoinHandle<Result<Value, Failure>> {
    let peer = server.peer();
    tokio::spawn(async move { call(&peer, tool, &arguments).await })
}

/// Plays the recorded conversation; each line with its answer. A repeat on purpose names a call of the answers in `then`, as
/// the conversation did, or of this play.
async fn play(server: &Connected, then: Option<&[(Line, Value)]>) -> Vec<(Line, Value)> {
    let mut played: Vec<(Line, Value)> = Vec::new();
    for line in include_str!("orders/conversation.jsonl").lines() {
        let mut line: Line = serde_json::from_str(line).unwrap();
        if let Some(number) = line.again_after {
            line.arguments["again_after"] = then.unwrap_or(&played)[number - 1].1["call"].clone();
        }
        let answer = server.call(line.tool.clone(), &line.arguments).await.unwrap();
        played.push((line, answer));
    }
    played
}

/// Plays the conversation again and holds each answer to the one of `then`: it is the same, or it tells that the order has
/// changed since, and has the same with it.
async fn play_again(server: &Connected, then: &[(Line, Value)]) {
    let mut superseded = Vec::new();
    for (number, (line, now)) in (1..).zip(play(server, Some(then)).await) {
        // The ticket that was opened again on purpose answers for the first one, and for the call that was refused.
        let reopened = |(other, answer): &&(Line, Value)| other.tool == line.tool && answer["status"] == "ok";
        let (_, then) = match &*line.tool {
            "create_ticket" => then.iter().rfind(reopened).unwrap(),
            _ => &then[number - 1],
        };
        if now["error"]["code"] == "superseded" {
            superseded.push(number);
            assert_eq!(now["error"]["effect"], "applied", "line {number}: {now}");
            assert_eq!(now["error"]["earlier"]["data"], then["data"], "line {number}: {now} and {then}");
        } else {
            assert_eq!((&now["data"], &now["error"]), (&then["data"], &then["error"]), "line {number}");
        }
    }
    // After the refund the ticket was opened again, and after the return its order is set to shipped again.
    assert_eq!(superseded, [2, 3, 14, 15]);
}

#[tokio::test]
async fn a_conversation_played_again_changes_nothing() {
    let desk = Desk::new();
    let server = desk.open().await;
    let first = play(&server, None).await;
    for (number, (line, answer)) in (1..).zip(&first) {
        let (status, code) = (answer["status"].as_str(), answer["error"]["code"].as_str());
        assert_eq!((status, code), (Some(&*line.status), line.code.as_deref()), "line {number}: {answer}");
    }
    let everything = desk.everything();
    assert_eq!(
        desk.effects(),
        [3, 2, 4],
        "two refunds of returns and one by itself, two returns, their tickets and two more"
    );
    play_again(&server, &first).await;
    assert_eq!(desk.everything(), everything);
    server.kill().await.unwrap();
    let server = desk.open().await;
    play_again(&server, &first).await;
    assert_eq!(desk.everything(), everything);
    server.close().await.unwrap();
}

#[tokio::test]
async fn over_the_limit_a_person_decides() {
    let desk = Desk::new();
    let server = desk.open().await;
    let refund = |order: &str, cents: u32| json!({ "order_id": order, "cents": cents, "note": "a test" });
    let answer = server.call("refund_order", &refund("ord-1004", 50_001)).await.unwrap();
    let error = &answer["error"];
    assert_eq!((&error["code"], &error["kind"]), (&json!("REFUND_EXCEEDS_LIMIT"), &json!("rejected")));
    assert_eq!((&error["suggested_action"], &error["effect"]), (&json!("route_to_human_approval"), &json!("none")));
    assert!(error["message"].as_str().unwrap().contains("50000 cents at once"), "{error}");
    for (order, cents) in [("ord-1002", 45_000), ("ord-1003", 48_000)] {
        assert_eq!(server.call("refund_order", &refund(order, cents)).await.unwrap()["status"], "ok");
    }
    let answer = server.call("refund_order", &refund("ord-1001", 7_001)).await.unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("100000 cents within 24 hours"), "{answer}");
    let answer = server.call("refund_order", &refund("ord-1005", 7_501)).await.unwrap();
    assert_eq!(answer["error"]["code"], "REFUND_EXCEEDS_PAYMENT");
    assert_eq!(desk.effects(), [2, 0, 0]);
    server.close().await.unwrap();
}

/// After the crash: one repeat does what is missing, the next is answered from the ledger, and nothing is there twice.
async fn converges(desk: &Desk) {
    let server = desk.open().await;
    let arguments = json!({ "order_id": "ord-1005" });
    let answer = server.call("return_order", &arguments).await.unwrap();
    assert_eq!((&answer["data"]["cents"], &answer["data"]["pieces"]), (&json!(7_500), &json!(3)), "{answer}");
    let again = server.call("return_order", &arguments).await.unwrap();
    assert_eq!((&again["replayed"], &again["data"]), (&json!(true), &answer["data"]));
    assert_eq!((desk.effects(), desk.stock("lamp")), ([1, 1, 1], 13));
    let resolved = desk.recorded("resolved", "return_order").unwrap();
    assert_eq!((&resolved["by"], &resolved["outcome"]), (&json!("reconcile"), &json!("failed")));
    server.close().await.unwrap();
}

#[tokio::test]
async fn killed_after_the_first_step_of_three_a_return_is_finished_once() {
    let desk = Desk::new();
    let server = desk.open().await;
    let warehouse = desk.database("warehouse.db");
    let held = hold(&warehouse);
    let lost = beside(&server, "return_order", json!({ "order_id": "ord-1005" }));
    until("the first step", || desk.effects()[0] == 1).await;
    server.kill().await.unwrap();
    assert!(lost.await.unwrap().is_err());
    drop(held);
    assert_eq!((desk.effects(), desk.stock("lamp")), ([1, 0, 0], 10));
    converges(&desk).await;
}

#[tokio::test]
async fn killed_after_the_second_step_of_three_a_return_is_finished_once() {
    let desk = Desk::new();
    let server = desk.open().await;
    let (shop, warehouse) = (desk.database("shop.db"), desk.database("warehouse.db"));
    let second = hold(&warehouse);
    let lost = beside(&server, "return_order", json!({ "order_id": "ord-1005" }));
    until("the first step", || desk.effects()[0] == 1).await;
    let third = hold(&shop);
    drop(second);
    until("the second step", || desk.effects()[1] == 1).await;
    server.kill().await.unwrap();
    assert!(lost.await.unwrap().is_err());
    drop(third);
    assert_eq!((desk.effects(), desk.stock("lamp")), ([1, 1, 0], 13));
    converges(&desk).await;
}

/// Calls `tool` so that its effect is there and its ledger holds the intent alone; the first answer.
async fn unrecorded(desk: &Desk, tool: &'static str, arguments: Value) -> Value {
    let server = desk.open().await;
    let shop = desk.database("shop.db");
    let held = hold(&shop);
    let answer = beside(&server, tool, arguments);
    until("the intent", || desk.recorded("started", tool).is_some()).await;
    desk.keep_ledger();
    drop(held);
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer["status"], "ok");
    server.kill().await.unwrap();
    desk.put_ledger_back();
    answer
}

#[tokio::test]
async fn a_refund_whose_record_was_lost_is_found_by_its_key() {
    let desk = Desk::new();
    let refund = |note: &str| json!({ "order_id": "ord-1001", "cents": 12_900, "note": note });
    let first = unrecorded(&desk, "refund_order", refund("it leaks")).await;
    let server = desk.open().await;
    // The note is stored as a hash, so the call that repeats it has to be awaited; its wording is free.
    let second = server.call("refund_order", &refund("it still leaks")).await.unwrap();
    assert_eq!((&second["data"], &second["replayed"]), (&first["data"], &json!(true)), "{second}");
    assert_eq!(desk.effects(), [1, 0, 0]);
    let resolved = desk.recorded("resolved", "refund_order").unwrap();
    assert_eq!((&resolved["by"], &resolved["outcome"]), (&json!("reconcile"), &json!("completed")));
    server.close().await.unwrap();
}

#[tokio::test]
async fn without_its_ledger_the_database_still_refuses_a_second_refund() {
    let desk = Desk::new();
    let arguments = json!({ "order_id": "ord-1001", "cents": 12_900, "note": "it leaks" });
    let server = desk.open().await;
    let first = server.call("refund_order", &arguments).await.unwrap();
    server.close().await.unwrap();
    std::fs::remove_dir_all(desk.path("ledger")).unwrap();
    let server = desk.open().await;
    let second = server.call("refund_order", &arguments).await.unwrap();
    assert_eq!((&second["data"], &second["replayed"]), (&first["data"], &json!(false)));
    assert_eq!(desk.effects(), [1, 0, 0]);
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_return_whose_record_was_lost_is_found_at_start_up() {
    let desk = Desk::new();
    let arguments = json!({ "order_id": "ord-1005" });
    let first = unrecorded(&desk, "return_order", arguments.clone()).await;
    let server = desk.open().await;
    until("the doubt is resolved without a call", || desk.recorded("resolved", "return_order").is_some()).await;
    let second = server.call("return_order", &arguments).await.unwrap();
    assert_eq!((&second["data"], &second["replayed"]), (&first["data"], &json!(true)), "{second}");
    assert_eq!(desk.effects(), [1, 1, 1]);
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_busy_database_is_no_doubt() {
    let desk = Desk::new();
    let server = desk.open().await;
    let shop = desk.database("shop.db");
    let held = hold(&shop);
    let arguments = json!({ "order_id": "ord-1001", "topic": "other", "note": "a test" });
    let refused = server.call("create_ticket", &arguments).await.unwrap();
    assert_eq!((&refused["error"]["code"], &refused["error"]["effect"]), (&json!("UNAVAILABLE"), &json!("none")));
    drop(held);
    assert_eq!(server.call("create_ticket", &arguments).await.unwrap()["status"], "ok");
    assert_eq!(desk.effects(), [0, 0, 1]);
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_step_that_fails_behind_another_is_a_doubt_and_the_repeat_goes_on_there() {
    let desk = Desk::new();
    let server = desk.open().await;
    let warehouse = desk.database("warehouse.db");
    let held = hold(&warehouse);
    let answer = server.call("return_order", &json!({ "order_id": "ord-1005" })).await.unwrap();
    assert_eq!((&answer["error"]["kind"], &answer["error"]["effect"]), (&json!("in_doubt"), &json!("unknown")));
    assert_eq!(desk.effects(), [1, 0, 0]);
    drop(held);
    server.close().await.unwrap();
    converges(&desk).await;
}
