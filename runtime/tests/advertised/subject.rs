//! What is tested: a schema, and the decoder that must agree with it.

use super::types::*;
use safe_tool::__private as p;
use safe_tool::prelude::*;
use serde_json::Value;
use std::sync::OnceLock;

/// Text in; the canonical encoding or the violations out.
type Decode = Box<dyn Fn(&str) -> Result<Vec<u8>, Vec<p::Violation>> + Send + Sync>;

/// A type or tool, seen from outside.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) schema: Value,
    oracle: jsonschema::Validator,
    decode: Decode,
}

impl Subject {
    fn of_type<T: ToolInput>(name: &'static str) -> Self {
        let decode = |text: &str| {
            let mut decoder = p::Decoder::new(text);
            let value = T::decode(&mut decoder);
            judged(value, decoder).map(|value| p::plain(|writer| value.encode(writer)))
        };
        Self::new(name, T::schema().into(), Box::new(decode))
    }

    fn of_tool<T: p::SafeTool>() -> Self {
        let tool = T::descriptor();
        let decode = move |text: &str| {
            let mut decoder = p::Decoder::new(text);
            let arguments = (tool.decode)(&mut decoder);
            let arguments = judged(arguments, decoder)?;
            let mut members = Vec::new();
            for (place, field) in tool.arguments.iter().enumerate() {
                let mut present = false;
                let value = p::plain(|writer| present = arguments.encode(place, writer));
                if present {
                    members.push(format!("{:?}:{}", field.name, String::from_utf8(value).unwrap()));
                }
            }
            Ok(format!("{{{}}}", members.join(",")).into_bytes())
        };
        Self::new(tool.name, p::object_schema(tool.arguments).into(), Box::new(decode))
    }

    fn new(name: &'static str, schema: Value, decode: Decode) -> Self {
        let oracle = oracle(&schema);
        Subject { name, schema, oracle, decode }
    }

    /// What the schema says.
    pub(crate) fn advertises(&self, value: &Value) -> bool {
        self.oracle.is_valid(value)
    }

    /// What the decoder does: the canonical encoding, or the violations.
    pub(crate) fn enforces(&self, text: &str) -> Result<Vec<u8>, Vec<p::Violation>> {
        (self.decode)(text)
    }
}

/// As gate 3 judges: a value counts only when nothing was noted.
fn judged<T>(value: Option<T>, decoder: p::Decoder<'_>) -> Result<T, Vec<p::Violation>> {
    let (violations, _) = decoder.finish();
    match value {
        Some(value) if violations.is_empty() => Ok(value),
        _ => {
            assert!(!violations.is_empty(), "refused without saying why");
            Err(violations)
        }
    }
}

/// A validator that asserts formats.
pub(crate) fn oracle(schema: &Value) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

pub(crate) fn subjects() -> &'static [Subject] {
    static SUBJECTS: OnceLock<Vec<Subject>> = OnceLock::new();
    SUBJECTS.get_or_init(|| {
        vec![
            Subject::of_type::<bool>("bool"),
            Subject::of_type::<Thing>("Thing"),
            Subject::of_type::<Odd>("Odd"),
            Subject::of_type::<Reason>("Reason"),
            Subject::of_type::<Bounded>("Bounded"),
            Subject::of_type::<Cents>("Cents"),
            Subject::of_type::<Degrees>("Degrees"),
            Subject::of_type::<Zone>("Zone"),
            Subject::of_type::<Numbers>("Numbers"),
            Subject::of_type::<Floats>("Floats"),
            Subject::of_type::<Formats>("Formats"),
            Subject::of_type::<Texts>("Texts"),
            Subject::of_type::<Point>("Point"),
            Subject::of_type::<Lists>("Lists"),
            Subject::of_type::<Place>("Place"),
            Subject::of_type::<Outer>("Outer"),
            Subject::of_type::<Many>("Many"),
            Subject::of_tool::<take_all>(),
            Subject::of_tool::<take_nothing>(),
            Subject::of_tool::<take_keyed>(),
        ]
    })
}

pub(crate) fn subject(name: &str) -> &'static Subject {
    subjects().iter().find(|subject| subject.name == name).unwrap()
}
