//! Error types: every variant has a kind, a code of its own and a message that shows nothing internal.

use super::foreign;
use crate::messages;
use crate::model::{ErrorCase, ErrorField, ToolError};
use crate::names;
use crate::parse::error::{CONTAINER, CaseAttr, is_detail};
use crate::parse::{self, word};
use crate::sink::Sink;
use proc_macro2::Ident;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, LitStr, Variant};

/// The kinds' words and the variants of the runtime's `Kind`.
const KINDS: [(&str, &str); 7] = [
    ("not_found", "NotFound"),
    ("denied", "Denied"),
    ("rejected", "Rejected"),
    ("conflict", "Conflict"),
    ("invalid_arguments", "InvalidArguments"),
    ("transient", "Transient"),
    ("unavailable", "Unavailable"),
];

/// Checks a type with `#[derive(ToolError)]`.
pub(crate) fn check(item: DeriveInput, sink: &Sink<'_>) -> Option<ToolError> {
    foreign(&item.attrs, sink);
    super::input::generics(&item, sink);
    let krate = parse::crate_of(parse::container(&item.attrs, &CONTAINER, sink).first(), sink);
    let name = item.ident;
    let Data::Enum(data) = item.data else {
        sink.push(messages::err_not_an_enum(&name, &name));
        return None;
    };
    if data.variants.is_empty() {
        sink.push(messages::item_empty_enum(&name, &name));
        return None;
    }
    let mut cases: Vec<ErrorCase> = Vec::new();
    for variant in &data.variants {
        cases.extend(case(variant, &cases, &sink.part()));
    }
    (!sink.failed()).then_some(ToolError { krate, ident: name, cases })
}

fn case(variant: &Variant, earlier: &[ErrorCase], sink: &Sink<'_>) -> Option<ErrorCase> {
    let ident = &variant.ident;
    if !parse::has(&variant.attrs, "tool_error") {
        sink.push(messages::err_no_kind(ident, ident));
        return None;
    }
    let attr = CaseAttr::read(variant, sink)?;
    let kind = match &attr.kind {
        None => {
            sink.push(messages::err_no_kind(ident, ident));
            None
        }
        Some(word) => {
            let known = KINDS.iter().find(|(name, _)| word == name).map(|(_, kind)| *kind);
            if known.is_none() {
                sink.push(messages::err_unknown_kind(word));
            }
            known
        }
    };
    if attr.message.is_none() && !sink.failed() {
        sink.push(messages::err_no_message(ident, ident));
    }
    let code = code(&attr, ident, earlier, sink);
    let suggest = attr
        .get("suggest")
        .and_then(|setting| sink.take(parse::text(setting, "a string literal such as `\"find_host\"`")));
    let retry_after_ms = attr.get("retry_after").and_then(|setting| sink.take(parse::millis(setting, 86_400_000)));
    if let (Some(setting), Some(kind), Some(word)) = (attr.get("retry_after"), kind, &attr.kind)
        && !matches!(kind, "Transient" | "Unavailable")
    {
        sink.push(messages::err_retry_after_on_final(&setting.key, ident, word));
    }
    let effect = attr.get("effect").and_then(|setting| sink.take(effect(setting)));
    let stored = attr.get("stored").is_some_and(|setting| stored(setting, kind, effect, ident, sink));
    let mut fields: Vec<ErrorField> = variant
        .fields
        .iter()
        .enumerate()
        .map(|(place, field)| {
            let name = field.ident.as_ref().map_or_else(|| place.to_string(), names::plain);
            let member =
                field.ident.as_ref().map_or_else(|| syn::Index::from(place).to_token_stream(), |ident| quote!(#ident));
            ErrorField { name, member, detail: is_detail(&field.attrs), shown: false }
        })
        .collect();
    let message = attr.message.as_ref().and_then(|message| self::message(message, &mut fields, ident, sink));
    if sink.failed() {
        return None;
    }
    Some(ErrorCase {
        ident: ident.clone(),
        code: code?,
        kind: kind?,
        message: message?,
        suggest: suggest.map(|suggest| suggest.value()),
        retry_after_ms,
        effect,
        stored,
        fields,
    })
}

/// `stored` on an error after which the effect is known; only that can be an action's answer.
fn stored(
    setting: &parse::Setting,
    kind: Option<&str>,
    effect: Option<&str>,
    variant: &Ident,
    sink: &Sink<'_>,
) -> bool {
    let stored = sink.take(parse::flag(setting)).unwrap_or(false);
    if stored && (matches!(kind, Some("Transient" | "Unavailable")) || effect == Some("Unknown")) {
        sink.push(messages::err_stored_in_doubt(&setting.key, variant));
    }
    stored
}

fn effect(setting: &parse::Setting) -> syn::Result<&'static str> {
    let expected = "`none` or `unknown`";
    let word = word(setting, expected)?;
    match word.to_string().as_str() {
        "none" => Ok("None"),
        "unknown" => Ok("Unknown"),
        _ => Err(messages::attr_wrong_value(&word, "effect", expected)),
    }
}

fn code(attr: &CaseAttr, ident: &Ident, earlier: &[ErrorCase], sink: &Sink<'_>) -> Option<String> {
    let literal = match attr.get("code") {
        None => None,
        Some(setting) => Some(sink.take(parse::text(setting, "a string literal such as `\"NO_HOST\"`"))?),
    };
    let code = literal.as_ref().map_or_else(|| names::snake(&names::plain(ident)).to_uppercase(), LitStr::value);
    if let Some(literal) = &literal {
        let shaped = code.len() <= 64
            && code.starts_with(|c: char| c.is_ascii_uppercase())
            && code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if !shaped {
            sink.push(messages::err_bad_code(literal));
            return None;
        }
    }
    if let Some(first) = earlier.iter().find(|case| case.code == code) {
        sink.push(match &literal {
            Some(literal) => messages::err_duplicate_code(literal, &code, &first.ident),
            None => messages::err_duplicate_code(ident, &code, &first.ident),
        });
        return None;
    }
    Some(code)
}

/// Checks what the message shows, and gives tuple fields names: `{0}` becomes `{field_0}`.
fn message(literal: &LitStr, fields: &mut [ErrorField], variant: &Ident, sink: &Sink<'_>) -> Option<LitStr> {
    let text = literal.value();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(place) = rest.find('{') {
        let (before, after) = rest.split_at(place);
        out.push_str(before);
        if let Some(tail) = after.strip_prefix("{{") {
            out.push_str("{{");
            rest = tail;
            continue;
        }
        // Without a closing brace the literal is no format string, which rustc says itself.
        let Some(end) = after.find('}') else {
            out.push_str(after);
            rest = "";
            break;
        };
        let (inside, tail) = (after.get(1..end).unwrap_or_default(), after.get(end + 1..).unwrap_or_default());
        let (name, format) = inside.split_once(':').map_or((inside, None), |(name, format)| (name, Some(format)));
        let known: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
        let Some(field) = fields.iter_mut().find(|field| field.name == name.trim()) else {
            sink.push(messages::err_unknown_field(literal, name, variant, &known));
            return None;
        };
        if field.detail {
            sink.push(messages::err_detail_in_message(literal, &field.name));
        } else if format.is_some_and(|format| format.ends_with('?')) {
            sink.push(messages::err_debug_in_message(literal, &field.name));
        }
        field.shown = true;
        out.push('{');
        out.push_str(&field.binding());
        if let Some(format) = format {
            out.push(':');
            out.push_str(format);
        }
        out.push('}');
        rest = tail;
    }
    out.push_str(rest);
    Some(LitStr::new(&out, literal.span()))
}
