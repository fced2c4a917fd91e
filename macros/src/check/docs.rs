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
    if let Some(hidden) = docs.text.chars().find(|character| is_hidden(*character)) {
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

/// Control characters other than the line break, zero-width and bidirectional ones, variation selectors and tags.
fn is_hidden(character: char) -> bool {
    (character.is_control() && character != '\n')
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}
