//! Clients that are not ours: Python's `mcp` and `@modelcontextprotocol/sdk`, over stdio and HTTP.
//!
//! Both validate what they get against the tools' output schemas; the TypeScript one even errors. `tests/run` installs
//! them and says where they are in `SAFE_TOOL_PYTHON` and `SAFE_TOOL_NODE_CLIENT`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

use safe_tool_examples::soc::stage::{HTTP_TOKEN, Stage};
use safe_tool_tests::OverHttp;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

async fn stage() -> Stage {
    Stage::set(env!("CARGO_BIN_EXE_safe-tool-test-server").into()).await.unwrap()
}

/// The driver of a client library, or `None` where it is not installed.
fn driver(variable: &str) -> Option<Command> {
    let Ok(place) = std::env::var(variable) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{variable} is not set");
        eprintln!("NOT RUN: {variable} is not set; `./tests/run` sets it");
        return None;
    };
    Some(if variable == "SAFE_TOOL_PYTHON" {
        let mut command = Command::new(place);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/clients/python/drive.py"));
        command
    } else {
        let mut command = Command::new("node");
        command.arg(format!("{place}/drive.mjs"));
        command
    })
}

async fn drive(mut command: Command, script: &Value) -> Vec<Value> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.to_string().as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn isolate(host: &str, minutes: Option<u32>) -> Value {
    let mut arguments = json!({ "host_id": host, "alert_id": "AL-1", "reason": "a test" });
    if let Some(minutes) = minutes {
        arguments["minutes"] = json!(minutes);
    }
    arguments
}

fn script() -> Value {
    json!([
        { "list": true },
        { "call": "isolate_host", "arguments": isolate("web-01", None) },
        { "call": "isolate_host", "arguments": isolate("web-01", None), "meta": { "dev.safe-tool/turn": "2" } },
        { "call": "isolate_host", "arguments": isolate("web-01", Some(60)) },
        { "call": "isolate_host", "arguments": { "host_id": "*; rm -rf /", "minutes": 99999, "force": true } },
        { "call": "isolate_host", "arguments": isolate("dc-01", None) },
        { "call": "isolate_host", "arguments": isolate("web-99", None) },
        { "call": "disable_account", "arguments": { "user": "alice", "alert_id": "AL-1", "reason": "a test" } },
        { "call": "release_host", "arguments": { "host_id": "web-01" } },
        { "call": "melt_host", "arguments": {} },
    ])
}

#[track_caller]
fn holds(answers: &[Value], effects: &Value) {
    let [list, first, replay, conflict, invalid, policy, missing, scope, release, unknown] = answers else {
        panic!("{} answers", answers.len());
    };
    let tools = list["tools"].as_array().unwrap();
    let mut names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["disable_account", "enable_account", "isolate_host", "release_host"]);
    assert!(list["instructions"].as_str().unwrap().contains("An error is never a negative finding"));
    for tool in tools {
        assert_eq!(tool["inputSchema"]["additionalProperties"], false);
        assert_eq!(
            (&tool["annotations"]["readOnlyHint"], &tool["annotations"]["destructiveHint"]),
            (&json!(false), &json!(false))
        );
    }
    // A client that refused a result for breaking the tool's output schema would show an error here.
    let envelope = |answer: &Value| {
        let envelope = &answer["structuredContent"];
        assert!(envelope.is_object(), "{answer}");
        let text = answer["content"][0]["text"].as_str().unwrap();
        assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), envelope);
        let is_error = answer["isError"].as_bool().unwrap_or(false);
        assert_eq!(is_error, envelope["status"] == "error", "{answer}");
        envelope.clone()
    };
    let (first, replay) = (envelope(first), envelope(replay));
    assert_eq!(
        (&first["status"], &first["replayed"], &replay["replayed"]),
        (&json!("ok"), &json!(false), &json!(true))
    );
    assert_eq!(first["data"], replay["data"]);
    for (answer, kind, code) in [
        (conflict, "conflict", "conflict"),
        (invalid, "invalid_arguments", "invalid_arguments"),
        (policy, "denied", "policy_denied"),
        (missing, "not_found", "NO_HOST"),
        (scope, "denied", "scope_missing"),
    ] {
        let error = &envelope(answer)["error"];
        assert_eq!((&error["kind"], &error["code"]), (&json!(kind), &json!(code)));
    }
    assert_eq!(envelope(release)["status"], "ok");
    assert_eq!(unknown["error"]["code"], -32602);
    assert_eq!(effects["total"], 2, "one isolation, one release: {effects}");
}

async fn over_stdio(variable: &str) {
    let Some(mut client) = driver(variable) else { return };
    let stage = stage().await;
    let server = stage.server("soc-contain").unwrap();
    let server = server.as_std();
    client.args(["stdio", "--"]).arg(server.get_program()).args(server.get_args());
    client.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
    holds(&drive(client, &script()).await, &stage.effects().await.unwrap());
}

async fn over_http(variable: &str) {
    let Some(mut client) = driver(variable) else { return };
    let stage = stage().await;
    let server = OverHttp::start(&stage, "soc-contain").unwrap();
    client.args(["http", &server.url, HTTP_TOKEN]);
    holds(&drive(client, &script()).await, &stage.effects().await.unwrap());
}

#[tokio::test]
async fn python_over_stdio() {
    over_stdio("SAFE_TOOL_PYTHON").await;
}

#[tokio::test]
async fn python_over_http() {
    over_http("SAFE_TOOL_PYTHON").await;
}

#[tokio::test]
async fn typescript_over_stdio() {
    over_stdio("SAFE_TOOL_NODE_CLIENT").await;
}

#[tokio::test]
async fn typescript_over_http() {
    over_http("SAFE_TOOL_NODE_CLIENT").await;
}
