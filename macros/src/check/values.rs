//! The values in attributes: names, and the bounds of texts, numbers and lists.

use super::pattern;
use crate::messages;
use crate::model::{NumberRule, Rule, TextRule};
use crate::names;
use crate::parse::input::{Arg, spelled};
use crate::parse::{self, Setting, bare, peel};
use crate::sink::Sink;
use proc_macro2::Ident;
use quote::ToTokens;
use syn::{LitStr, Type};

/// The greatest number that every reader of JSON keeps exactly.
const MOST: f64 = 9_007_199_254_740_991.0;
const NUMBERS: [&str; 9] = ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f64"];
const MAPS: [&str; 4] = ["HashMap", "BTreeMap", "IndexMap", "FxHashMap"];
/// The formats' names and the variants of the runtime's `Format`.
const FORMATS: [(&str, &str); 8] = [
    ("uuid", "Uuid"),
    ("date", "Date"),
    ("date-time", "DateTime"),
    ("duration", "Duration"),
    ("email", "Email"),
    ("hostname", "Hostname"),
    ("ipv4", "Ipv4"),
    ("ipv6", "Ipv6"),
];

/// The wire name that a setting gives, or that of the identifier.
pub(super) fn name(setting: Option<&Setting>, ident: &Ident, sink: &Sink<'_>) -> Option<String> {
    let literal = match setting {
        None => None,
        Some(setting) => Some(sink.take(parse::text(setting, "a string literal"))?),
    };
    wire_name(literal.as_ref(), &names::wire(ident), ident, sink)
}

/// The wire name that a literal gives, or else `standard`.
pub(super) fn wire_name(literal: Option<&LitStr>, standard: &str, at: &Ident, sink: &Sink<'_>) -> Option<String> {
    let name = literal.map_or_else(|| standard.to_owned(), LitStr::value);
    if names::is_wire_name(&name) {
        return Some(name);
    }
    let better = better_name(&name);
    match literal {
        Some(literal) => sink.push(messages::attr_bad_name(literal, &name, &better)),
        None => sink.push(messages::attr_bad_name(at, &name, &better)),
    }
    None
}

fn better_name(name: &str) -> String {
    let cased: String = names::snake(name).chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let words: Vec<&str> = cased.split('_').filter(|word| !word.is_empty()).collect();
    let better: String = words.join("_").chars().take(64).collect();
    if names::is_wire_name(&better) { better } else { "name_of_it".to_owned() }
}

/// The rule of a parameter or field `name` of type `ty`, the option around it peeled off.
pub(super) fn rule(arg: &Arg, ty: &Type, name: &str, sink: &Sink<'_>) -> Option<Rule> {
    let part = sink.part();
    if let Some(error) = refused_type(ty, name) {
        sink.push(error);
        return None;
    }
    let rule =
        if let Some(item) = peel(ty, "Vec") { list(arg, ty, item, name, &part) } else { single(arg, ty, name, &part) };
    if part.failed() { None } else { rule }
}

/// Types that no bounds make acceptable. Only spellings are seen here; aliases run into the traits' bounds.
fn refused_type(ty: &Type, name: &str) -> Option<syn::Error> {
    let text = ty.to_token_stream().to_string().replace(' ', "");
    if peel(ty, "Option").is_some() {
        return Some(messages::args_nested_option(ty, name));
    }
    match bare(ty) {
        Type::Tuple(_) => Some(messages::args_tuple(ty, name)),
        Type::Array(array) => {
            let item = array.elem.to_token_stream().to_string();
            Some(messages::args_array(ty, name, &item))
        }
        Type::Path(path) => {
            let first = path.path.segments.first()?.ident.to_string();
            let last = path.path.segments.last()?.ident.to_string();
            match last.as_str() {
                "Value" | "Map" if first == "serde_json" => Some(messages::args_untyped_json(ty, name, &text)),
                last if MAPS.contains(&last) => Some(messages::args_map(ty, name, last)),
                "u128" | "i128" | "usize" | "isize" => Some(messages::args_wide_integer(ty, name, &last)),
                "f32" if path.path.is_ident("f32") => Some(messages::args_single_float(ty, name)),
                "Secret" | "SecretString" | "SecretBox" => Some(messages::args_secret(ty, name)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether a type is spelled as a plain one.
pub(super) fn is_plain(ty: &Type) -> bool {
    spelled(ty, &["String", "str", "bool", "char"]) || spelled(ty, &NUMBERS)
}

const OF_TEXT: [&str; 5] = ["pattern", "format", "free_text", "min_len", "max_len"];
const OF_NUMBERS: [&str; 2] = ["min", "max"];
const OF_ITEMS: [&str; 9] = ["pattern", "format", "free_text", "min_len", "max_len", "min", "max", "example", "unit"];
const OF_LISTS: [&str; 4] = ["max_items", "min_items", "unique", "each"];

fn list(arg: &Arg, ty: &Type, item: &Type, name: &str, sink: &Sink<'_>) -> Option<Rule> {
    if let Some(key) = arg.key(&OF_ITEMS) {
        sink.push(messages::args_bounds_of_items(key, name, &key.to_string()));
        return None;
    }
    let min_items = arg.min_items.unwrap_or(0);
    let Some(max_items) = arg.max_items else {
        sink.push(messages::args_unbounded_list(ty, name));
        return None;
    };
    if min_items > max_items {
        sink.push(messages::args_empty_range(arg.key(&["min_items"]), name, "min_items", "max_items"));
    }
    if peel(item, "Vec").is_some() {
        sink.push(messages::args_nested_list(item, name));
        return None;
    }
    let none = Arg { within: "each", ..Arg::default() };
    let each = rule(arg.each.as_deref().unwrap_or(&none), item, name, sink)?;
    Some(Rule::List { min_items, max_items, unique: arg.unique, item: item.clone(), each: Box::new(each) })
}

fn single(arg: &Arg, ty: &Type, name: &str, sink: &Sink<'_>) -> Option<Rule> {
    if let Some(key) = arg.key(&OF_LISTS) {
        sink.push(messages::args_not_a_list(key, name, &key.to_string()));
        return None;
    }
    match (arg.key(&OF_TEXT), arg.key(&OF_NUMBERS)) {
        (Some(text), Some(number)) => {
            sink.push(messages::args_two_rules(number, name, &text.to_string(), &number.to_string()));
            None
        }
        (Some(_), None) => text_rule(arg, ty, name, sink).map(Rule::Text),
        (None, Some(_)) => number_rule(arg, ty, name, sink).map(Rule::Number),
        (None, None) if spelled(ty, &["String"]) => text_rule(arg, ty, name, sink).map(Rule::Text),
        (None, None) if spelled(ty, &NUMBERS) => number_rule(arg, ty, name, sink).map(Rule::Number),
        (None, None) => {
            if let Some(key) = arg.key(&OF_ITEMS) {
                sink.push(messages::args_useless_key(key, name, &key.to_string()));
            }
            Some(Rule::Type)
        }
    }
}

/// The rule of a text; errors about what is missing point to `at`.
pub(super) fn text_rule(arg: &Arg, at: impl ToTokens, name: &str, sink: &Sink<'_>) -> Option<TextRule> {
    let part = sink.part();
    if let Some(unit) = arg.key(&["unit"]) {
        part.push(messages::args_useless_key(unit, name, "unit"));
    }
    let forms: Vec<&Ident> = arg.keys.iter().filter(|key| OF_TEXT.iter().take(3).any(|form| key == form)).collect();
    match forms.as_slice() {
        [] => {
            let (wrong, help) = if arg.key(&OF_TEXT).is_some() {
                (
                    "does not say what it takes",
                    "add `pattern = \"^[a-z0-9-]{1,63}$\"`, `format = uuid` or `free_text`".to_owned(),
                )
            } else {
                let (open, close) = if arg.within == "each" { ("each", "") } else { ("#[arg", "]") };
                let forms = ["pattern = \"^[a-z0-9-]{1,63}$\"", "format = uuid", "free_text, max_len = 500"];
                let [pattern, format, free] = forms.map(|form| format!("`{open}({form}){close}`"));
                ("has no bounds", format!("add {pattern}, {format} or {free}"))
            };
            part.push(messages::args_unbounded_text(&at, name, wrong, &help));
            return None;
        }
        [_] => {}
        [first, second, ..] => {
            part.push(messages::args_two_rules(second, name, &first.to_string(), &second.to_string()))
        }
    }
    let mut bounded = arg.max_len.is_some() || arg.format.is_some();
    let pattern = arg.pattern.as_ref().and_then(|literal| {
        let checked = part.take(pattern::check(literal, name))?;
        bounded |= checked.bounded;
        Some((literal.clone(), checked))
    });
    let format = arg.format.as_ref().and_then(|literal| {
        let known = FORMATS.iter().find(|(word, _)| *word == literal.value());
        if known.is_none() {
            let words: Vec<&str> = FORMATS.iter().map(|(word, _)| *word).collect();
            part.push(messages::attr_unknown_format(literal, &words));
        }
        known.map(|(_, variant)| *variant)
    });
    if !bounded && !part.failed() {
        part.push(messages::args_unbounded_text(&at, name, "has no greatest length", "add `max_len = 500`"));
    }
    let (min_len, max_len) = (arg.min_len, arg.max_len);
    if min_len.zip(max_len).is_some_and(|(least, most)| least > most) {
        part.push(messages::args_empty_range(arg.key(&["min_len"]), name, "min_len", "max_len"));
    }
    let example = arg.example.as_ref().and_then(|setting| part.take(parse::text(setting, "a string literal")));
    if let Some(example) = &example {
        let text = example.value();
        let length = text.chars().count();
        let fits =
            |bound: Option<u32>, far: fn(usize, usize) -> bool| !bound.is_some_and(|bound| far(length, bound as usize));
        if !(fits(min_len, |length, least| length < least) && fits(max_len, |length, most| length > most)) {
            part.push(messages::args_refused_example(example, name, "length"));
        } else if pattern.as_ref().is_some_and(|(_, checked)| !checked.matches(&text)) {
            part.push(messages::args_refused_example(example, name, "pattern"));
        }
    }
    (!part.failed()).then(|| TextRule {
        pattern: pattern.map(|(literal, _)| literal),
        format,
        free_text: arg.free_text,
        min_len,
        max_len,
        example: example.map(|example| example.value()),
    })
}

/// The rule of a number; errors about what is missing point to `at`.
pub(super) fn number_rule(arg: &Arg, at: impl ToTokens, name: &str, sink: &Sink<'_>) -> Option<NumberRule> {
    let part = sink.part();
    let (Some(min), Some(max)) = (&arg.min, &arg.max) else {
        part.push(messages::args_unbounded_number(at, name));
        return None;
    };
    if min.value > max.value {
        part.push(messages::args_empty_range(&min.tokens, name, "min", "max"));
    }
    for bound in [min, max] {
        if bound.value.abs() > MOST {
            part.push(messages::args_unsafe_range(&bound.tokens, name));
        }
    }
    let example = arg.example.as_ref().and_then(|setting| part.take(parse::number(setting)));
    if let Some(example) = &example
        && !part.failed()
        && !(min.value..=max.value).contains(&example.value)
    {
        part.push(messages::args_refused_example(&example.tokens, name, "range"));
    }
    (!part.failed()).then(|| NumberRule {
        min: min.value,
        max: max.value,
        unit: arg.unit.as_ref().map(LitStr::value),
        example: example.map(|example| example.digits),
        at: max.span,
    })
}
