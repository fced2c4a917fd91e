//! Reads what the developer wrote, as far as it can be read: every comma-separated part on its own, so a
//! half-typed one hides none of the others.

pub(crate) mod credential;
pub(crate) mod error;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod tool;
mod value;

pub(crate) use value::{Number, flag, integer, is_hidden, lone, millis, number, text, visible, word};

use crate::messages;
use crate::sink::Sink;
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::{Attribute, Meta, Path, Type};

/// One part of an attribute: `key`, `key = value` or `key(..)`.
pub(crate) struct Setting {
    pub(crate) key: Ident,
    pub(crate) form: Form,
}

/// What follows the key of a [`Setting`].
pub(crate) enum Form {
    Flag,
    Value(TokenStream),
    List(Group),
}

/// The keys that an attribute takes, and how messages name it.
pub(crate) struct Grammar {
    pub(crate) attribute: &'static str,
    pub(crate) keys: &'static [&'static str],
}

/// Splits at commas that are not inside brackets; empty parts are left out.
pub(crate) fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => parts.push(TokenStream::new()),
            other => {
                if let Some(part) = parts.last_mut() {
                    part.extend([other]);
                }
            }
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Reads the settings of an attribute; unknown and repeated keys are refused.
pub(crate) fn settings(parts: Vec<TokenStream>, grammar: &Grammar, sink: &Sink<'_>) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for part in parts {
        let Some(setting) = sink.take(one_setting(part, grammar.attribute)) else { continue };
        if !grammar.keys.iter().any(|key| setting.key == key) {
            sink.push(messages::attr_unknown_key(&setting.key, grammar.attribute, grammar.keys));
        } else if settings.iter().any(|earlier| earlier.key == setting.key) {
            sink.push(messages::attr_duplicate_key(&setting.key));
        } else {
            settings.push(setting);
        }
    }
    settings
}

/// Reads one setting, whatever its key.
///
/// # Errors
/// `attr_not_a_setting`, `attr_missing_comma`, `attr_no_value`.
pub(crate) fn one_setting(part: TokenStream, attribute: &str) -> syn::Result<Setting> {
    let mut tokens = part.clone().into_iter();
    let Some(TokenTree::Ident(key)) = tokens.next() else {
        return Err(messages::attr_not_a_setting(&part, attribute));
    };
    match tokens.next() {
        None => Ok(Setting { key, form: Form::Flag }),
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => match tokens.next() {
            None => Ok(Setting { key, form: Form::List(group) }),
            Some(rest) => Err(messages::attr_missing_comma(&rest)),
        },
        Some(TokenTree::Punct(punct)) if punct.as_char() == '=' => {
            let value: TokenStream = tokens.collect();
            if value.is_empty() {
                return Err(messages::attr_no_value(&key));
            }
            Ok(Setting { key, form: Form::Value(value) })
        }
        Some(rest) => Err(messages::attr_missing_comma(&rest)),
    }
}

/// The tokens between the parentheses of every attribute `#[name(..)]`, with the attributes' own tokens.
pub(crate) fn lists<'a>(attrs: &'a [Attribute], name: &str, sink: &Sink<'_>) -> Vec<(&'a Attribute, TokenStream)> {
    let mut lists = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        match &attr.meta {
            Meta::List(list) if !list.tokens.is_empty() => lists.push((attr, list.tokens.clone())),
            _ => sink.push(messages::attr_empty(attr, name)),
        }
    }
    lists
}

/// Whether one of the attributes is `#[name]` or `#[name(..)]`.
pub(crate) fn has(attrs: &[Attribute], name: &str) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident(name))
}

/// The doc comment: its lines joined, and where it stands. `None` where there is none.
pub(crate) fn docs(attrs: &[Attribute], sink: &Sink<'_>) -> Option<Docs> {
    let mut lines = Vec::new();
    let mut at = None;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        let Meta::NameValue(pair) = &attr.meta else { continue };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &pair.value else {
            sink.push(messages::doc_not_literal(&pair.value));
            at.get_or_insert_with(|| attr.clone());
            continue;
        };
        at.get_or_insert_with(|| attr.clone());
        let line = line.value();
        lines.push(line.strip_prefix(' ').map(str::to_owned).unwrap_or(line));
    }
    at.map(|at| Docs { text: lines.join("\n").trim().to_owned(), at })
}

/// A doc comment.
pub(crate) struct Docs {
    pub(crate) text: String,
    /// Its first line, for errors about all of it.
    pub(crate) at: Attribute,
}

/// The crate that expansions name unless told otherwise.
pub(crate) fn standard_crate() -> Path {
    syn::parse_quote!(::safe_tool)
}

/// The path that `crate = ..` gives.
///
/// # Errors
/// `attr_relative_crate_path`.
pub(crate) fn crate_path(setting: &Setting) -> syn::Result<Path> {
    let Form::Value(value) = &setting.form else {
        return Err(messages::attr_relative_crate_path(&setting.key));
    };
    match syn::parse2::<Path>(value.clone()) {
        Ok(path)
            if path.leading_colon.is_some() || path.segments.first().is_some_and(|first| first.ident == "crate") =>
        {
            Ok(path)
        }
        _ => Err(messages::attr_relative_crate_path(value)),
    }
}

/// The crate from a setting that may be there.
pub(crate) fn crate_of(setting: Option<&Setting>, sink: &Sink<'_>) -> Path {
    setting.and_then(|setting| sink.take(crate_path(setting))).unwrap_or_else(standard_crate)
}

/// The crate that any helper attribute of a type names, read leniently: for the stub of a type that was refused.
pub(crate) fn declared_crate(attrs: &[Attribute]) -> Path {
    attrs
        .iter()
        .filter_map(|attr| attr.meta.require_list().ok())
        .flat_map(|list| split(list.tokens.clone()))
        .filter_map(|part| one_setting(part, "").ok())
        .find(|setting| setting.key == "crate")
        .and_then(|setting| crate_path(&setting).ok())
        .unwrap_or_else(standard_crate)
}

/// The settings of a type's own attribute.
pub(crate) fn container(attrs: &[Attribute], grammar: &Grammar, sink: &Sink<'_>) -> Vec<Setting> {
    let parts = lists(attrs, grammar.attribute, sink).into_iter().flat_map(|(_, tokens)| split(tokens)).collect();
    settings(parts, grammar, sink)
}

/// The only generic argument of a type whose last segment is `name`: `T` of `Option<T>`.
pub(crate) fn peel<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = bare(ty) else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(syn::GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some(inner),
        _ => None,
    }
}

/// The type without parentheses and without the invisible group that a macro by example puts around it.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// The last segment of a type's path.
pub(crate) fn last_name(ty: &Type) -> Option<&Ident> {
    match bare(ty) {
        Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}
