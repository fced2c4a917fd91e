//! What no schema can say and gate 0 refuses, through a server as a client sees it.

use super::client::{Client, Everybody};
use super::json::Json;
use super::mutate::CANARY;
use super::types::{LAB, take_all, take_nothing};
use safe_tool::{Ledger, Principal, Server};
use serde_json::Value;

async fn client() -> Client {
    let everybody = Everybody(Principal::agent("test").with_scope(LAB.as_str()));
    let server = Server::read("lab", ()).tool::<take_all>().tool::<take_nothing>();
    Client::of(server.identity(everybody).ledger(Ledger::open("memory:").unwrap())).await
}

const VALID: &str = r#""thing":"lamp","limit":3,"place":{"kind":"zone","zone":"dmz"}"#;

#[tokio::test]
async fn numbers_are_judged_by_their_value() {
    let mut client = client().await;
    for (limit, taken) in [
        ("5", true),
        ("5.0", true),
        ("1e1", true),
        ("50e-1", true),
        ("-0", false),
        ("0.0", false),
        ("11", false),
        ("5.5", false),
        ("1e2", false),
        ("\"5\"", false),
        ("9007199254740993", false),
        ("18446744073709551616", false),
        ("1e308", false),
        ("1e400", false),
        ("-1e400", false),
    ] {
        let arguments = format!(r#"{{"thing":"lamp","labels":[],"limit":{limit},"place":{{"kind":"anywhere"}}}}"#);
        let answer = client.call("take_all", &arguments).await;
        assert_eq!(answer["result"]["structuredContent"]["status"] == "ok", taken, "{limit}: {answer}");
    }
}

#[tokio::test]
async fn what_no_parser_reports_is_refused_with_its_place() {
    let mut client = client().await;
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    for (member, rule, path) in [
        (r#""labels":[],"labels":[]"#.to_owned(), "unique_names", ""),
        (r#""labels":[],"l\u0061bels":["a"]"#.to_owned(), "unique_names", ""),
        (r#""labels":[],"outer":{"inner":{},"on_2":true,"on_2":false}"#.to_owned(), "unique_names", "/outer"),
        (format!(r#""labels":[],"{CANARY}":{{"{CANARY}":1,"{CANARY}":2}}"#), "unique_names", ""),
        (r#""labels":["\ud800"]"#.to_owned(), "unicode", "/labels/0"),
        (r#""labels":["a","b\udc00"]"#.to_owned(), "unicode", "/labels/1"),
        (format!(r#""labels":[],"{CANARY}\ud800":1"#), "unicode", ""),
        (r#""labels":[1e999]"#.to_owned(), "finite", "/labels/0"),
        (format!(r#""labels":[],"outer":{{"others":[{{"{CANARY}":-1e400}}]}}"#), "finite", "/outer/others/0"),
        (format!(r#""labels":[],"{CANARY}":{deep}"#), "depth", ""),
    ] {
        let arguments = format!("{{{VALID},{member}}}");
        let answer = client.call("take_all", &arguments).await;
        let said = &answer["result"]["structuredContent"]["error"];
        assert_eq!(said["kind"], "invalid_arguments", "{answer}");
        let violations = said["violations"].as_array().unwrap();
        let hit = violations.iter().find(|violation| violation["rule"] == rule).unwrap();
        let told = hit["path"].as_str().unwrap();
        // Within what is too deep or unknown the path stops at the last published name.
        assert!(if rule == "depth" { told.starts_with(path) } else { told == path }, "{member}: {answer}");
        assert!(!answer.to_string().contains(CANARY), "{answer}");
    }
}

#[tokio::test]
async fn every_violation_comes_at_once_and_repeats_nothing() {
    let mut client = client().await;
    let text = format!(
        r#"{{"thing":"{CANARY} {CANARY}","limit":987654321,"labels":["a","a","{CANARY}"],"{CANARY}":"{CANARY}",
           "place":{{"kind":"{CANARY}","{CANARY}":1}},"tone_of_it":"{CANARY}","reason":"\u202e{CANARY}",
           "outer":{{"inner":{{"place":{{"kind":"zone","zone":"{CANARY}","depth":987654321}}}},"{CANARY}":[]}}}}"#
    )
    .replace('\n', " ");
    let answer = client.call("take_all", &text).await;
    let violations = answer["result"]["structuredContent"]["error"]["violations"].as_array().unwrap().clone();
    let mut told: Vec<(&str, &str)> =
        violations.iter().map(|it| (it["path"].as_str().unwrap(), it["rule"].as_str().unwrap())).collect();
    told.sort_unstable();
    let expected = [
        ("", "additionalProperties"),
        ("/labels/2", "pattern"),
        ("/limit", "maximum"),
        ("/outer", "additionalProperties"),
        ("/outer/inner/place/depth", "maximum"),
        ("/outer/inner/place/zone", "enum"),
        ("/outer/on_2", "required"),
        ("/outer/others", "required"),
        ("/place/kind", "enum"),
        ("/reason", "pattern"),
        ("/thing", "pattern"),
        ("/tone_of_it", "pattern"),
    ];
    let without_unique: Vec<_> = told.iter().copied().filter(|it| *it != ("/labels", "uniqueItems")).collect();
    assert_eq!(without_unique, expected);
    let tree = Json::from(&serde_json::from_str::<Value>(&text).unwrap());
    assert!(told.iter().all(|(path, _)| tree.has_place(path)), "{told:?}");
    let answer = answer.to_string();
    assert!(!answer.contains(CANARY) && !answer.contains("987654321"), "{answer}");
}

#[tokio::test]
async fn what_is_not_json_or_too_long_gets_an_error_and_the_next_call_its_answer() {
    let mut client = client().await;
    for arguments in ["{\"a\":01}", "{\"a\":1,}", "{\"a\":\"\t\"}", "{'a':1}", "{\"a\":NaN}"] {
        let line = client.call("take_nothing", arguments).await;
        assert!(line["error"]["code"].as_i64().is_some(), "{line}");
    }
    let answer = client.call("take_nothing", &format!("{{\"a\":\"{}\"}}", CANARY.repeat(200_000))).await;
    assert!(answer["error"].is_object() && !answer.to_string().contains(CANARY));
    let answer = client.call("take_nothing", "{}").await;
    assert_eq!(answer["result"]["structuredContent"]["status"], "ok");
}
