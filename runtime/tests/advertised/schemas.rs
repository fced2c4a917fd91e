//! What every published schema looks like.

use super::answers;
use super::client::Client;
use super::subject::{oracle, subjects};
use super::types::{take_all, take_nothing};
use safe_tool::{Ledger, Server};
use serde_json::{Value, json};
use std::sync::LazyLock;

const FORMATS: [&str; 8] = ["uuid", "date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6"];

static ECMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| oracle(&json!({ "format": "regex" })));

/// What is wrong with a schema, with the place where; `input` asks for what models get wrong in arguments, too.
fn faults(schema: &Value, place: &str, input: bool, out: &mut Vec<String>) {
    let Some(object) = schema.as_object() else {
        return out.push(format!("{place}: not a schema object"));
    };
    for keyword in ["$ref", "$defs", "definitions", "$schema", "anyOf", "allOf", "nullable", "title"] {
        if object.contains_key(keyword) {
            out.push(format!("{place}: has {keyword}"));
        }
    }
    if input && object.get("type").is_some_and(|kind| !kind.is_string()) {
        out.push(format!("{place}: a union of types"));
    }
    if object.get("format").is_some_and(|format| !FORMATS.contains(&format.as_str().unwrap())) {
        out.push(format!("{place}: a format that JSON Schema does not know"));
    }
    if object.get("pattern").is_some_and(|pattern| !ECMA.is_valid(pattern)) {
        out.push(format!("{place}: a pattern that ECMA 262 does not read"));
    }
    let says = |keyword: &str| object.contains_key(keyword);
    match object.get("type").and_then(Value::as_str) {
        Some("string") if input && !(says("pattern") || says("enum") || says("const")) => {
            out.push(format!("{place}: any text"));
        }
        Some("integer" | "number") if input && !(says("minimum") && says("maximum")) => {
            out.push(format!("{place}: any number"));
        }
        Some("array") if input && !says("maxItems") => out.push(format!("{place}: any length")),
        // What an undo is called with is for the undo tool's own schema to say; an earlier answer has this very schema.
        Some("object")
            if !["/undo/arguments", "/error/earlier"].iter().any(|end| place.ends_with(end))
                && !says("oneOf")
                && (object.get("additionalProperties") != Some(&Value::Bool(false)) || !says("properties")) =>
        {
            out.push(format!("{place}: open"));
        }
        _ => {}
    }
    for (name, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let place = format!("{place}/{name}");
        if property.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
            out.push(format!("{place}: no description"));
        }
        faults(property, &place, input, out);
    }
    for name in object.get("required").and_then(Value::as_array).into_iter().flatten() {
        if object["properties"].get(name.as_str().unwrap()).is_none() {
            out.push(format!("{place}: requires {name}, which it does not have"));
        }
    }
    if let Some(items) = object.get("items") {
        faults(items, &format!("{place}/*"), input, out);
    }
    for (branch, schema) in object.get("oneOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
        faults(schema, &format!("{place}|{branch}"), input, out);
    }
}

fn check(name: &str, schema: &Value, input: bool) {
    jsonschema::meta::validate(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut out = Vec::new();
    faults(schema, name, input, &mut out);
    assert!(out.is_empty(), "{out:#?}");
}

#[test]
fn input_types_are_closed_bounded_and_described() {
    for subject in subjects() {
        check(subject.name, &subject.schema, true);
        let examples = all_examples(&subject.schema);
        for (schema, example) in examples {
            assert!(oracle(schema).is_valid(example), "{}: {example}", subject.name);
        }
    }
}

fn all_examples(schema: &Value) -> Vec<(&Value, &Value)> {
    let mut out: Vec<(&Value, &Value)> = Vec::new();
    if let Some(examples) = schema.get("examples").and_then(Value::as_array) {
        out.extend(examples.iter().map(|example| (schema, example)));
    }
    match schema {
        Value::Object(members) => out.extend(members.values().flat_map(all_examples)),
        Value::Array(items) => out.extend(items.iter().flat_map(all_examples)),
        _ => {}
    }
    out
}

#[tokio::test]
async fn what_servers_publish_is_closed_bounded_and_described() {
    let identity = || super::client::Everybody(answers::ann());
    let ledger = || Ledger::open("memory:").unwrap();
    let reads = Server::read("reads", ()).tool::<take_all>().tool::<take_nothing>();
    let mut tools = Client::of(reads.identity(identity()).ledger(ledger())).await.tools().await;
    let writes = answers::writer(&answers::Lab::default());
    tools.extend(Client::of(writes.identity(identity()).ledger(ledger())).await.tools().await);
    assert!(tools.len() > 6);
    for tool in tools {
        let name = tool["name"].as_str().unwrap();
        for (part, input) in [("inputSchema", true), ("outputSchema", false)] {
            let schema = &tool[part];
            assert_eq!(schema["type"], "object", "{name}: {part}");
            check(&format!("{name}.{part}"), schema, input);
        }
    }
}
