//! Valid values, from nothing but the schema.

use super::subject::{Subject, oracle};
use proptest::prelude::*;
use proptest::string::string_regex;
use serde_json::{Map, Number, Value, json};

/// Values that the subject's schema admits.
pub(crate) fn valid(subject: &'static Subject) -> BoxedStrategy<Value> {
    value(&subject.schema).prop_filter("valid", |value| subject.advertises(value)).boxed()
}

fn value(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(branches) = schema.get("oneOf") {
        let branches: Vec<_> = branches.as_array().unwrap().iter().map(value).collect();
        return proptest::strategy::Union::new(branches).boxed();
    }
    if let Some(word) = schema.get("const") {
        return Just(word.clone()).boxed();
    }
    if let Some(words) = schema.get("enum") {
        return proptest::sample::select(words.as_array().unwrap().clone()).boxed();
    }
    match schema["type"].as_str().unwrap() {
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "integer" => integer(schema),
        "number" => float(schema),
        "string" => text(schema),
        "array" => list(schema),
        "object" => object(schema),
        other => panic!("no generator for {other}"),
    }
}

fn integer(schema: &Value) -> BoxedStrategy<Value> {
    let bound = |key: &str| schema[key].as_i64().unwrap();
    let (min, max) = (bound("minimum"), bound("maximum"));
    prop_oneof![3 => min..=max, 1 => Just(min), 1 => Just(max)].prop_map(Value::from).boxed()
}

fn float(schema: &Value) -> BoxedStrategy<Value> {
    let bound = |key: &str| schema[key].as_f64().unwrap();
    let (min, max) = (bound("minimum"), bound("maximum"));
    let whole = (min.ceil() as i64)..=(max.floor() as i64);
    let whole = if whole.is_empty() { Just(min).boxed() } else { whole.prop_map(|n| n as f64).boxed() };
    prop_oneof![3 => min..=max, 1 => Just(min), 1 => Just(max), 1 => whole]
        .prop_map(|number| Value::Number(Number::from_f64(number).unwrap()))
        .boxed()
}

fn text(schema: &Value) -> BoxedStrategy<Value> {
    let ready = oracle(schema);
    let format = schema.get("format").and_then(Value::as_str);
    let texts = match format {
        Some("hostname") => regex("[A-Za-z0-9]([a-z0-9]|[a-z]-?[a-z]){0,9}([.][a-z0-9]{1,9}){0,6}"),
        Some("email") => regex("[A-Za-z_%+-]{1,4}([.][a-z0-9]{1,3}){0,2}@([a-z][a-z0-9]{0,4}[.]){1,2}[A-Za-z]{2,5}"),
        Some("ipv6") => any::<(std::net::Ipv6Addr, bool)>().prop_map(ipv6).boxed(),
        _ => of_pattern(schema),
    };
    texts.prop_map(Value::from).prop_filter("a valid text", move |text| ready.is_valid(text)).boxed()
}

/// An address in RFC 5952, or in another spelling.
fn ipv6((address, canonical): (std::net::Ipv6Addr, bool)) -> String {
    match canonical {
        true => address.to_string(),
        false => address.segments().map(|group| format!("{group:04X}")).join(":"),
    }
}

fn of_pattern(schema: &Value) -> BoxedStrategy<String> {
    let pattern = schema["pattern"].as_str().unwrap();
    let inner = pattern.strip_prefix('^').unwrap().strip_suffix('$').unwrap();
    let length = |key: &str| schema.get(key).and_then(Value::as_u64);
    let (least, most) = (length("minLength").unwrap_or(0), length("maxLength"));
    // A repeated class is given the lengths that pass, the greatest among them; a filter would rarely hit it.
    match (inner.strip_suffix("]*"), most) {
        (Some(class), Some(most)) => prop_oneof![
            3 => regex(&format!("{class}]{{{least},{most}}}")),
            1 => regex(&format!("{class}]{{{most}}}")),
        ]
        .boxed(),
        _ => regex(inner),
    }
}

fn regex(pattern: &str) -> BoxedStrategy<String> {
    string_regex(pattern).unwrap().boxed()
}

fn list(schema: &Value) -> BoxedStrategy<Value> {
    let size = |key: &str| schema.get(key).and_then(Value::as_u64).map(|size| usize::try_from(size).unwrap());
    let (least, most) = (size("minItems").unwrap_or(0), size("maxItems").unwrap());
    let unique = schema.get("uniqueItems").is_some();
    proptest::collection::vec(value(&schema["items"]), least..=most)
        .prop_map(move |mut items| {
            if unique {
                let mut seen: Vec<Value> = Vec::new();
                items.retain(|item| {
                    !seen.contains(item) && {
                        seen.push(item.clone());
                        true
                    }
                });
            }
            json!(items)
        })
        .boxed()
}

fn object(schema: &Value) -> BoxedStrategy<Value> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map_or(Vec::new(), |names| names.iter().map(|name| name.as_str().unwrap()).collect());
    let members: Vec<BoxedStrategy<Option<(String, Value)>>> = schema["properties"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, schema)| {
            let member = {
                let name = name.clone();
                value(schema).prop_map(move |value| (name.clone(), value))
            };
            if required.contains(&name.as_str()) {
                member.prop_map(Some).boxed()
            } else {
                proptest::option::of(member).boxed()
            }
        })
        .collect();
    members.prop_map(|members| Value::Object(members.into_iter().flatten().collect::<Map<_, _>>())).boxed()
}
