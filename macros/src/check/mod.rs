//! Every rule; all of them run, and only a clean part becomes a piece of the model.

pub(crate) mod credential;
mod docs;
pub(crate) mod error;
pub(crate) mod input;
pub(crate) mod output;
mod pattern;
mod policy;
mod repeat;
mod signature;
mod targets;
mod values;

use crate::messages;
use crate::model::{Effect, Tool};
use crate::parse::tool::{Function, Settings};
use crate::sink::Sink;
use crate::{names, parse};
use quote::ToTokens;
use syn::{Attribute, Ident};

/// Checks a tool.
pub(crate) fn tool(settings: &Settings, function: Function, sink: &Sink<'_>) -> Option<Tool> {
    let ident = &function.sig.ident;
    item(&function.attrs, ident, sink);
    let krate = parse::crate_of(settings.get("crate"), sink);
    let description =
        docs::description(&function.attrs, names::plain(ident), sink, || messages::doc_missing(ident, ident));
    let signature = signature::check(&function.sig, sink);
    let policy = policy::check(settings, ident, &signature, sink);
    let name = values::name(settings.get("name"), ident, sink);
    let title = settings.get("title").and_then(|title| sink.take(parse::text(title, "a string literal")));
    let source = settings.get("source").and_then(|source| sink.take(parse::text(source, "a string literal")));
    if sink.failed() {
        return None;
    }
    let policy = policy?;
    Some(Tool {
        krate,
        vis: function.vis,
        cfgs: function.attrs.into_iter().filter(|attr| attr.path().is_ident("cfg")).collect(),
        description: description?,
        name: name?,
        title: title.map(|title| title.value()),
        source: source.map(|source| source.value()),
        effect: policy.effect,
        scope: policy.scope,
        key: policy.key,
        repeat: policy.repeat,
        undo: policy.undo,
        approve: policy.approve,
        reconcile: policy.reconcile,
        timeout_ms: policy.timeout_ms,
        retry: policy.retry,
        rates: policy.rates,
        context: signature.context,
        arguments: signature.arguments?,
        answer: signature.answer?,
        ident: function.sig.ident,
    })
}

/// The effect that a tool declares, read leniently: for the stub of a tool that was refused.
pub(crate) fn declared_effect(settings: &Settings) -> Option<Effect> {
    let parse::Form::Value(value) = &settings.get("effect")?.form else { return None };
    policy::effect(&syn::parse2::<Ident>(value.clone()).ok()?)
}

/// Attributes that cannot stand beside ours. Those above ours have expanded already and are not visible.
fn item(attrs: &[Attribute], tool: &Ident, sink: &Sink<'_>) {
    for attr in attrs {
        let Some(last) = attr.path().segments.last() else { continue };
        let path = attr.path().to_token_stream().to_string().replace(' ', "");
        match last.ident.to_string().as_str() {
            _ if is_safe_tool(attr) => sink.push(messages::item_applied_twice(attr, tool)),
            "test" | "no_mangle" | "tool" | "main" | "export_name" => {
                sink.push(messages::item_conflicting_attribute(attr, tool, &path));
            }
            _ => {}
        }
    }
}

/// Whether an attribute is `#[safe_tool(..)]`, under whatever path.
pub(crate) fn is_safe_tool(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|last| last.ident == "safe_tool")
}

/// Attributes of other serialisers, which people expect to act here.
fn foreign(attrs: &[Attribute], sink: &Sink<'_>) {
    for attr in attrs {
        for name in ["serde", "schemars"] {
            if attr.path().is_ident(name) {
                sink.push(messages::item_foreign_attribute(attr, name));
            }
        }
    }
}

/// Checks the variants of an enum, all of them whatever fails; `true` when all are plain words.
fn variants<V>(
    name: &Ident,
    data: &syn::DataEnum,
    sink: &Sink<'_>,
    check: impl Fn(&syn::Variant, &[V], &Sink<'_>) -> Option<V>,
) -> Option<(Vec<V>, bool)> {
    if data.variants.is_empty() {
        sink.push(messages::item_empty_enum(name, name));
        return None;
    }
    let words = data.variants.iter().all(|variant| matches!(variant.fields, syn::Fields::Unit));
    let part = sink.part();
    let mut variants = Vec::new();
    for variant in &data.variants {
        variants.extend(check(variant, &variants, &part));
    }
    (!part.failed()).then_some((variants, words))
}
