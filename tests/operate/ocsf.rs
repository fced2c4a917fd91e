//! Exported events against the published schema: required attributes, known names, types, enums, constraints, and the
//! chain of the profile `record_integrity`.

use super::{golden, run};
use serde_json::{Map, Value};

const SCHEMA: &str = include_str!("ocsf-1.9.json");

/// Checks `value` as the schema's object `name`; gives what is wrong.
fn wrong(schema: &Value, name: &str, value: &Value, at: &str) -> Vec<String> {
    let Some(object) = schema["objects"].get(name) else {
        // An object of the schema that the fixture does not have must not be used.
        return vec![format!("{at}: {name} is not in the fixture")];
    };
    let Some(members) = value.as_object() else { return vec![format!("{at}: is no {name}")] };
    let mut found = Vec::new();
    for required in object["required"].as_array().unwrap() {
        if !members.contains_key(required.as_str().unwrap()) {
            found.push(format!("{at}: {required} is missing"));
        }
    }
    if let Some(any) = object["at_least_one"].as_array()
        && !any.iter().any(|name| members.contains_key(name.as_str().unwrap()))
    {
        found.push(format!("{at}: none of {any:?}"));
    }
    for (member, value) in members {
        let at = format!("{at}.{member}");
        let Some(kind) = object["attributes"][member].as_str() else {
            found.push(format!("{at}: is not in the schema"));
            continue;
        };
        if let Some(values) = object["enums"][member].as_array()
            && !values.contains(value)
        {
            found.push(format!("{at}: {value} is not in the enum"));
        }
        match kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
            Some(kind) => {
                for value in value.as_array().unwrap() {
                    found.extend(wrong_value(schema, kind, value, &at));
                }
            }
            None => found.extend(wrong_value(schema, kind, value, &at)),
        }
    }
    found
}

fn wrong_value(schema: &Value, kind: &str, value: &Value, at: &str) -> Vec<String> {
    let fits = match kind {
        "string_t" | "hostname_t" => value.is_string(),
        "integer_t" => value.as_i64().is_some_and(|value| i32::try_from(value).is_ok()),
        "long_t" | "timestamp_t" => value.is_i64() || value.is_u64(),
        "boolean_t" => value.is_boolean(),
        // `unmapped`: anything may be in it.
        "object" => value.is_object(),
        object => return wrong(schema, object, value, at),
    };
    if fits { Vec::new() } else { vec![format!("{at}: {value} is no {kind}")] }
}

fn events() -> Vec<Value> {
    let exported = run(&[&"audit", &"export", &golden::ledger(), &"--format", &"ocsf"]).ok();
    exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_kind_of_record_is_an_event_of_the_published_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let events = events();
    assert!(events.len() > 20);
    for event in &events {
        assert_eq!(wrong(&schema, "event", event, "event"), [""; 0], "{event}");
        let id = |name: &str| event[name].as_i64().unwrap();
        assert_eq!(id("type_uid"), id("class_uid") * 100 + id("activity_id"));
    }
}

#[test]
fn the_oracle_can_say_no() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let whole = events().into_iter().find(|event| event["api"]["request"].is_object()).unwrap();
    let change = |change: fn(&mut Map<String, Value>)| {
        let mut event = whole.clone();
        change(event.as_object_mut().unwrap());
        wrong(&schema, "event", &event, "event").len()
    };
    assert_eq!(change(|_| {}), 0);
    assert_eq!(change(|event| drop(event.remove("time"))), 1);
    assert_eq!(change(|event| drop(event.insert("severity_id".into(), 7.into()))), 1);
    assert_eq!(change(|event| drop(event.insert("colour".into(), "red".into()))), 1);
    assert_eq!(change(|event| drop(event["api"].as_object_mut().unwrap().remove("operation"))), 1);
    assert_eq!(change(|event| drop(event["metadata"].as_object_mut().unwrap().insert("uid".into(), 7.into()))), 1);
    assert_eq!(change(|event| drop(event.insert("actor".into(), Value::Object(Map::new())))), 1);
}

/// The fingerprint is over the event without it; each event names the one before by its own.
#[test]
fn the_events_are_a_chain() {
    let mut before = Value::Null;
    for mut event in events() {
        let attestation = event["attestation_list"][0].as_object_mut().unwrap();
        let fingerprint = attestation.remove("fingerprint").unwrap();
        if before.is_null() {
            assert!(!attestation.contains_key("prev_event"));
        } else {
            assert_eq!(attestation["prev_event"]["fingerprint"], before);
        }
        // Sorted keys, no spaces, integers only: for these events serde_json writes what RFC 8785 asks for.
        assert_eq!(fingerprint["value"], safe_tool::ledger::Hash::of(event.to_string().as_bytes()).to_string());
        before = fingerprint;
    }
}
