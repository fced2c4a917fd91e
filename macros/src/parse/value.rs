//! Reads the values of settings.

use super::{Form, Setting};
use crate::messages;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{Lit, LitStr, Result};

/// A number as written.
pub(crate) struct Number {
    pub(crate) value: f64,
    /// Its digits without underscores, as JSON has them.
    pub(crate) digits: String,
    pub(crate) tokens: TokenStream,
    pub(crate) span: Span,
}

/// The value tokens of `key = ..`.
///
/// # Errors
/// `attr_wrong_value` where the setting has another form; `expected` says what is taken.
pub(crate) fn lone<'a>(setting: &'a Setting, expected: &str) -> Result<&'a TokenStream> {
    match &setting.form {
        Form::Value(value) => Ok(value),
        Form::Flag => Err(messages::attr_wrong_value(&setting.key, &setting.key, expected)),
        Form::List(group) => Err(messages::attr_wrong_value(group, &setting.key, expected)),
    }
}

/// A string literal.
///
/// # Errors
/// `attr_wrong_value`, `attr_hidden_character`.
pub(crate) fn text(setting: &Setting, expected: &str) -> Result<LitStr> {
    let value = lone(setting, expected)?;
    let literal = syn::parse2(value.clone()).map_err(|_| messages::attr_wrong_value(value, &setting.key, expected))?;
    visible(literal)
}

/// A literal that holds nothing that a reviewer cannot see.
///
/// # Errors
/// `attr_hidden_character`.
pub(crate) fn visible(literal: LitStr) -> Result<LitStr> {
    match literal.value().chars().find(|character| is_hidden(*character)) {
        Some(hidden) => Err(messages::attr_hidden_character(&literal, hidden)),
        None => Ok(literal),
    }
}

/// Control characters other than the line break, zero-width and bidirectional ones, variation selectors and tags.
pub(crate) fn is_hidden(character: char) -> bool {
    (character.is_control() && character != '\n')
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// A key that stands alone.
///
/// # Errors
/// `attr_wrong_value`.
pub(crate) fn flag(setting: &Setting) -> Result<bool> {
    match &setting.form {
        Form::Flag => Ok(true),
        Form::Value(value) => Err(messages::attr_wrong_value(value, &setting.key, "no value")),
        Form::List(group) => Err(messages::attr_wrong_value(group, &setting.key, "no value")),
    }
}

/// One identifier.
///
/// # Errors
/// `attr_wrong_value`.
pub(crate) fn word(setting: &Setting, expected: &str) -> Result<Ident> {
    let value = lone(setting, expected)?;
    syn::parse2(value.clone()).map_err(|_| messages::attr_wrong_value(value, &setting.key, expected))
}

/// A whole number from `least` to `most`.
///
/// # Errors
/// `attr_wrong_value`, `attr_out_of_range`.
pub(crate) fn integer(setting: &Setting, least: u32, most: u32) -> Result<u32> {
    let expected = "a whole number";
    let value = lone(setting, expected)?;
    let literal: syn::LitInt =
        syn::parse2(value.clone()).map_err(|_| messages::attr_wrong_value(value, &setting.key, expected))?;
    literal
        .base10_parse::<u32>()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| messages::attr_out_of_range(&literal, &setting.key, least, most))
}

/// A number, whole or not, with or without a sign.
///
/// # Errors
/// `attr_wrong_value`.
pub(crate) fn number(setting: &Setting) -> Result<Number> {
    let expected = "a number such as `1` or `-0.5`";
    let tokens = lone(setting, expected)?;
    let wrong = || messages::attr_wrong_value(tokens, &setting.key, expected);
    let parse = |input: syn::parse::ParseStream<'_>| {
        let minus: Option<syn::Token![-]> = input.parse()?;
        Ok((minus.is_some(), input.parse::<Lit>()?))
    };
    let (negative, literal) = syn::parse::Parser::parse2(parse, tokens.clone()).map_err(|_| wrong())?;
    let digits = match &literal {
        Lit::Int(int) if int.suffix().is_empty() => int.base10_digits().to_owned(),
        Lit::Float(float) if float.suffix().is_empty() => float.base10_digits().to_owned(),
        _ => return Err(wrong()),
    };
    let digits = if negative { format!("-{digits}") } else { digits };
    let value: f64 = digits.parse().map_err(|_| wrong())?;
    let tokens = if negative { quote!(-#literal) } else { quote!(#literal) };
    Ok(Number { value, digits, tokens, span: literal.span() })
}

/// A duration such as `"30s"`, in milliseconds, greater than zero and at most `most_ms`.
///
/// # Errors
/// `attr_wrong_value`, `attr_bad_duration`.
pub(crate) fn millis(setting: &Setting, most_ms: u64) -> Result<u64> {
    let literal = text(setting, "a duration such as `\"30s\"`")?;
    let written = literal.value();
    let digits = written.len() - written.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, unit) = written.split_at(digits);
    let factor: Option<u64> = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    count
        .parse::<u64>()
        .ok()
        .zip(factor)
        .and_then(|(count, factor)| count.checked_mul(factor))
        .filter(|millis| (1..=most_ms).contains(millis))
        .ok_or_else(|| messages::attr_bad_duration(&literal, &setting.key, most_ms))
}
