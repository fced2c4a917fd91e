//! The setting `repeat`, by which a caller may do the same again on purpose, and its demands on the other settings.

use super::signature::Signature;
use crate::messages;
use crate::model::{Approve, Effect, Key, Repeat, Undo};
use crate::parse::{self, Setting};
use crate::sink::Sink;
use proc_macro2::Ident;

/// The settings that say it together; what was refused or not given is `None`.
pub(super) struct Terms<'a> {
    pub(super) effect: Effect,
    pub(super) key: Option<&'a Key>,
    pub(super) undo: Option<&'a Undo>,
    pub(super) approve: Option<&'a Approve>,
}

/// Checks `repeat`, or takes its default.
pub(super) fn check(
    setting: Option<&Setting>,
    terms: &Terms<'_>,
    tool: &Ident,
    signature: &Signature,
    sink: &Sink<'_>,
) -> Option<Repeat> {
    let repeat = match setting {
        Some(setting) => said(setting, terms, tool, sink)?,
        None => standard(terms),
    };
    let takes = Repeat::takes_again_after(repeat, terms.effect, terms.key);
    for argument in signature.arguments.iter().flatten().filter(|field| takes && field.wire == "again_after") {
        sink.push(messages::sig_reserved_again_after(&argument.ident, &argument.wire));
    }
    Some(repeat)
}

fn said(setting: &Setting, terms: &Terms<'_>, tool: &Ident, sink: &Sink<'_>) -> Option<Repeat> {
    let expected = "`explicit` or `never`";
    let word = sink.take(parse::word(setting, expected))?;
    if terms.effect == Effect::Read {
        sink.push(messages::policy_repeat_on_read(&setting.key, tool));
        return None;
    }
    let repeat = match word.to_string().as_str() {
        "explicit" => Repeat::Explicit,
        "never" => Repeat::Never,
        _ => {
            sink.push(messages::attr_wrong_value(&word, "repeat", expected));
            return None;
        }
    };
    let error = match (repeat, terms.key) {
        (Repeat::Explicit, Some(Key::Client)) => messages::policy_repeat_with_client_key(&word, tool),
        (Repeat::Explicit, Some(Key::Parts { every_ms: Some(_), .. })) => {
            messages::policy_repeat_with_every(&word, tool)
        }
        (Repeat::Never, Some(Key::Natural(_))) => messages::policy_repeat_never_on_natural(&word, tool),
        (Repeat::Explicit | Repeat::Never, _) => return Some(repeat),
    };
    sink.push(error);
    None
}

/// A caller may where the effect can be undone by a call, or where somebody approves each one.
fn standard(terms: &Terms<'_>) -> Repeat {
    let own_terms = matches!(terms.key, Some(Key::Client | Key::Parts { every_ms: Some(_), .. }));
    let undone = matches!(terms.undo, Some(Undo::Tool { .. }));
    let approved = matches!(terms.approve, Some(Approve::Operator | Approve::User));
    if terms.effect != Effect::Read && !own_terms && (undone || approved) { Repeat::Explicit } else { Repeat::Never }
}
