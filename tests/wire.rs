//! Raw lines and bodies that no parser of others should lose, against real servers: each is answered, and the next call
//! is served.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use safe_tool_examples::soc::stage::{HTTP_TOKEN, Stage};
use safe_tool_tests::OverHttp;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

async fn stage() -> Stage {
    Stage::set(env!("CARGO_BIN_EXE_safe-tool-test-server").into()).await.unwrap()
}

fn call(id: u64, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"isolate_host","arguments":{arguments}}}}}"#
    )
}

/// What is sent, and what the answer must hold: the kind of an envelope, or the code of a JSON-RPC error.
fn hostile() -> Vec<(&'static str, String, Expected)> {
    let nested = format!("{{\"host_id\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let long = format!("{{\"host_id\":\"{}\"}}", "a".repeat(2 << 20));
    vec![
        ("a duplicate key", call(1, r#"{"host_id":"a","host_id":"b"}"#), Expected::Violation("unique_names")),
        ("a lone surrogate", call(2, r#"{"host_id":"\ud800"}"#), Expected::Violation("unicode")),
        ("a number out of range", call(3, r#"{"minutes":1e400}"#), Expected::Violation("finite")),
        ("10,000 nested arrays", call(4, &nested), Expected::Violation("depth")),
        ("2 MiB", call(5, &long), Expected::Error(-32600)),
        ("half a line", call(6, "{").replace("}}", ""), Expected::Error(-32700)),
        (
            "no name",
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}"#.to_owned(),
            Expected::Error(-32602),
        ),
        ("a list as arguments", call(8, "[]"), Expected::Error(-32602)),
        ("no such tool", call(9, "{}").replace("isolate_host", "melt_host"), Expected::Error(-32602)),
        ("not JSON", "isolate web-01 please".to_owned(), Expected::Error(-32700)),
    ]
}

#[derive(Clone, Copy)]
enum Expected {
    Violation(&'static str),
    Error(i64),
}

#[track_caller]
fn holds(what: &str, answer: &Value, expected: Expected) {
    match expected {
        Expected::Violation(rule) => {
            let envelope = &answer["result"]["structuredContent"];
            assert_eq!(envelope["error"]["kind"], "invalid_arguments", "{what}: {answer}");
            assert_eq!(envelope["error"]["violations"][0]["rule"], rule, "{what}: {answer}");
            let text = answer["result"]["content"][0]["text"].as_str().unwrap();
            assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), envelope, "{what}");
        }
        Expected::Error(code) => assert_eq!(answer["error"]["code"], code, "{what}: {answer}"),
    }
}

#[tokio::test]
async fn on_stdio_every_line_is_answered() {
    let stage = stage().await;
    let mut command = stage.server("soc-contain").unwrap();
    let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut input = server.stdin.take().unwrap();
    let mut answers = BufReader::new(server.stdout.take().unwrap()).lines();
    let open = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let mut ask = async |line: &str| -> Value {
        input.write_all(line.as_bytes()).await.unwrap();
        input.write_all(b"\n").await.unwrap();
        serde_json::from_str(&answers.next_line().await.unwrap().expect("an answer")).unwrap()
    };
    assert_eq!(ask(open).await["id"], 0);
    let mut served = 0;
    for (what, line, expected) in hostile() {
        holds(what, &ask(&line).await, expected);
        let next = call(1000, &format!(r#"{{"host_id":"web-01","alert_id":"AL-{}","reason":"a test"}}"#, 1 + served));
        assert_eq!(ask(&next).await["result"]["structuredContent"]["status"], "ok", "after {what}");
        served += 1;
    }
    assert_eq!(stage.isolations("web-01").await.unwrap(), served);
}

#[tokio::test]
async fn over_http_every_body_is_answered() {
    let stage = stage().await;
    let server = OverHttp::start(&stage, "soc-contain").unwrap();
    let http = reqwest::Client::new();
    let ask = async |body: String| -> Value {
        let request = http
            .post(&server.url)
            .bearer_auth(HTTP_TOKEN)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25");
        let text = request.body(body).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let mut served = 0;
    for (what, body, expected) in hostile() {
        holds(what, &ask(body).await, expected);
        let next = call(1000, &format!(r#"{{"host_id":"web-01","alert_id":"AL-{}","reason":"a test"}}"#, 1 + served));
        assert_eq!(ask(next).await["result"]["structuredContent"]["status"], "ok", "after {what}");
        served += 1;
    }
    assert_eq!(stage.isolations("web-01").await.unwrap(), served);
    assert_eq!(stage.effects().await.unwrap()["total"], json!(served));
}
