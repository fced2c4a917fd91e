//! The security pair as processes, with the backend's own counter as the witness.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use safe_tool_examples::soc::connected::{Connected, call};
use safe_tool_examples::soc::stage::{HTTP_TOKEN, Stage};
use safe_tool_tests::OverHttp;
use serde_json::{Value, json};

async fn stage() -> Stage {
    Stage::set(env!("CARGO_BIN_EXE_safe-tool-test-server").into()).await.unwrap()
}

fn isolate(host: &str) -> Value {
    json!({ "host_id": host, "alert_id": "AL-1", "reason": "a test" })
}

#[tokio::test]
async fn the_tour_keeps_every_promise() {
    let tour =
        tokio::process::Command::new(env!("CARGO_BIN_EXE_safe-tool-test-server")).arg("tour").output().await.unwrap();
    let told = String::from_utf8(tour.stdout).unwrap();
    assert!(tour.status.success(), "{told}{}", String::from_utf8_lossy(&tour.stderr));
    assert!(told.contains(" 0 broken") && !told.contains('\u{1b}'), "piped, it is plain: {told}");
}

#[tokio::test]
async fn a_write_sent_twice_happens_once_and_is_answered_with_the_same_data() {
    let stage = stage().await;
    let server = stage.contain().await.unwrap();
    let first = server.call("isolate_host", &isolate("web-01")).await.unwrap();
    let second = server.call("isolate_host", &isolate("web-01")).await.unwrap();
    assert_eq!(stage.isolations("web-01").await.unwrap(), 1);
    assert_eq!((&second["replayed"], &second["data"]), (&json!(true), &first["data"]));
    server.close().await.unwrap();
    // A new process has the same memory.
    let server = stage.contain().await.unwrap();
    let third = server.call("isolate_host", &isolate("web-01")).await.unwrap();
    assert_eq!((&third["replayed"], &third["data"]), (&json!(true), &first["data"]));
    assert_eq!(stage.isolations("web-01").await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_in_parallel_are_one() {
    let stage = stage().await;
    let server = stage.contain().await.unwrap();
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let peer = server.peer();
            tokio::spawn(async move { call(&peer, "isolate_host", &isolate("web-02")).await.unwrap() })
        })
        .collect();
    let mut data = Vec::new();
    for answer in calls {
        data.push(answer.await.unwrap()["data"].to_string());
    }
    data.dedup();
    assert_eq!((data.len(), stage.isolations("web-02").await.unwrap()), (1, 1));
}

async fn killed_while_held(stage: &Stage, server: Connected, host: &str) {
    stage.fault(&json!({ "route": "isolate", "hang_after_effect": true })).await.unwrap();
    let (peer, arguments) = (server.peer(), isolate(host));
    let lost = tokio::spawn(async move { call(&peer, "isolate_host", &arguments).await });
    stage.until_held().await.unwrap();
    server.kill().await.unwrap();
    stage.heal().await.unwrap();
    assert!(lost.await.unwrap().is_err());
}

#[tokio::test]
async fn killed_in_the_middle_of_an_effect_it_is_in_doubt_and_not_run_again() {
    let stage = stage().await;
    let server = stage.contain().await.unwrap();
    killed_while_held(&stage, server, "web-03").await;
    for _ in 0..2 {
        // Every restart finds the same doubt.
        let server = stage.contain().await.unwrap();
        let answer = server.call("isolate_host", &isolate("web-03")).await.unwrap();
        assert_eq!((&answer["error"]["kind"], &answer["error"]["effect"]), (&json!("in_doubt"), &json!("unknown")));
        assert_eq!(stage.isolations("web-03").await.unwrap(), 1);
        server.close().await.unwrap();
    }
}

#[tokio::test]
async fn malformed_arguments_do_not_run_and_are_recorded() {
    let stage = stage().await;
    let server = stage.contain().await.unwrap();
    let mut arguments = isolate("*; rm -rf /");
    arguments["minutes"] = json!(99999);
    arguments["force"] = json!({ "nested": true });
    let answer = server.call("isolate_host", &arguments).await.unwrap();
    assert_eq!(answer["error"]["kind"], "invalid_arguments");
    assert_eq!(answer["error"]["violations"].as_array().unwrap().len(), 3);
    server.close().await.unwrap();
    assert_eq!(stage.effects().await.unwrap()["total"], 0);
    let journal = std::fs::read_dir(stage.ledger().join("journal")).unwrap().next().unwrap().unwrap().path();
    let records = std::fs::read_to_string(journal).unwrap();
    assert!(records.lines().any(|line| line.contains(r#""event":"refused""#) && line.contains("invalid_arguments")));
    assert!(!records.contains("rm -rf") && !records.contains("nested"));
}

#[tokio::test]
async fn over_http_without_the_token_nothing_is_served() {
    let stage = stage().await;
    let server = OverHttp::start(&stage, "soc-contain").unwrap();
    let http = reqwest::Client::new();
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "isolate_host", "arguments": isolate("web-01") },
    });
    for token in ["", "stage-token-0123456789abcdef0123456789abcdeX"] {
        let request = http.post(&server.url).header("accept", "application/json, text/event-stream").bearer_auth(token);
        let response = request.json(&body).send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
    let foreign = http.post(&server.url).bearer_auth(HTTP_TOKEN).header("origin", "https://evil.example");
    assert_eq!(foreign.json(&body).send().await.unwrap().status(), 403);
    assert_eq!(stage.effects().await.unwrap()["total"], 0);
}

#[tokio::test]
async fn without_an_identity_it_does_not_start() {
    let stage = stage().await;
    for missing in ["SAFE_TOOL_AGENT", "SAFE_TOOL_SCOPES"] {
        let mut command = stage.server("soc-contain").unwrap();
        let ended = command.env_remove(missing).stderr(std::process::Stdio::piped()).output().await.unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success() && told.contains(missing) && ended.stdout.is_empty(), "{told}");
    }
}
