//! `#[output(..)]` on the items that `#[derive(ToolOutput)]` stands on.

use super::{Grammar, Setting, lists, settings, split};
use crate::sink::Sink;
use proc_macro2::Ident;
use syn::{Attribute, LitStr};

const CONTAINER: Grammar = Grammar { attribute: "output", keys: &["empty_when", "crate"] };
const VARIANT: Grammar = Grammar { attribute: "output", keys: &["empty_when", "name"] };
const FIELD: Grammar = Grammar { attribute: "output", keys: &["name"] };

/// What is written on an output type, a variant or a field.
#[derive(Default)]
pub(crate) struct OutputAttr {
    pub(crate) empty_when: Option<Ident>,
    pub(crate) name: Option<LitStr>,
    pub(crate) krate: Option<Setting>,
}

impl OutputAttr {
    /// Reads the attribute of a type.
    pub(crate) fn container(attrs: &[Attribute], sink: &Sink<'_>) -> Self {
        Self::read(attrs, &CONTAINER, sink)
    }

    /// Reads the attribute of a variant.
    pub(crate) fn variant(attrs: &[Attribute], sink: &Sink<'_>) -> Self {
        Self::read(attrs, &VARIANT, sink)
    }

    /// Reads the attribute of a field.
    pub(crate) fn field(attrs: &[Attribute], sink: &Sink<'_>) -> Self {
        Self::read(attrs, &FIELD, sink)
    }

    fn read(attrs: &[Attribute], grammar: &Grammar, sink: &Sink<'_>) -> Self {
        let parts = lists(attrs, "output", sink).into_iter().flat_map(|(_, tokens)| split(tokens)).collect();
        let mut read = OutputAttr::default();
        for setting in settings(parts, grammar, sink) {
            match setting.key.to_string().as_str() {
                "empty_when" => read.empty_when = sink.take(super::word(&setting, "the name of a field")),
                "name" => read.name = sink.take(super::text(&setting, "a string literal")),
                _ => read.krate = Some(setting),
            }
        }
        read
    }
}
