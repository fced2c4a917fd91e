//! `#[arg(..)]`, `#[text(..)]`, `#[number(..)]`, and the items that `#[derive(ToolInput)]` stands on.

use super::{Form, Grammar, Number, Setting, flag, integer, lists, number, settings, split, text, word};
use crate::messages;
use crate::sink::Sink;
use proc_macro2::{Group, Ident};
use syn::{Attribute, LitStr, Type};

const ARG: Grammar = Grammar {
    attribute: "arg",
    keys: &[
        "pattern",
        "format",
        "free_text",
        "min_len",
        "max_len",
        "min",
        "max",
        "max_items",
        "min_items",
        "unique",
        "each",
        "target",
        "sensitive",
        "example",
        "unit",
        "name",
    ],
};
const EACH: Grammar = Grammar {
    attribute: "each",
    keys: &["pattern", "format", "free_text", "min_len", "max_len", "min", "max", "example", "unit"],
};
const TEXT: Grammar =
    Grammar { attribute: "text", keys: &["pattern", "format", "free_text", "min_len", "max_len", "example", "crate"] };
const NUMBER: Grammar = Grammar { attribute: "number", keys: &["min", "max", "unit", "example", "crate"] };
/// `#[arg(..)]` on a type.
pub(crate) const CONTAINER: Grammar = Grammar { attribute: "arg", keys: &["crate"] };
/// `#[arg(..)]` on a variant.
const VARIANT: Grammar = Grammar { attribute: "arg", keys: &["name"] };

/// What is written on a parameter, a field or a newtype.
#[derive(Default)]
pub(crate) struct Arg {
    /// The attribute, or `each`.
    pub(crate) within: &'static str,
    /// Every key that is given, for errors about it.
    pub(crate) keys: Vec<Ident>,
    pub(crate) pattern: Option<LitStr>,
    pub(crate) format: Option<LitStr>,
    pub(crate) free_text: bool,
    pub(crate) min_len: Option<u32>,
    pub(crate) max_len: Option<u32>,
    pub(crate) min: Option<Number>,
    pub(crate) max: Option<Number>,
    pub(crate) max_items: Option<u32>,
    pub(crate) min_items: Option<u32>,
    pub(crate) unique: bool,
    pub(crate) each: Option<Box<Arg>>,
    /// `target`, with the thing where one is named.
    pub(crate) target: Option<Option<LitStr>>,
    pub(crate) sensitive: bool,
    pub(crate) example: Option<Setting>,
    pub(crate) unit: Option<LitStr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) krate: Option<Setting>,
}

impl Arg {
    /// Reads `#[arg(..)]` of a parameter or field.
    pub(crate) fn read(attrs: &[Attribute], sink: &Sink<'_>) -> Self {
        Self::attribute(attrs, "arg", &ARG, sink)
    }

    /// Reads `#[text(..)]` of a newtype.
    pub(crate) fn text(attrs: &[Attribute], sink: &Sink<'_>) -> Self {
        Self::attribute(attrs, "text", &TEXT, sink)
    }

    /// Reads `#[number(..)]` of a newtype.
    pub(crate) fn number(attrs: &[Attribute], sink: &Sink<'_>) -> Self {
        Self::attribute(attrs, "number", &NUMBER, sink)
    }

    fn attribute(attrs: &[Attribute], name: &str, grammar: &Grammar, sink: &Sink<'_>) -> Self {
        let parts = lists(attrs, name, sink).into_iter().flat_map(|(_, tokens)| split(tokens)).collect();
        Self::of(settings(parts, grammar, sink), grammar, sink)
    }

    /// The first given key that is one of `words`.
    pub(crate) fn key(&self, words: &[&str]) -> Option<&Ident> {
        self.keys.iter().find(|key| words.iter().any(|word| key == word))
    }

    fn of(settings: Vec<Setting>, grammar: &Grammar, sink: &Sink<'_>) -> Self {
        let mut arg = Arg { within: grammar.attribute, ..Arg::default() };
        for setting in settings {
            arg.keys.push(setting.key.clone());
            // The key is checked against the grammar, so an unknown one cannot come here.
            if let Err(error) = arg.set(setting, sink) {
                sink.push(error);
            }
        }
        arg
    }

    fn set(&mut self, setting: Setting, sink: &Sink<'_>) -> syn::Result<()> {
        let most = u32::MAX;
        let quoted = "a string literal";
        match setting.key.to_string().as_str() {
            "pattern" => self.pattern = Some(text(&setting, "a string literal such as `\"^[a-z]{1,20}$\"`")?),
            "format" => self.format = Some(format(&setting)?),
            "free_text" => self.free_text = flag(&setting)?,
            "min_len" => self.min_len = Some(integer(&setting, 0, most)?),
            "max_len" => self.max_len = Some(integer(&setting, 1, most)?),
            "min" => self.min = Some(number(&setting)?),
            "max" => self.max = Some(number(&setting)?),
            "max_items" => self.max_items = Some(integer(&setting, 1, most)?),
            "min_items" => self.min_items = Some(integer(&setting, 0, most)?),
            "unique" => self.unique = flag(&setting)?,
            "each" => {
                let Form::List(group) = &setting.form else {
                    return Err(messages::attr_wrong_value(
                        &setting.key,
                        &setting.key,
                        "bounds in parentheses: `each(max_len = 20, free_text)`",
                    ));
                };
                let each = Arg::of(settings(split(Group::stream(group)), &EACH, sink), &EACH, sink);
                self.each = Some(Box::new(each));
            }
            "target" => self.target = Some(target(&setting)?),
            "sensitive" => self.sensitive = flag(&setting)?,
            "example" => self.example = Some(setting),
            "unit" => self.unit = Some(text(&setting, quoted)?),
            "name" => self.name = Some(text(&setting, quoted)?),
            _ => self.krate = Some(setting),
        }
        Ok(())
    }
}

/// `format = uuid`, `format = date_time`, `format = "date-time"`.
fn format(setting: &Setting) -> syn::Result<LitStr> {
    let expected = "a format such as `uuid` or `date_time`";
    match word(setting, expected) {
        Ok(word) => Ok(LitStr::new(&word.to_string().replace('_', "-"), word.span())),
        Err(_) => text(setting, expected),
    }
}

/// `target`, or `target = "host"`.
fn target(setting: &Setting) -> syn::Result<Option<LitStr>> {
    match &setting.form {
        Form::Flag => Ok(None),
        Form::Value(_) | Form::List(_) => {
            text(setting, "no value, or what its value names, such as `\"host\"`").map(Some)
        }
    }
}

/// The wire name that `#[arg(name = "..")]` gives a variant.
pub(crate) fn variant_name(attrs: &[Attribute], attribute: &str, sink: &Sink<'_>) -> Option<LitStr> {
    let parts = lists(attrs, attribute, sink).into_iter().flat_map(|(_, tokens)| split(tokens)).collect();
    let grammar = Grammar { attribute: if attribute == "arg" { "arg" } else { "output" }, ..VARIANT };
    let settings = settings(parts, &grammar, sink);
    settings.first().and_then(|setting| sink.take(text(setting, "a string literal")))
}

/// Whether a type is spelled as one of the words.
pub(crate) fn spelled(ty: &Type, words: &[&str]) -> bool {
    super::last_name(ty).is_some_and(|name| words.iter().any(|word| name == word))
}
