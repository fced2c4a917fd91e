//! The texts that a model reads: there, short, and holding nothing that a reviewer cannot see.

use crate::messages;
use crate::parse;
use crate::sink::Sink;
use std::fmt::Display;
use syn::{Attribute, Error};

/// The most characters of a description.
const MOST: usize = 1024;

/// The description in the doc comment; `missing` where there is none.
pub(super) fn description(
    attrs: &[Attribute],
    name: impl Display,
    sink: &Sink<'_>,
    missing: impl FnOnce() -> Error,
) -> Option<String> {
    let part = sink.part();
    let docs = parse::docs(attrs, &part);
    if part.failed() {
        return None;
    }
    let Some(docs) = docs.filter(|docs| !docs.text.is_empty()) else {
        sink.push(missing());
        return None;
    };
    if let Some(hidden) = docs.text.chars().find(|character| parse::is_hidden(*character)) {
        sink.push(messages::doc_hidden_character(&docs.at, name, hidden));
        return None;
    }
    let length = docs.text.chars().count();
    if length > MOST {
        sink.push(messages::doc_too_long(&docs.at, name, length));
        return None;
    }
    Some(docs.text)
}
