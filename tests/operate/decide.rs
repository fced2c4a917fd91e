//! `safe-tool doubts` and `approvals` on the ledgers of running servers, and of servers that have ended.

use super::{Ran, isolate, records, run, stage};
use safe_tool::prelude::*;
use safe_tool::{Ledger, Principal};
use safe_tool_examples::soc::connected::call;
use safe_tool_examples::soc::stage::Stage;
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A server is killed after its effect has happened and before it is recorded.
async fn killed_in_the_middle(stage: &Stage, host: &'static str) {
    let server = stage.contain().await.unwrap();
    stage.fault(&json!({ "route": "isolate", "hang_after_effect": true })).await.unwrap();
    let peer = server.peer();
    let lost = tokio::spawn(async move { call(&peer, "isolate_host", &isolate(host)).await });
    stage.until_held().await.unwrap();
    server.kill().await.unwrap();
    stage.heal().await.unwrap();
    assert!(lost.await.unwrap().is_err());
}

/// The key of the one action in doubt.
fn key_in_doubt(ledger: &Path) -> String {
    let listed = run(&[&"doubts", &"list", &"--ledger", &ledger, &"--json"]).ok();
    let case: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&case["tool"], &case["agent"]), (&json!("isolate_host"), &json!("triage-agent")));
    case["key"].as_str().unwrap().to_owned()
}

fn resolve(ledger: &Path, key: &str, how: &str) -> Ran {
    run(&[&"doubts", &"resolve", &"--ledger", &ledger, &key, &how])
}

#[tokio::test]
async fn a_doubt_is_resolved_while_the_server_runs() {
    let stage = stage().await;
    killed_in_the_middle(&stage, "web-03").await;
    let ledger = stage.ledger();
    let server = stage.contain().await.unwrap();
    let answer = server.call("isolate_host", &isolate("web-03")).await.unwrap();
    assert_eq!(answer["error"]["kind"], "in_doubt");

    let key = key_in_doubt(&ledger);
    let shown = run(&[&"doubts", &"show", &"--ledger", &ledger, &&key[..8]]).ok();
    for part in ["isolate_host", &key, "triage-agent for ann", "web-03", " started ", " in_doubt "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(resolve(&ledger, &key[..7], "--applied").code, 2);
    assert_eq!(resolve(&ledger, "00000000", "--applied").code, 1);
    let neither = run(&[&"doubts", &"resolve", &"--ledger", &ledger, &key]);
    assert!(neither.code == 2 && neither.err.contains("--applied"), "{}", neither.err);

    let told = resolve(&ledger, &key[..8], "--applied").ok();
    assert!(told.starts_with("isolate_host ") && told.contains("it was applied"), "{told}");
    let again = server.call("isolate_host", &isolate("web-03")).await.unwrap();
    let error = &again["error"];
    assert_eq!(
        (&error["kind"], &error["code"], &error["effect"], &again["replayed"]),
        (&json!("rejected"), &json!("resolved_applied"), &json!("applied"), &json!(true)),
        "{again}"
    );
    assert_eq!(stage.isolations("web-03").await.unwrap(), 1);
    assert_eq!(resolve(&ledger, &key, "--applied").code, 1, "it is in doubt no more");
    assert_eq!(run(&[&"doubts", &"list", &"--ledger", &ledger]).ok(), "no action is in doubt\n");
    server.close().await.unwrap();
    assert!(!ledger.join("operator.sock").exists());

    let resolved: Vec<Value> = records(&ledger).into_iter().filter(|record| record["event"] == "resolved").collect();
    assert_eq!(resolved.len(), 1);
    assert_eq!(
        (&resolved[0]["operator"], &resolved[0]["outcome"], &resolved[0]["agent"]),
        (&json!("olga"), &json!("completed"), &json!("triage-agent"))
    );
    run(&[&"audit", &"verify", &ledger]).ok();
}

#[tokio::test]
async fn a_doubt_is_resolved_when_no_server_runs_and_the_next_call_runs() {
    let stage = stage().await;
    killed_in_the_middle(&stage, "web-03").await;
    let ledger = stage.ledger();
    // The killed server left its socket behind.
    assert!(ledger.join("operator.sock").exists());
    let key = key_in_doubt(&ledger);
    let told = resolve(&ledger, &key, "--not-applied").ok();
    assert!(told.contains("its key is free"), "{told}");
    let told = run(&[&"audit", &"verify", &ledger]).ok();
    assert!(told.contains("the last record is a close"), "{told}");

    let server = stage.contain().await.unwrap();
    let answer = server.call("isolate_host", &isolate("web-03")).await.unwrap();
    assert_eq!((&answer["status"], &answer["replayed"]), (&json!("ok"), &json!(false)));
    // The operator was wrong, and that is what the counter says.
    assert_eq!(stage.isolations("web-03").await.unwrap(), 2);
    server.close().await.unwrap();
}

#[tokio::test]
async fn where_no_ledger_is_none_is_made() {
    let scratch = tempfile::tempdir().unwrap();
    let nowhere = scratch.path().join("nowhere");
    let ran = run(&[&"doubts", &"list", &"--ledger", &nowhere]);
    assert!(ran.code == 2 && ran.err.contains("there is no ledger in"), "{ran:?}");
    assert!(!nowhere.exists());
    let ran = run(&[&"doubts", &"list"]);
    assert!(ran.code == 2 && ran.err.contains("--ledger"), "{ran:?}");
}

#[tokio::test]
async fn a_ledger_that_is_held_and_not_listened_for_is_left_alone() {
    let scratch = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let _held = Ledger::open(scratch.path().to_str().unwrap()).unwrap();
    let ran = run(&[&"doubts", &"list", &"--ledger", &scratch.path()]);
    assert!(ran.code == 2 && ran.err.contains("does not listen for operators"), "{ran:?}");
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

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_lets_an_action_start_once() {
    let scratch = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let ledger = scratch.path();
    let wiped = Arc::new(AtomicU32::new(0));
    let principal = Principal::agent("cleaner").on_behalf_of("ann").with_scope("hosts:wipe");
    let server = Server::write("wiper", Arc::clone(&wiped))
        .tool::<wipe_host>()
        .ledger(Ledger::open(ledger.to_str().unwrap()).unwrap())
        .in_process(principal)
        .await
        .unwrap();
    let wipe = async |host: &str| {
        let answer = server.call("wipe_host", &json!({ "host": host }).to_string()).await.unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let ask = async |host: &str| {
        let pending = wipe(host).await;
        assert_eq!(pending["status"], "pending", "{pending}");
        pending["approval"]["id"].as_str().unwrap().to_owned()
    };
    let (agreed, refused) = (ask("web-01").await, ask("web-02").await);
    assert_eq!(wiped.load(Ordering::SeqCst), 0);

    let listed = run(&[&"approvals", &"list", &"--ledger", &ledger]).ok();
    assert_eq!(listed.lines().count(), 2);
    let line = listed.lines().find(|line| line.starts_with(&agreed)).unwrap();
    assert!(line.contains("wipe_host  cleaner for ann") && line.contains(r#"{"host":"web-01"}"#), "{line}");

    for requester in ["cleaner", "ann"] {
        let own = run(&[&"approvals", &"approve", &"--ledger", &ledger, &agreed, &"--by", &requester]);
        assert!(own.code == 1 && own.err.contains("somebody else"), "{own:?}");
    }
    assert_eq!(run(&[&"approvals", &"approve", &"--ledger", &ledger, &"01J"]).code, 1);
    assert_eq!(ask("web-01").await, agreed);
    let told = run(&[&"approvals", &"approve", &"--ledger", &ledger, &agreed]).ok();
    assert!(told.contains("approved"), "{told}");
    run(&[&"approvals", &"refuse", &"--ledger", &ledger, &refused, &"--by", &"otto"]).ok();
    let late = run(&[&"approvals", &"approve", &"--ledger", &ledger, &refused]);
    assert!(late.code == 1 && late.err.contains("otto has refused it already"), "{late:?}");

    assert_eq!(wipe("web-01").await["status"], "ok");
    assert_eq!(wipe("web-01").await["replayed"], true);
    assert_eq!(wipe("web-02").await["error"]["code"], "approval_refused");
    assert_eq!(wiped.load(Ordering::SeqCst), 1);
    server.close().await.unwrap();
    let decided: Vec<Value> = records(ledger)
        .into_iter()
        .filter(|record| record["event"] == "approved" || record["event"] == "approval_refused")
        .map(|record| record["operator"].clone())
        .collect();
    assert_eq!(decided, ["olga", "otto"]);
}
