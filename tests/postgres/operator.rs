//! `safe-tool` on a ledger in a database: what it says of an honest one, a changed one, a cut one; what it shows; and that
//! what it decides is seen by servers at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use safe_tool::ledger::Hash;
use safe_tool::prelude::*;
use safe_tool::{Ledger, Principal};
use serde_json::{Value, json};

use crate::database::Database;
use crate::life::{open, until};
use crate::run::{Ran, command, ran};
use crate::servers::{server, strike};
use crate::witness::Witness;

/// The URL of the ledger with a password in it. The database lets everybody in, so it need not be right.
fn url(database: &Database) -> String {
    database.url().replace("://ledger@", "://ledger:hunter2@")
}

/// Runs `safe-tool`, which must not say the password whatever it says.
fn run(database: &Database, arguments: &[&str]) -> Ran {
    let url = url(database);
    told(&arguments.iter().map(|argument| if *argument == "URL" { &*url } else { *argument }).collect::<Vec<_>>())
}

fn told(arguments: &[&str]) -> Ran {
    let arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = arguments.iter().map(|argument| argument as _).collect();
    silent(ran(command(&arguments), ""))
}

fn silent(ran: Ran) -> Ran {
    assert!(!ran.out.contains("hunter2") && !ran.err.contains("hunter2"), "{ran:?}");
    ran
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A server strikes a target and ends.
async fn one_server(database: &Database, witness: &Witness, target: &str) {
    let server = server(&database.url(), witness).await;
    assert_eq!(strike(&server, target).await.unwrap().unwrap()["status"], "ok");
    server.close().await.unwrap();
}

/// Two servers one after the other, and one that did nothing.
async fn filled() -> Option<Database> {
    let database = Database::start()?;
    let witness = Witness::start().await;
    one_server(&database, &witness, "t-1").await;
    one_server(&database, &witness, "t-2").await;
    open(database.url()).await.close().await.unwrap();
    Some(database)
}

/// A file that somebody keeps elsewhere.
fn held(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn an_honest_database_reaches_the_rung_that_its_anchors_allow() {
    let Some(database) = filled().await else { return };
    let scratch = tempfile::tempdir().unwrap();
    let told = run(&database, &["audit", "verify", "URL"]).ok();
    assert!(!told.contains("complete"), "{told}");
    let rung = "consistent, tail unproven; inside the same database, other chains name it up to record";
    assert_eq!((told.matches(rung).count(), told.matches("the last record is a close").count()), (2, 3), "{told}");
    assert!(told.contains("consistent, tail unproven; no other chain of the database names it"), "{told}");
    assert!(told.contains("2 actions, each") && told.contains("2 results stored"), "{told}");

    let checkpoints = run(&database, &["audit", "checkpoint", "URL"]).ok();
    let signers: Vec<String> =
        lines(&checkpoints).iter().map(|line| line["signer"].as_str().unwrap().to_owned()).collect();
    assert_eq!(signers.len(), 3);
    let anchors = held(scratch.path(), "anchors", &checkpoints);
    let anchors = anchors.to_str().unwrap();
    let told = run(&database, &["audit", "verify", "URL", "--anchor", anchors]).ok();
    assert_eq!((told.matches("complete up to record").count(), told.matches("unproven").count()), (3, 0), "{told}");

    // The receipt of an answer is an anchor of one chain; the others stay unproven.
    let completed = lines(&run(&database, &["audit", "show", "URL", "--json", "--event", "completed"]).ok());
    let log = &lines(&checkpoints)[0]["log"];
    let receipt = json!({ "log": log, "sequence": completed[0]["seq"], "hash": completed[0]["hash"] });
    let anchor = held(scratch.path(), "receipt", &receipt.to_string());
    let mut arguments = vec!["audit", "verify", "URL", "--json", "--anchor", anchor.to_str().unwrap()];
    for signer in &signers {
        arguments.extend(["--signer", signer]);
    }
    let told: Value = serde_json::from_str(&run(&database, &arguments).ok()).unwrap();
    assert_eq!((&told["actions"], &told["payloads"]), (&json!(2), &json!(2)));
    for chain in told["chains"].as_array().unwrap() {
        let rung = if chain["log"] == *log { "complete" } else { "tail_unproven" };
        assert_eq!((&chain["rung"], &chain["clean_close"]), (&json!(rung), &json!(true)), "{chain}");
    }
    arguments.truncate(arguments.len() - 2);
    let refused = run(&database, &arguments);
    assert!(refused.code == 1 && refused.err.contains("none of the given signers"), "{refused:?}");
}

#[tokio::test]
async fn a_changed_row_ends_with_1_and_names_the_place() {
    let Some(database) = filled().await else { return };
    let last = "(SELECT log FROM safe_tool.heads ORDER BY chain DESC LIMIT 1)";
    database
        .ask(&format!("UPDATE safe_tool.records SET line = set_byte(line, 200, 0) WHERE log = {last} AND sequence = 2"))
        .await;
    let ran = run(&database, &["audit", "verify", "URL"]);
    assert!(ran.code == 1 && ran.out.is_empty() && ran.err.contains("is broken at record 2: "), "{ran:?}");
    let ran = run(&database, &["audit", "verify", "URL", "--json"]);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &told["error"], &told["record"]), (1, &json!("broken"), &json!(2)));
    // What can be read is shown, and what cannot is named.
    let ran = run(&database, &["audit", "show", "URL"]);
    assert!(ran.code == 1 && ran.out.lines().count() > 9, "{ran:?}");
    assert!(
        ran.err.contains("record 2: the record does not match") && ran.err.contains("1 lines were left"),
        "{ran:?}"
    );
    // An action that was taken away so that it runs again.
    let Some(database) = filled().await else { return };
    database.ask("DELETE FROM safe_tool.actions WHERE action::text LIKE '%strike%'").await;
    let ran = run(&database, &["audit", "verify", "URL", "--json"]);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &told["error"]), (1, &json!("broken")));
    assert!(told["key"].is_string() && ran.err.contains("is gone, and no record says why"), "{ran:?}");
}

#[tokio::test]
async fn one_that_does_not_extend_its_anchor_ends_with_3() {
    let Some(database) = filled().await else { return };
    let scratch = tempfile::tempdir().unwrap();
    let checkpoints = run(&database, &["audit", "checkpoint", "URL"]).ok();
    let anchors = held(scratch.path(), "anchors", &checkpoints);
    let against =
        |anchors: &Path| run(&database, &["audit", "verify", "URL", "--json", "--anchor", anchors.to_str().unwrap()]);
    against(&anchors).ok();
    let differs = |ran: Ran, what: &str| {
        let told: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((ran.code, &told["error"]), (3, &json!(what)), "{ran:?}");
    };
    let newest = &lines(&checkpoints)[2];
    let mut rewritten = json!({ "log": newest["log"], "sequence": 1, "hash": newest["hash"] });
    differs(against(&held(scratch.path(), "rewritten", &rewritten.to_string())), "rewritten");
    rewritten["log"] = json!("another");
    differs(against(&held(scratch.path(), "other", &rewritten.to_string())), "gone");

    // The newest chain, which no other names: cut with care, then taken away.
    let log = newest["log"].as_str().unwrap();
    let mut client = database.client().await;
    let cut = client.transaction().await.unwrap();
    cut.execute("DELETE FROM safe_tool.records WHERE log = $1 AND sequence > 1", &[&log]).await.unwrap();
    let head = "UPDATE safe_tool.heads SET sequence = 1, hash = decode(substr(convert_from(
                    (SELECT line FROM safe_tool.records WHERE log = $1), 'UTF8'), 10, 64), 'hex') WHERE log = $1";
    cut.execute(head, &[&log]).await.unwrap();
    cut.commit().await.unwrap();
    run(&database, &["audit", "verify", "URL"]).ok();
    differs(against(&anchors), "ends_before_anchor");
    assert_eq!(lines(&run(&database, &["audit", "checkpoint", "URL"]).ok()).len(), 2, "it has no checkpoint any more");
    client.execute("DELETE FROM safe_tool.records WHERE log = $1", &[&log]).await.unwrap();
    client.execute("DELETE FROM safe_tool.heads WHERE log = $1", &[&log]).await.unwrap();
    run(&database, &["audit", "verify", "URL"]).ok();
    differs(against(&anchors), "gone");
}

/// Puts lines of records into the database as they are, as the chains `chains`.
async fn put(database: &Database, chains: &[(&str, Vec<String>)]) {
    open(database.url()).await.close().await.unwrap();
    let client = database.client().await;
    client.batch_execute("TRUNCATE safe_tool.heads, safe_tool.records").await.unwrap();
    for (number, (log, lines)) in (1_i64..).zip(chains) {
        let last = i64::try_from(lines.len()).unwrap();
        let head = "INSERT INTO safe_tool.heads VALUES ($1, $2, 1, $3, $4, 0, true)";
        client.execute(head, &[log, &number, &last, &Hash::ZERO.0.as_slice()]).await.unwrap();
        for (sequence, line) in (1_i64..).zip(lines) {
            let record = "INSERT INTO safe_tool.records VALUES ($1, $2, $3)";
            client.execute(record, &[log, &sequence, &line.as_bytes()]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_shown_has_the_form_that_a_directory_has() {
    let Some(database) = Database::start() else { return };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = here.join("../runtime/src/ledger/tests/golden");
    let directory = directory.to_str().unwrap();
    let stored = told(&["audit", "export", directory, "--format", "jsonl"]).ok();
    let log = "0123456789abcdef0123456789abcdef";
    put(&database, &[(log, stored.lines().map(str::to_owned).collect())]).await;
    for arguments in [
        &["audit", "show", "URL"][..],
        &["audit", "show", "URL", "--json"],
        &["audit", "export", "URL", "--format", "jsonl"],
        &["audit", "export", "URL", "--format", "ocsf"],
        &["audit", "export", "URL", "--format", "cef"],
        &["audit", "checkpoint", "URL"],
        &["audit", "show", "URL", "--event", "open", "--event", "close"],
        &["audit", "show", "URL", "--call", "01JDB0000000000000000000C5"],
        &["audit", "show", "URL", "--principal", "alice", "--since", "2026-11-20T00:05:00Z"],
        &["audit", "show", "URL", "--until", "2026-11-20T00:05:00Z"],
        &["audit", "export", "URL", "--format", "ocsf", "--event", "in_doubt"],
    ] {
        let of_directory: Vec<&str> =
            arguments.iter().map(|argument| if *argument == "URL" { directory } else { argument }).collect();
        let expected = told(&of_directory).ok();
        assert!(!expected.is_empty());
        assert_eq!(run(&database, arguments).ok(), expected, "{arguments:?}");
    }
}

#[tokio::test]
async fn records_of_all_chains_come_in_order_of_time_and_each_chain_in_its_own() {
    let Some(database) = Database::start() else { return };
    let line = |log: &str, seq: usize, minute: u32| {
        let zero = Hash::ZERO;
        let rest = format!(
            r#""seq":{seq},"prev":"{zero}","at":"2026-11-20T10:{minute:02}:00.000Z","durable":0,"event":"read","call":"{log}{seq}"}}"#
        );
        format!(r#"{{"hash":"{}",{rest}"#, Hash::of(rest.as_bytes()))
    };
    let chain = |log: &'static str, minutes: &[u32]| {
        (log, minutes.iter().enumerate().map(|(place, minute)| line(log, place + 1, *minute)).collect::<Vec<_>>())
    };
    // The clock of b was set back; c is longer than what is read at a time.
    let long: Vec<u32> = (0..450).map(|number| if number < 225 { 20 } else { 40 }).collect();
    put(&database, &[chain("a", &[5, 15, 30, 50]), chain("b", &[10, 2, 12]), chain("c", &long)]).await;
    let shown = lines(&run(&database, &["audit", "show", "URL", "--json"]).ok());
    let calls: Vec<&str> = shown.iter().map(|record| record["call"].as_str().unwrap()).collect();
    let c: Vec<String> = (1..=450).map(|seq| format!("c{seq}")).collect();
    let mut expected = vec!["a1", "b1", "b2", "b3", "a2"];
    expected.extend(c[..225].iter().map(String::as_str));
    expected.push("a3");
    expected.extend(c[225..].iter().map(String::as_str));
    expected.push("a4");
    assert_eq!(calls, expected);
    assert_eq!(lines(&run(&database, &["audit", "show", "URL", "--json", "--call", "c450"]).ok()).len(), 1);
}

#[tokio::test]
async fn the_events_of_each_chain_are_a_chain() {
    let Some(database) = Database::start() else { return };
    let witness = Witness::start().await;
    let servers = [server(&database.url(), &witness).await, server(&database.url(), &witness).await];
    for number in 0..6 {
        strike(&servers[number % 2], &format!("t-{number}")).await.unwrap().unwrap();
    }
    let events = lines(&run(&database, &["audit", "export", "URL", "--format", "ocsf"]).ok());
    let mut before: std::collections::HashMap<String, Value> = std::collections::HashMap::new();
    let mut times = 0;
    for event in events {
        let time = event["time"].as_i64().unwrap();
        assert!(time >= times, "{event}");
        times = time;
        let attestation = &event["attestation_list"][0];
        let log = attestation["chain_uid"].as_str().unwrap().to_owned();
        assert_eq!(event["metadata"]["uid"], format!("{log}:{}", event["metadata"]["sequence"]));
        let found = attestation["prev_event"]["fingerprint"].clone();
        assert_eq!(found, before.get(&log).cloned().unwrap_or_default());
        assert!(attestation["authority_uid"].is_string());
        before.insert(log, attestation["fingerprint"].clone());
    }
    assert_eq!(before.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubt_that_is_resolved_is_so_for_a_running_server_at_once() {
    let Some(database) = Database::start() else { return };
    let witness = Witness::start().await;
    let (dies, lives) = (server(&database.url(), &witness).await, server(&database.url(), &witness).await);
    witness.hold();
    let lost = strike(&dies, "t-1");
    until("the effect", async || witness.count("t-1") == 1).await;
    dies.kill().await.unwrap();
    witness.release();
    assert_eq!(lost.await.unwrap(), None);

    let mut key = String::new();
    until("it is in doubt", async || {
        let listed = run(&database, &["doubts", "list", "--ledger", "URL", "--json"]).ok();
        let Some(case) = lines(&listed).pop() else { return false };
        assert_eq!((&case["tool"], &case["agent"]), (&json!("strike"), &json!("striker")));
        key = case["key"].as_str().unwrap().to_owned();
        true
    })
    .await;
    // The URL may stand where nobody else on the machine reads it.
    let mut shown = command(&[&"doubts", &"show", &&key[..8]]);
    shown.env("SAFE_TOOL_LEDGER", url(&database));
    let shown = silent(ran(shown, "")).ok();
    for part in ["strike", &key, "t-1", " started ", " in_doubt "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let answer = strike(&lives, "t-1").await.unwrap().unwrap();
    assert_eq!(answer["error"]["kind"], "in_doubt");
    let resolve = ["doubts", "resolve", "--ledger", "URL", &key[..8], "--applied"];
    let told = run(&database, &resolve).ok();
    assert!(told.starts_with("strike ") && told.contains("it was applied"), "{told}");
    let answer = strike(&lives, "t-1").await.unwrap().unwrap();
    assert_eq!((&answer["error"]["code"], &answer["replayed"]), (&json!("resolved_applied"), &json!(true)), "{answer}");
    assert_eq!(witness.count("t-1"), 1);
    assert_eq!(run(&database, &resolve).code, 1, "it is in doubt no more");
    assert_eq!(run(&database, &["doubts", "list", "--ledger", "URL"]).ok(), "no action is in doubt\n");
    lives.close().await.unwrap();
    let resolved = lines(&run(&database, &["audit", "show", "URL", "--json", "--event", "resolved"]).ok());
    assert_eq!((resolved.len(), &resolved[0]["operator"]), (1, &json!("olga")));
    run(&database, &["audit", "verify", "URL"]).ok();
}

const HOSTS_WIPE: Scope = Scope::new("hosts:wipe");

/// Wipes a host.
#[safe_tool(effect = destroy, scope = HOSTS_WIPE, key(host), approve = operator)]
async fn wipe_host(
    call: Call<Arc<AtomicU32>>,
    /// Host to wipe.
    #[arg(pattern = "^[a-z0-9-]{1,20}$", example = "web-01")]
    host: String,
) -> Result<Done, std::convert::Infallible> {
    assert!(!host.is_empty());
    call.state().fetch_add(1, Ordering::SeqCst);
    Ok(Done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_lets_an_action_start_on_a_running_server() {
    let Some(database) = Database::start() else { return };
    let wiped = Arc::new(AtomicU32::new(0));
    let principal = Principal::agent("cleaner").on_behalf_of("ann").with_scope("hosts:wipe");
    let server = Server::write("wiper", Arc::clone(&wiped))
        .tool::<wipe_host>()
        .ledger(open(database.url()).await)
        .in_process(principal)
        .await
        .unwrap();
    let wipe = async |host: &str| {
        let answer = server.call("wipe_host", &json!({ "host": host }).to_string()).await.unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let ask = async |host: &str| wipe(host).await["approval"]["id"].as_str().unwrap().to_owned();
    let (agreed, refused) = (ask("web-01").await, ask("web-02").await);
    let listed = run(&database, &["approvals", "list", "--ledger", "URL"]).ok();
    assert_eq!(listed.lines().count(), 2);
    assert!(listed.contains(&agreed) && listed.contains("wipe_host  cleaner for ann"), "{listed}");
    for requester in ["cleaner", "ann"] {
        let own = run(&database, &["approvals", "approve", "--ledger", "URL", &agreed, "--by", requester]);
        assert!(own.code == 1 && own.err.contains("somebody else"), "{own:?}");
    }
    assert_eq!(ask("web-01").await, agreed);
    run(&database, &["approvals", "approve", "--ledger", "URL", &agreed]).ok();
    run(&database, &["approvals", "refuse", "--ledger", "URL", &refused, "--by", "otto"]).ok();
    let late = run(&database, &["approvals", "approve", "--ledger", "URL", &refused]);
    assert!(late.code == 1 && late.err.contains("otto has refused it already"), "{late:?}");
    assert_eq!(wipe("web-01").await["status"], "ok");
    assert_eq!(wipe("web-01").await["replayed"], true);
    assert_eq!(wipe("web-02").await["error"]["code"], "approval_refused");
    assert_eq!(wiped.load(Ordering::SeqCst), 1);
    server.close().await.unwrap();
    run(&database, &["audit", "verify", "URL"]).ok();
}

#[tokio::test]
async fn a_hidden_value_is_found_again() {
    let Some(database) = Database::start() else { return };
    let ledger: Ledger = open(database.url()).await;
    let hash = format!("hmac:v1:{}\n", ledger.redactor().hash("strike", "reason", b"\"x\""));
    let rest = ["--tool", "strike", "--argument", "reason"];
    assert_eq!(run(&database, &[&["hash", "URL"], &rest[..], &["x"]].concat()).ok(), hash);
    let mut from_environment = command(&[&"hash", &"--tool", &"strike", &"--argument", &"reason", &"-"]);
    from_environment.env("SAFE_TOOL_LEDGER", url(&database));
    assert_eq!(silent(ran(from_environment, "x\n")).ok(), hash);
    let neither = told(&[&["hash"], &rest[..], &["x"]].concat());
    assert!(neither.code == 2 && neither.err.contains("SAFE_TOOL_LEDGER"), "{neither:?}");
}

#[tokio::test]
async fn where_no_ledger_is_none_is_made_and_no_error_tells_the_password() {
    let Some(database) = Database::start() else { return };
    for arguments in [
        &["audit", "verify", "URL"][..],
        &["audit", "verify", "URL", "--json"],
        &["audit", "checkpoint", "URL"],
        &["audit", "show", "URL"],
        &["audit", "export", "URL", "--format", "ocsf"],
        &["doubts", "list", "--ledger", "URL"],
        &["approvals", "list", "--ledger", "URL"],
        &["hash", "URL", "--tool", "t", "--argument", "a", "x"],
    ] {
        let ran = run(&database, arguments);
        assert!(ran.code == 2 && ran.err.contains("it holds no ledger"), "{ran:?}");
    }
    assert_eq!(database.ask("SELECT to_regnamespace('safe_tool')::text").await[0].get::<_, Option<&str>>(0), None);
    // Where nobody listens, and command lines with the URL in a wrong place.
    let nobody = "postgres://ledger:hunter2@127.0.0.1:1/ledger";
    for wrong in [
        &["audit", "verify", nobody][..],
        &["audit", "verify", "postgres://ledger:hunter2@127.0.0.1:hunter2/ledger"],
        &["audit", "verify", "postgre://ledger:hunter2@127.0.0.1/ledger"],
        &["audit", "verify", "Postgres://ledger:hunter2@127.0.0.1/ledger"],
        &["audit", "verify", nobody, nobody],
        &["audit", "verify", ".", "--anchor", nobody],
        &["audit", "verify", ".", "--signer", nobody],
        &["audit", nobody],
        &["audit", "show", nobody, "--key", nobody],
        &["doubts", "list", "--ledger", nobody],
        &["doubts", "list", nobody],
        &["doubts", "list", &format!("--url={nobody}")],
        &["approvals", "approve", "--ledger", nobody, "01J"],
        &["hash", nobody, "--tool", "t", "--argument", "a", "x", nobody],
    ] {
        let ran = told(wrong);
        assert!(ran.code == 2 && !ran.err.is_empty(), "{ran:?}");
    }
    for mistyped in ["Postgres://ledger:hunter2@127.0.0.1/ledger", "postgres//ledger:hunter2@127.0.0.1/ledger"] {
        let mut show = command(&[&"audit", &"show"]);
        show.env("SAFE_TOOL_LEDGER", mistyped);
        assert_eq!(silent(ran(show, "")).code, 2);
    }
    let mut help = command(&[&"doubts", &"list", &"--help"]);
    help.env("SAFE_TOOL_LEDGER", nobody);
    assert!(silent(ran(help, "")).ok().contains("SAFE_TOOL_LEDGER"));
}
