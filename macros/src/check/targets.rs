//! The targets of a tool: the arguments that name the things its effect hits.

use crate::messages;
use crate::model::Field;
use crate::names;
use crate::sink::Sink;
use proc_macro2::Ident;
use syn::LitStr;

/// A subject is looked up by every set of its targets.
const MOST_TARGETS: usize = 4;

/// The thing that the argument `name` names: what `target = ".."` says, or its wire name.
pub(super) fn thing(said: Option<&LitStr>, wire: &str, name: &str, sink: &Sink<'_>) -> Option<String> {
    let Some(literal) = said else { return Some(wire.to_owned()) };
    let thing = literal.value();
    if !names::is_thing(&thing) {
        sink.push(messages::args_bad_thing(literal, name));
        return None;
    }
    Some(thing)
}

/// Checks the targets of a tool together.
pub(super) fn check(tool: &Ident, arguments: &[Field], sink: &Sink<'_>) {
    let targets: Vec<(&Field, &String)> =
        arguments.iter().filter_map(|field| Some((field, field.target.as_ref()?))).collect();
    if let Some((fifth, _)) = targets.get(MOST_TARGETS) {
        sink.push(messages::args_too_many_targets(&fifth.ident, tool));
    }
    for (place, (field, thing)) in targets.iter().enumerate() {
        if let Some((first, _)) = targets.iter().take(place).find(|(_, earlier)| earlier == thing) {
            sink.push(messages::args_repeated_target(&field.ident, &field.wire, &first.wire, thing));
        }
    }
}
