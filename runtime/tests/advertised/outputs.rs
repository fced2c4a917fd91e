//! What output types serialise is what they advertise.

use super::subject::oracle;
use super::types::{Cents, Thing, Zone};
use proptest::prelude::*;
use safe_tool::__private as p;
use safe_tool::prelude::*;
use serde_json::Value;

#[derive(ToolOutput, Debug)]
struct Numbers {
    /// A byte.
    byte: u8,
    /// A signed number.
    signed: i64,
    /// A count.
    count: u64,
    /// Small.
    small: i16,
    /// A share.
    share: f64,
    /// In single precision.
    single: Option<f32>,
}

#[derive(ToolOutput, Debug)]
struct Reading {
    /// What was read.
    thing: Thing,
    /// What it costs.
    cents: Option<Cents>,
    /// Where.
    zone: Zone,
    /// Words.
    #[output(name = "type")]
    words: String,
    /// The numbers.
    numbers: Numbers,
    /// Whether at all.
    on: Option<bool>,
    /// Nothing to say.
    done: Done,
}

#[derive(ToolOutput, Debug)]
#[output(empty_when = readings)]
struct Report {
    /// The readings.
    readings: Page<Reading>,
    /// Where they are from.
    zones: Page<Zone>,
    /// What it comes to.
    verdict: Option<Verdict>,
}

#[derive(ToolOutput, Debug)]
enum Verdict {
    /// Nothing is known.
    Unknown,
    /// Something was seen.
    Seen {
        /// When.
        at: Page<Moment>,
        /// Which.
        thing: Option<Thing>,
    },
}

#[derive(ToolOutput, Debug)]
struct Moment(String);

#[derive(ToolOutput, Debug)]
struct Things(Page<Thing>);

fn thing() -> impl Strategy<Value = Thing> {
    "[a-z][a-z0-9-]{0,30}".prop_map(|text| Thing::parse(text).unwrap())
}

fn zone() -> impl Strategy<Value = Zone> {
    prop::sample::select(vec![Zone::Office, Zone::Exposed, Zone::PlantFloor])
}

fn page<T: std::fmt::Debug>(item: impl Strategy<Value = T>) -> impl Strategy<Value = Page<T>> {
    (prop::collection::vec(item, 0..4), 0..5usize).prop_map(|(items, cap)| Page::capped(items, cap))
}

prop_compose! {
    fn numbers()(
        byte in any::<u8>(),
        signed in any::<i64>(),
        count in any::<u64>(),
        small in any::<i16>(),
        share in any::<f64>(),
        single in prop::option::of(any::<f32>()),
    ) -> Numbers {
        Numbers { byte, signed, count, small, share, single }
    }
}

prop_compose! {
    fn reading()(
        thing in thing(),
        cents in prop::option::of(1..=50_000u32),
        zone in zone(),
        words in any::<String>(),
        numbers in numbers(),
        on in any::<Option<bool>>(),
    ) -> Reading {
        Reading { thing, cents: cents.map(|cents| Cents::new(cents).unwrap()), zone, words, numbers, on, done: Done }
    }
}

prop_compose! {
    fn verdict()(seen in prop::option::of((page(any::<String>().prop_map(Moment)), prop::option::of(thing())))) -> Verdict {
        seen.map_or(Verdict::Unknown, |(at, thing)| Verdict::Seen { at, thing })
    }
}

prop_compose! {
    fn report()(readings in page(reading()), zones in page(zone()), verdict in prop::option::of(verdict())) -> Report {
        Report { readings, zones, verdict }
    }
}

fn serialised<T: ToolOutput>(output: &T) -> Value {
    serde_json::from_slice(&p::plain(|writer| output.encode(writer))).unwrap()
}

fn hold<T: ToolOutput>(output: &T) -> Result<Value, TestCaseError> {
    let schema: Value = T::schema().into();
    prop_assert!(jsonschema::meta::is_valid(&schema));
    let said = serialised(output);
    let verdict = oracle(&schema).validate(&said).map_err(|error| error.to_string());
    prop_assert!(verdict.is_ok(), "{:?}: {}", verdict, said);
    Ok(said)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reports(report in report()) {
        let said = hold(&report)?;
        let readings = said["readings"].as_array().unwrap();
        prop_assert_eq!(ToolOutput::is_empty(&report), readings.is_empty());
        for (said, is) in readings.iter().zip(report.readings.items()) {
            prop_assert_eq!(&said["type"], &Value::from(is.words.as_str()));
            let (said, is) = (&said["numbers"], &is.numbers);
            prop_assert_eq!(said["signed"].as_i64(), Some(is.signed));
            prop_assert_eq!(said["count"].as_u64(), Some(is.count));
            prop_assert_eq!(said["share"].as_f64(), Some(is.share));
            prop_assert_eq!(said["single"].as_f64().map(|single| single as f32), is.single);
        }
        for reading in report.readings.items() {
            hold(reading)?;
        }
    }

    #[test]
    fn verdicts_and_newtypes(verdict in verdict(), moment in any::<String>(), things in page(thing()), zone in zone()) {
        hold(&verdict)?;
        hold(&Moment(moment))?;
        hold(&zone)?;
        hold(&Done)?;
        let (empty, cut) = (things.items().is_empty(), things.truncated());
        let things = Things(things);
        hold(&things)?;
        prop_assert_eq!((things.is_empty(), things.is_truncated()), (empty, cut));
    }
}

#[test]
fn a_page_holds_no_more_than_it_says() {
    let things = Page::capped((0..3_000).map(|n| Thing::parse(format!("t{n}")).unwrap()), usize::MAX);
    assert!(things.truncated());
    hold(&Things(things)).unwrap();
}
