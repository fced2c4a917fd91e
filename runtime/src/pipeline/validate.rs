//! Gate 3: strict decode; every violation at once, each with its path.

use super::flow::Flow;
use super::refusal::Refusal;
use crate::action::{self, Intent};
use crate::error::Kind;
use crate::identity::Principal;
use crate::input::{Decoder, Example, Violation};
use crate::tool::Key;
use crate::writer;
use serde_json::value::RawValue;
use std::borrow::Cow;

pub(super) fn pass(flow: &mut Flow) -> Result<(), Refusal> {
    let tool = flow.tool();
    let mut decoder = Decoder::new(&flow.request.arguments);
    let decoded = (tool.decode)(&mut decoder);
    let (mut violations, published) = decoder.finish();
    violations.append(&mut flow.request.violations);
    let arguments = match decoded {
        Some(arguments) if violations.is_empty() => arguments,
        _ => return Err(refusal("validate", violations)),
    };
    let redactor = flow.pipeline.ledger.redactor();
    let redact = |path: &str, value: &[u8]| redactor.hash(tool.name, path, value).to_string();
    let redacted = String::from_utf8(writer::redacted(&redact, |writer| {
        writer.begin_object();
        for (index, field) in tool.arguments.iter().enumerate() {
            writer.optional_member(field.name, |writer| arguments.encode(index, writer));
        }
        writer.end_object();
    }));
    flow.redacted = redacted.ok().and_then(|text| RawValue::from_string(text).ok());
    if tool.effect.changes() {
        let client_key = client_key(flow, published.idempotency_key)?;
        let principal = flow.principal.as_ref();
        let intent = Intent {
            tenant: principal.map_or("", |principal| principal.tenant()),
            principal: principal.map_or_else(String::new, Principal::who),
            turn: flow.request.turn.as_deref(),
            investigation: flow.request.investigation.as_deref(),
            client_key: client_key.as_deref(),
            again_after: published.again_after.as_deref(),
        };
        let names = action::names(tool, arguments.as_ref(), &intent, redactor);
        flow.names = Some(names.map_err(|violations| refusal("validate", violations))?);
    }
    flow.again_after = published.again_after;
    flow.arguments = Some(arguments);
    Ok(())
}

/// The idempotency key that the caller gave in `_meta`, header or argument; keys that differ are refused.
fn client_key(flow: &Flow, published: Option<String>) -> Result<Option<String>, Refusal> {
    if !matches!(flow.tool().key, Key::Client) {
        return Ok(None);
    }
    let mut keys: Vec<&String> = flow.request.client_keys.iter().chain(&published).collect();
    keys.dedup();
    let place = "/_meta/dev.safe-tool~1idempotency-key";
    let broken = |rule, expected: Cow<'static, str>| {
        let example = action::CLIENT_KEY.example.map(Example::Text);
        refusal("validate", vec![Violation { path: place.to_owned(), rule, expected, example }])
    };
    match keys.as_slice() {
        [] => Ok(None),
        [key] => match action::CLIENT_KEY.broken(key) {
            None => Ok(Some((*key).clone())),
            Some((rule, expected)) => Err(broken(rule, expected)),
        },
        _ => Err(broken("differs", Cow::Borrowed("the same key in `_meta`, header and argument"))),
    }
}

pub(super) fn refusal(gate: &'static str, mut violations: Vec<Violation>) -> Refusal {
    if violations.is_empty() {
        // A decode that fails without a violation is a bug in safe_tool, and still a refusal.
        violations.push(Violation { path: String::new(), rule: "type", expected: "an object".into(), example: None });
    }
    Refusal::new(gate, Kind::InvalidArguments, "the arguments break the tool's contract; nothing ran")
        .suggest("mend every violation listed, then call again")
        .violations(violations)
}
