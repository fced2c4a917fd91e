//! What the settings say, each and together: effect, scope, key, undo, approval, limits.

use super::repeat::{self, Terms};
use super::signature::Signature;
use crate::messages;
use crate::model::{Approve, Effect, Key, Part, Per, Rate, Reach, Repeat, Undo, UndoArgument, UndoFrom};
use crate::parse::tool::{Called, Dotted, Settings};
use crate::parse::{self, Form, Setting, split};
use crate::sink::Sink;
use proc_macro2::{Group, Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Expr, ExprPath, LitStr, Path};

/// One hour: the longest deadline.
const MOST_TIMEOUT: u64 = 3_600_000;
const STANDARD_TIMEOUT: u64 = 30_000;
const MOST_RETRIES: u32 = 10;
/// One minute: the shortest bucket of time.
const LEAST_EVERY: u64 = 60_000;

/// The checked settings.
pub(super) struct Policy {
    pub(super) effect: Effect,
    pub(super) scope: Expr,
    pub(super) key: Key,
    pub(super) repeat: Repeat,
    pub(super) undo: Undo,
    pub(super) approve: Approve,
    pub(super) reconcile: Option<Path>,
    pub(super) timeout_ms: u64,
    pub(super) retry: u32,
    pub(super) rates: Vec<Rate>,
}

/// Checks the settings of a tool.
pub(super) fn check(settings: &Settings, tool: &Ident, signature: &Signature, sink: &Sink<'_>) -> Option<Policy> {
    let scope = scope(settings, tool, sink);
    let timeout = settings.get("timeout").map(|setting| sink.take(parse::millis(setting, MOST_TIMEOUT)));
    // A refused timeout says nothing about buckets of time.
    let least_every = LEAST_EVERY.max(2 * timeout.unwrap_or(Some(STANDARD_TIMEOUT)).unwrap_or(0));
    let key = settings.get("key").map(|setting| key(setting, least_every, signature, sink));
    let undo = settings.get("undo").map(|setting| undo(setting, tool, signature, sink));
    let approve = settings.get("approve").map(|setting| approve(setting, sink));
    let reconcile = settings.get("reconcile").map(|setting| reconcile(setting, sink));
    let retry = settings.get("retry").map(|setting| sink.take(parse::integer(setting, 0, MOST_RETRIES)));
    let rates = settings.get("rate").map(|setting| rates(setting, tool, signature, sink));
    let effect = declared(settings, tool, sink)?;
    required(effect, settings, tool, signature, sink);
    let repeat = {
        let terms = Terms {
            effect,
            key: key.as_ref().and_then(Option::as_ref),
            undo: undo.as_ref().and_then(Option::as_ref),
            approve: approve.as_ref().and_then(Option::as_ref),
        };
        repeat::check(settings.get("repeat"), &terms, tool, signature, sink)
    };
    Some(Policy {
        effect,
        scope: scope?,
        key: key.unwrap_or(Some(Key::None))?,
        repeat: repeat?,
        undo: undo.unwrap_or(Some(Undo::None))?,
        approve: approve.unwrap_or_else(|| Some(Approve::None(String::new())))?,
        reconcile: reconcile.map_or(Some(None), |hook| hook.map(Some))?,
        timeout_ms: timeout.unwrap_or(Some(STANDARD_TIMEOUT))?,
        retry: retry.unwrap_or(Some(0))?,
        rates: rates.unwrap_or_default(),
    })
}

/// The effect that a word names.
pub(super) fn effect(word: &Ident) -> Option<Effect> {
    match word.to_string().as_str() {
        "read" => Some(Effect::Read),
        "write" => Some(Effect::Write),
        "destroy" => Some(Effect::Destroy),
        _ => None,
    }
}

fn declared(settings: &Settings, tool: &Ident, sink: &Sink<'_>) -> Option<Effect> {
    let Some(setting) = settings.get("effect") else {
        sink.push(messages::policy_no_effect(tool, tool));
        return None;
    };
    let expected = "`read`, `write` or `destroy`";
    let word = sink.take(parse::word(setting, expected))?;
    let known = effect(&word);
    if known.is_none() {
        sink.push(messages::attr_wrong_value(&word, "effect", expected));
    }
    known
}

/// What an effect needs and what it cannot have.
fn required(effect: Effect, settings: &Settings, tool: &Ident, signature: &Signature, sink: &Sink<'_>) {
    let given = |key: &str| settings.get(key).map(|setting| &setting.key);
    let word = || settings.get("effect").map_or_else(|| quote!(#tool), value_tokens);
    let part = signature.names.first().map_or("call.turn", String::as_str);
    match effect {
        Effect::Read => {
            if let Some(key) = given("key") {
                sink.push(messages::policy_key_on_read(key, tool));
            }
            if let Some(undo) = given("undo") {
                sink.push(messages::policy_undo_on_read(undo, tool));
            }
            if let Some(approve) = given("approve") {
                sink.push(messages::policy_approve_on_read(approve, tool));
            }
            if let Some(reconcile) = given("reconcile") {
                sink.push(messages::policy_reconcile_on_read(reconcile, tool));
            }
        }
        Effect::Write => {
            if given("key").is_none() {
                sink.push(messages::policy_write_without_key(word(), tool, "write", part));
            }
            if given("undo").is_none() {
                sink.push(messages::policy_write_without_undo(word(), tool));
            }
        }
        Effect::Destroy => {
            if given("key").is_none() {
                sink.push(messages::policy_write_without_key(word(), tool, "destroy", part));
            }
            if given("approve").is_none() {
                sink.push(messages::policy_destroy_without_approve(word(), tool));
            }
            if let Some(undo) = given("undo") {
                sink.push(messages::policy_undo_on_destroy(undo, tool));
            }
        }
    }
}

fn value_tokens(setting: &Setting) -> TokenStream {
    match &setting.form {
        Form::Value(value) => value.clone(),
        Form::Flag | Form::List(_) => setting.key.to_token_stream(),
    }
}

fn scope(settings: &Settings, tool: &Ident, sink: &Sink<'_>) -> Option<Expr> {
    let Some(setting) = settings.get("scope") else {
        sink.push(messages::policy_no_scope(tool, tool));
        return None;
    };
    let expected = "the name of a `const` of type `Scope`, such as `HOSTS_ISOLATE`";
    let value = sink.take(parse::lone(setting, expected))?;
    let path = syn::parse2::<ExprPath>(value.clone()).ok();
    if path.is_none() {
        sink.push(messages::attr_wrong_value(value, "scope", expected));
    }
    path.map(Expr::Path)
}

fn key(setting: &Setting, least_every: u64, signature: &Signature, sink: &Sink<'_>) -> Option<Key> {
    match &setting.form {
        Form::List(group) => parts(setting, group, least_every, signature, sink),
        Form::Value(value) => {
            let expected = "parts in parentheses, `key(order_id)`, or `key = client`, or `key = natural(\"why a repeat is harmless\")`";
            if syn::parse2::<Ident>(value.clone()).is_ok_and(|word| word == "client") {
                if let Some(taken) = signature.arguments.iter().flatten().find(|field| field.wire == "idempotency_key")
                {
                    sink.push(messages::sig_reserved_name(&taken.ident, &taken.wire));
                }
                return Some(Key::Client);
            }
            match Called::of(setting).filter(|called| called.path.is_ident("natural")) {
                Some(called) => reason(&called, "natural", sink).map(Key::Natural),
                None => {
                    sink.push(messages::attr_wrong_value(value, "key", expected));
                    None
                }
            }
        }
        Form::Flag => {
            sink.push(messages::key_empty(&setting.key));
            None
        }
    }
}

fn parts(setting: &Setting, group: &Group, least_every: u64, signature: &Signature, sink: &Sink<'_>) -> Option<Key> {
    let part = sink.part();
    let mut parts: Vec<Part> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let mut every_ms = None;
    for tokens in split(group.stream()) {
        let text = tokens.to_string().replace(' ', "");
        if text.starts_with("every=") || text == "every" {
            let grammar = parse::Grammar { attribute: "key", keys: &["every"] };
            let every = parse::settings(vec![tokens], &grammar, &part);
            every_ms = every.first().and_then(|every| self::every(every, least_every, &part));
            continue;
        }
        let Ok(dotted) = syn::parse2::<Dotted>(tokens.clone()) else {
            part.push(messages::key_bad_part(&tokens));
            continue;
        };
        if seen.contains(&text) {
            part.push(messages::key_repeated_part(&tokens, &text));
            continue;
        }
        seen.push(text);
        parts.extend(one(dotted, signature, &part));
    }
    if parts.is_empty() && !part.failed() {
        part.push(messages::key_empty(&setting.key));
    }
    (!part.failed()).then_some(Key::Parts { parts, every_ms })
}

/// A bucket of time that no call of the tool outlives by more than one.
fn every(setting: &Setting, least_ms: u64, sink: &Sink<'_>) -> Option<u64> {
    let every = sink.take(parse::millis(setting, u64::MAX))?;
    if every < least_ms {
        sink.push(messages::key_short_bucket(value_tokens(setting), least_ms));
        return None;
    }
    Some(every)
}

fn one(dotted: Dotted, signature: &Signature, sink: &Sink<'_>) -> Option<Part> {
    if dotted.first == "call"
        && let [fact, ..] = dotted.rest.as_slice()
    {
        let part = match fact.to_string().as_str() {
            "turn" => Some(Part::Turn),
            "investigation" => Some(Part::Investigation),
            "principal" => Some(Part::Principal),
            _ => None,
        };
        if part.is_none() {
            sink.push(messages::key_unknown_fact(fact));
        }
        return part;
    }
    exact(&dotted.first, signature, sink)?;
    let mut rest = dotted.rest.into_iter();
    let field = rest.next();
    if let Some(deeper) = rest.next() {
        sink.push(messages::key_too_deep(&deeper));
        return None;
    }
    Some(Part::Argument(Reach { argument: dotted.first, field }))
}

/// Refuses arguments whose values do not name anything exactly. An unknown name is left to rustc, which
/// suggests the similar one; the types' exactness is the bound `KeyPart`.
fn exact(name: &Ident, signature: &Signature, sink: &Sink<'_>) -> Option<()> {
    let Some(field) = signature.argument(name) else { return Some(()) };
    let error = if field.optional {
        messages::key_optional_field(name, &field.wire)
    } else if field.rule.holds_duration() {
        messages::key_duration(name, &field.wire)
    } else if field.rule.holds_free_text() {
        messages::args_free_text_key(name, &field.wire)
    } else if field.sensitive {
        messages::key_sensitive(name, &field.wire)
    } else {
        return Some(());
    };
    sink.push(error);
    None
}

/// The literal text between the parentheses of `word("..")`.
fn reason(called: &Called, word: &str, sink: &Sink<'_>) -> Option<String> {
    let tokens = called.arguments.stream();
    match syn::parse2::<LitStr>(tokens.clone()) {
        Ok(text) if text.value().trim().is_empty() => {
            sink.push(messages::policy_empty_reason(&text, word));
            None
        }
        Ok(text) => sink.take(parse::visible(text)).map(|text| text.value()),
        Err(_) if tokens.is_empty() => {
            sink.push(messages::policy_empty_reason(&called.path, word));
            None
        }
        Err(_) => {
            sink.push(messages::attr_wrong_value(&tokens, word, "a string literal"));
            None
        }
    }
}

fn undo(setting: &Setting, tool: &Ident, signature: &Signature, sink: &Sink<'_>) -> Option<Undo> {
    let expected = "a call of the tool that reverses it, `undo = release_host(host_id)`, or `undo = by_hand(\"what a person does\")`";
    let value = sink.take(parse::lone(setting, expected))?;
    let Some(called) = Called::of(setting) else {
        sink.push(messages::attr_wrong_value(value, "undo", expected));
        return None;
    };
    if called.path.is_ident("by_hand") {
        return reason(&called, "by_hand", sink).map(Undo::ByHand);
    }
    let part = sink.part();
    let arguments: Vec<UndoArgument> = split(called.arguments.stream())
        .into_iter()
        .filter_map(|tokens| undo_argument(tokens, tool, signature, &part))
        .collect();
    // A setter takes its effect back with what was there before, which only the output knows.
    let before = arguments.iter().any(|argument| matches!(argument.from, UndoFrom::Output(_)));
    if !part.failed() && !before && is_itself(&called.path, tool) {
        part.push(messages::policy_undo_by_itself(&called.path, tool));
    }
    (!part.failed()).then_some(Undo::Tool { tool: called.path, arguments })
}

/// True if a path is spelled as the tool itself: `scale` or `self::scale`.
fn is_itself(path: &Path, tool: &Ident) -> bool {
    let same = |segment: &syn::PathSegment| crate::names::plain(&segment.ident) == crate::names::plain(tool);
    let mut segments = path.segments.iter().skip_while(|segment| segment.ident == "self");
    path.leading_colon.is_none() && segments.next().is_some_and(same) && segments.next().is_none()
}

fn undo_argument(tokens: TokenStream, tool: &Ident, signature: &Signature, sink: &Sink<'_>) -> Option<UndoArgument> {
    let parse = |input: syn::parse::ParseStream<'_>| {
        let name: Ident = input.parse()?;
        let dotted = if input.parse::<Option<syn::Token![=]>>()?.is_some() {
            input.parse::<Dotted>()?
        } else {
            Dotted { first: name.clone(), rest: Vec::new() }
        };
        Ok((name, dotted))
    };
    let Ok((name, dotted)) = syn::parse::Parser::parse2(parse, tokens.clone()) else {
        sink.push(messages::attr_wrong_value(
            &tokens,
            "undo",
            "arguments of the undo tool: `host_id`, `host_id = host`, `ticket = out.ticket`",
        ));
        return None;
    };
    if dotted.first == "out" && !dotted.rest.is_empty() {
        return Some(UndoArgument { name, from: UndoFrom::Output(dotted.fields()) });
    }
    if let Some(inside) = dotted.rest.first() {
        sink.push(messages::policy_undo_inside_argument(inside));
        return None;
    }
    let wanted = crate::names::plain(&dotted.first);
    let hidden = signature.argument(&dotted.first).and_then(|field| match field.rule.holds_free_text() {
        _ if field.sensitive => Some("`sensitive`"),
        true => Some("free text"),
        false => None,
    });
    if let Some(what) = hidden {
        sink.push(messages::policy_undo_hidden(&dotted.first, what, crate::names::plain(&name)));
        return None;
    }
    match signature.names.iter().position(|name| *name == wanted) {
        Some(place) => Some(UndoArgument { name, from: UndoFrom::Argument(place) }),
        None => {
            sink.push(messages::policy_undo_unknown_argument(&dotted.first, tool, &signature.words()));
            None
        }
    }
}

fn approve(setting: &Setting, sink: &Sink<'_>) -> Option<Approve> {
    let expected = "`operator`, `user` or `none(\"why nobody must agree\")`";
    let value = sink.take(parse::lone(setting, expected))?;
    if let Ok(word) = syn::parse2::<Ident>(value.clone()) {
        match word.to_string().as_str() {
            "operator" => return Some(Approve::Operator),
            "user" => return Some(Approve::User),
            "none" => {
                sink.push(messages::policy_empty_reason(&word, "none"));
                return None;
            }
            _ => {}
        }
    }
    match Called::of(setting).filter(|called| called.path.is_ident("none")) {
        Some(called) => reason(&called, "none", sink).map(Approve::None),
        None => {
            sink.push(messages::attr_wrong_value(value, "approve", expected));
            None
        }
    }
}

fn reconcile(setting: &Setting, sink: &Sink<'_>) -> Option<Path> {
    let expected = "the name of an `async fn` that looks up whether the effect happened, `reconcile = find_isolation`";
    let value = sink.take(parse::lone(setting, expected))?;
    let path = syn::parse2::<ExprPath>(value.clone()).ok().filter(|path| path.qself.is_none());
    if path.is_none() {
        sink.push(messages::attr_wrong_value(value, "reconcile", expected));
    }
    path.map(|path| path.path)
}

fn rates(setting: &Setting, tool: &Ident, signature: &Signature, sink: &Sink<'_>) -> Vec<Rate> {
    let Form::List(group) = &setting.form else {
        sink.push(messages::attr_wrong_value(
            &setting.key,
            "rate",
            "limits in parentheses: `rate(principal = \"30/minute\")`",
        ));
        return Vec::new();
    };
    let words = signature.words();
    // Every name is taken here, so that an unknown one can be answered with the arguments' names.
    let mut rates: Vec<Rate> = Vec::new();
    let mut seen: Vec<Ident> = Vec::new();
    for tokens in split(group.stream()) {
        let Some(limit) = sink.take(parse::one_setting(tokens, "rate")) else { continue };
        let name = crate::names::plain(&limit.key);
        if seen.contains(&limit.key) {
            sink.push(messages::attr_duplicate_key(&limit.key));
            continue;
        }
        seen.push(limit.key.clone());
        let per = match name.as_str() {
            "principal" => Per::Principal,
            "all" => Per::All,
            name if words.contains(&name) => {
                if exact(&limit.key, signature, sink).is_none() {
                    continue;
                }
                Per::Argument(limit.key.clone())
            }
            _ => {
                sink.push(messages::attr_unknown_rate(&limit.key, tool, &words));
                continue;
            }
        };
        let Some(literal) = sink.take(parse::text(&limit, "a rate such as `\"30/minute\"`")) else { continue };
        match rate(&literal.value()) {
            Some((count, period_ms)) => rates.push(Rate { per, count, period_ms }),
            None => sink.push(messages::attr_bad_rate(&literal)),
        }
    }
    rates
}

/// `30/minute` as a count and a period in milliseconds.
fn rate(text: &str) -> Option<(u32, u64)> {
    let (count, period) = text.split_once('/')?;
    let period_ms = match period.trim() {
        "second" => 1_000,
        "minute" => 60_000,
        "hour" => 3_600_000,
        "day" => 86_400_000,
        _ => return None,
    };
    let count: u32 = count.trim().parse().ok()?;
    (count > 0).then_some((count, period_ms))
}
