//! Decoders take exactly what schemas admit, say why not without repeating anything, and encode in one way.

use super::generate;
use super::json::{Dice, Json};
use super::meaning::meaning;
use super::mutate::{CANARY, Pool, mutate};
use super::subject::{Subject, subjects};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

/// The rules that a violation may name: JSON Schema's keywords and ours.
const RULES: [&str; 15] = [
    "type",
    "required",
    "additionalProperties",
    "enum",
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "uniqueItems",
    "unique_names",
    "json",
];

/// Containers inside each other that gate 0 lets pass.
const DEEPEST: usize = 64;

/// Runs a property on every subject; the name says which failed.
fn each(cases: u32, property: impl Fn(&'static Subject, Value, Vec<u64>, u64) -> Result<(), TestCaseError>) {
    for subject in subjects() {
        let config = Config { cases, failure_persistence: None, max_global_rejects: 50_000, ..Config::default() };
        let input = (generate::valid(subject), proptest::collection::vec(any::<u64>(), 1..4), any::<u64>());
        let run = TestRunner::new(config)
            .run(&input, |(value, mutations, spelling)| property(subject, value, mutations, spelling));
        if let Err(error) = run {
            panic!("{}: {error}", subject.name);
        }
    }
}

/// What a caller may expect from the schema and gate 0, for a text of this tree.
fn advertised(subject: &Subject, json: &Json, text: &str) -> bool {
    // What serde_json cannot read, gate 0 refuses; so it does what no parser reports.
    let Ok(value) = serde_json::from_str::<Value>(text) else { return false };
    json.depth() <= DEEPEST && !json.repeats_a_name() && subject.advertises(&value)
}

fn mutated(subject: &Subject, value: &Value, mutations: &[u64]) -> Json {
    let pool = Pool::of(&subject.schema);
    let mut json = Json::from(value);
    for seed in mutations {
        mutate(&mut json, &pool, &mut Dice(*seed));
    }
    json
}

#[test]
fn what_is_valid_is_taken() {
    each(250, |subject, value, _, spelling| {
        let text = Json::from(&value).spelled(Some(spelling));
        let taken = subject.enforces(&text);
        prop_assert!(taken.is_ok(), "{} is valid, but {:?}", text, taken);
        Ok(())
    });
}

#[test]
fn what_is_taken_is_valid_and_the_other_way_round() {
    each(1_200, |subject, value, mutations, spelling| {
        let json = mutated(subject, &value, &mutations);
        for text in [json.text(), json.spelled(Some(spelling))] {
            let (advertised, enforced) = (advertised(subject, &json, &text), subject.enforces(&text));
            prop_assert_eq!(advertised, enforced.is_ok(), "{}: {:?}", text, enforced);
        }
        Ok(())
    });
}

#[test]
fn violations_have_a_place_and_repeat_nothing() {
    each(600, |subject, value, mutations, _| {
        let json = mutated(subject, &value, &mutations);
        let Err(violations) = subject.enforces(&json.text()) else { return Ok(()) };
        for violation in violations {
            prop_assert!(json.has_place(&violation.path), "{}: {:?}", json.text(), violation);
            prop_assert!(RULES.contains(&violation.rule), "{:?}", violation);
            prop_assert!(!violation.expected.is_empty());
            let said = format!("{violation:?} {violation}").to_lowercase();
            prop_assert!(!said.contains(&CANARY.to_lowercase()), "{}: {}", json.text(), said);
        }
        Ok(())
    });
}

#[test]
fn an_encoding_is_canonical_and_comes_back() {
    each(300, |subject, value, _, spelling| {
        let json = Json::from(&value);
        let mut value = value;
        if let Some(members) = value.as_object_mut() {
            // They name the action, or the one before it, and are none of its arguments.
            members.remove("idempotency_key");
            members.remove("again_after");
        }
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let canonical = text(subject.enforces(&json.text()).unwrap());
        let respelled = text(subject.enforces(&json.spelled(Some(spelling))).unwrap());
        prop_assert_eq!(&canonical, &respelled);
        let again = subject.enforces(&canonical).map(text);
        prop_assert_eq!(again.as_ref(), Ok(&canonical));
        let said: Value = serde_json::from_str(&canonical).unwrap();
        prop_assert!(subject.advertises(&said), "{}", canonical);
        prop_assert!(
            same(&meaning(&subject.schema, &said), &meaning(&subject.schema, &value)),
            "{} is not {}",
            canonical,
            value
        );
        Ok(())
    });
}

/// Equal as JSON Schema has it.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64().unwrap() == right.as_f64().unwrap(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| same(left, right)))
        }
        _ => left == right,
    }
}
