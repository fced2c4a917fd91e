//! The catalogue: one function a refusal, named by its slug (`policy_no_effect` is `tests/ui/policy/no-effect.rs`).
//!
//! Style: lower case; the first line says what is wrong and names the tool or parameter; `help:` is the exact
//! text to write; at most one `note:` says why. The first argument is the token to edit.

use crate::suggest;
use quote::ToTokens;
use std::fmt::Display;
use syn::Error;

fn refusal(at: impl ToTokens, text: String) -> Error {
    Error::new_spanned(at, text)
}

// ---- item: what the attribute or the derive stands on

pub(crate) fn item_not_a_function(at: impl ToTokens) -> Error {
    refusal(at, "`#[safe_tool]` stands on something that is not an `async fn`\nhelp: put it on each function that is to be a tool".into())
}

pub(crate) fn item_applied_twice(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(at, format!("`#[safe_tool]` is applied twice to `{tool}`\nhelp: remove this one"))
}

pub(crate) fn item_conflicting_attribute(at: impl ToTokens, tool: impl Display, other: &str) -> Error {
    refusal(
        at,
        format!(
            "`#[{other}]` and `#[safe_tool]` are both on `{tool}`\nhelp: remove `#[{other}]`\nnote: a tool is called by the \
             server only, through its gates"
        ),
    )
}

pub(crate) fn item_foreign_attribute(at: impl ToTokens, name: &str) -> Error {
    refusal(
        at,
        format!(
            "`#[{name}(..)]` has no effect here\nhelp: remove it; `#[arg(..)]` and `#[output(..)]` hold names and bounds\n\
             note: the derives write decode, schema and encoding themselves, so that what is advertised is enforced"
        ),
    )
}

pub(crate) fn item_generic_type(at: impl ToTokens, name: impl Display) -> Error {
    refusal(
        at,
        format!(
            "`{name}` must not be generic\nhelp: write one type per concrete type\nnote: its schema is published and there is one of it"
        ),
    )
}

pub(crate) fn item_not_an_object(at: impl ToTokens, name: impl Display, fields: &str) -> Error {
    refusal(at, format!("`{name}` has no named fields, so its JSON would have no names\nhelp: {fields}"))
}

pub(crate) fn item_tuple_variant(at: impl ToTokens, name: impl Display, variant: impl Display) -> Error {
    refusal(
        at,
        format!(
            "variant `{variant}` of `{name}` has fields without names\nhelp: name them: `{variant} {{ host_id: HostId }}`"
        ),
    )
}

pub(crate) fn item_empty_enum(at: impl ToTokens, name: impl Display) -> Error {
    refusal(at, format!("enum `{name}` has no variant, so no value is accepted\nhelp: add a variant"))
}

pub(crate) fn item_not_a_credential(at: impl ToTokens, name: impl Display) -> Error {
    refusal(
        at,
        format!(
            "credential `{name}` is not a unit struct\nhelp: write `struct {name};`\nnote: the type names a credential and holds none"
        ),
    )
}

pub(crate) fn item_credential_without_audience(at: impl ToTokens, name: impl Display) -> Error {
    refusal(
        at,
        format!(
            "credential `{name}` does not name the backend it is for\nhelp: add `#[credential(audience = \"https://edr.example\", env = \"EDR_TOKEN\")]`"
        ),
    )
}

// ---- sig: the function's signature

pub(crate) fn sig_not_async(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` must be async\nhelp: write `async fn {tool}(..)`\nnote: deadline and cancellation act where a body awaits"
        ),
    )
}

pub(crate) fn sig_qualifier(at: impl ToTokens, tool: impl Display, qualifier: &str) -> Error {
    refusal(at, format!("tool `{tool}` must not be `{qualifier}`\nhelp: remove `{qualifier}`"))
}

pub(crate) fn sig_generic(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` must not be generic\nhelp: write one tool per concrete type\nnote: a tool has one schema on the wire"
        ),
    )
}

pub(crate) fn sig_where_clause(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(at, format!("tool `{tool}` must not have a `where` clause\nhelp: remove it"))
}

pub(crate) fn sig_self_receiver(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` takes `self`\nhelp: write a free function whose first parameter is `call: Call<State>`, and use `call.state()`"
        ),
    )
}

pub(crate) fn sig_impl_trait(at: impl ToTokens, parameter: &str, ty: &str) -> Error {
    refusal(at, format!("parameter `{parameter}` is `{ty}`, which is no type of its own\nhelp: name a concrete type"))
}

pub(crate) fn sig_borrowed(at: impl ToTokens, parameter: &str, ty: &str, owned: &str) -> Error {
    refusal(
        at,
        format!(
            "parameter `{parameter}` borrows (`{ty}`)\nhelp: use `{owned}`\nnote: arguments are decoded into values that outlive the request"
        ),
    )
}

pub(crate) fn sig_borrowed_state(at: impl ToTokens, tool: impl Display, state: &str) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` borrows the server's state as `&{state}`\nhelp: take `call: Call<{state}>`, and `call.state()` in the body\nnote: the call also says who asks, and carries the credential"
        ),
    )
}

pub(crate) fn sig_no_json_form(at: impl ToTokens, parameter: &str, ty: &str) -> Error {
    refusal(
        at,
        format!(
            "parameter `{parameter}` has type `{ty}`, which has no JSON form\nhelp: take data: a type with `#[derive(ToolInput)]`"
        ),
    )
}

pub(crate) fn sig_pattern(at: impl ToTokens, tool: impl Display, place: usize) -> Error {
    refusal(
        at,
        format!(
            "parameter {place} of `{tool}` is a pattern\nhelp: give it a name and take it apart in the body\n\
             note: the parameter's name is the argument's name on the wire"
        ),
    )
}

pub(crate) fn sig_wildcard(at: impl ToTokens, tool: impl Display, place: usize) -> Error {
    refusal(
        at,
        format!(
            "parameter {place} of `{tool}` is named `_`\nhelp: name it; one that is not used may begin with `_`: `_order` is published as `order`"
        ),
    )
}

pub(crate) fn sig_cfg_parameter(at: impl ToTokens, parameter: &str) -> Error {
    refusal(
        at,
        format!(
            "parameter `{parameter}` has `#[cfg(..)]`\nhelp: put `#[cfg(..)]` on the whole tool\nnote: the published schema must not depend on how the server was built"
        ),
    )
}

pub(crate) fn sig_reserved_name(at: impl ToTokens, parameter: &str) -> Error {
    refusal(
        at,
        format!(
            "argument `{parameter}` has the name of the key that `key = client` publishes\nhelp: remove the parameter; the pipeline reads the key"
        ),
    )
}

pub(crate) fn sig_reserved_again_after(at: impl ToTokens, parameter: &str) -> Error {
    refusal(
        at,
        format!(
            "argument `{parameter}` has the name of the argument that is published to do the same again\nhelp: rename the parameter, or say `repeat = never` where no call of this tool is ever made again"
        ),
    )
}

pub(crate) fn sig_duplicate_wire_name(at: impl ToTokens, name: &str) -> Error {
    refusal(at, format!("two arguments are published as `{name}`\nhelp: rename this one"))
}

pub(crate) fn sig_context_not_first(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(at, format!("the call context is not the first parameter of `{tool}`\nhelp: move it to the front"))
}

pub(crate) fn sig_two_contexts(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(at, format!("tool `{tool}` takes two call contexts\nhelp: remove this one"))
}

pub(crate) fn sig_documented_context(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "the call context of `{tool}` has a doc comment, which makes it an argument\nhelp: remove the doc comment\nnote: doc comments of parameters are published to the model"
        ),
    )
}

pub(crate) fn sig_no_return(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` returns nothing\nhelp: return `Result<T, E>`; where there is nothing to say, `Result<Done, E>`"
        ),
    )
}

pub(crate) fn sig_opaque_return(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` returns an `impl Trait`\nhelp: name the type: `Result<T, E>`\nnote: the output's schema is published"
        ),
    )
}

// ---- doc: the texts that a model reads

pub(crate) fn doc_missing(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` has no description\nhelp: add a doc comment `/// ..` that says what it does and when not to call it"
        ),
    )
}

pub(crate) fn doc_param_missing(at: impl ToTokens, parameter: &str) -> Error {
    refusal(
        at,
        format!(
            "parameter `{parameter}` has no description\nhelp: add `/// ..` above it\nnote: a model chooses the value from this text"
        ),
    )
}

pub(crate) fn doc_field_missing(at: impl ToTokens, field: &str) -> Error {
    refusal(
        at,
        format!("field `{field}` has no description\nhelp: add `/// ..` above it\nnote: a model reads this text"),
    )
}

pub(crate) fn doc_variant_missing(at: impl ToTokens, variant: impl Display) -> Error {
    refusal(
        at,
        format!("variant `{variant}` has no description\nhelp: add `/// ..` above it\nnote: a model reads this text"),
    )
}

pub(crate) fn doc_too_long(at: impl ToTokens, name: impl Display, length: usize) -> Error {
    refusal(
        at,
        format!(
            "the description of `{name}` has {length} characters, and 1024 is the most\nhelp: keep what a caller needs to choose and to call"
        ),
    )
}

pub(crate) fn doc_hidden_character(at: impl ToTokens, name: impl Display, character: char) -> Error {
    refusal(
        at,
        format!(
            "the description of `{name}` holds the hidden character U+{:04X}\nhelp: remove it\nnote: people review what a model is told, \
             so it must be what they see",
            u32::from(character)
        ),
    )
}

pub(crate) fn doc_not_literal(at: impl ToTokens) -> Error {
    refusal(at, "the description is not a literal\nhelp: write it out as `/// ..`\nnote: it is part of the contract and is checked when the tool is compiled".into())
}

// ---- attr: the grammar of the attributes

pub(crate) fn attr_unknown_key(at: &proc_macro2::Ident, attribute: &str, known: &[&str]) -> Error {
    let meant = suggest::nearest(&at.to_string(), known.iter().copied())
        .map(|word| format!("; did you mean `{word}`?"))
        .unwrap_or_default();
    refusal(
        at,
        format!("`{attribute}(..)` takes no `{at}`{meant}\nhelp: it takes {}", suggest::list(known.iter().copied())),
    )
}

pub(crate) fn attr_duplicate_key(at: &proc_macro2::Ident) -> Error {
    refusal(at, format!("`{at}` is given twice\nhelp: keep one"))
}

pub(crate) fn attr_repeated(at: impl ToTokens, attribute: &str) -> Error {
    refusal(at, format!("`#[{attribute}(..)]` is given twice\nhelp: keep one"))
}

pub(crate) fn attr_not_a_setting(at: impl ToTokens, attribute: &str) -> Error {
    refusal(
        at,
        format!("`{attribute}(..)` takes settings: `key = value`, `key(..)` or `key`\nhelp: write the key first"),
    )
}

pub(crate) fn attr_missing_comma(at: impl ToTokens) -> Error {
    refusal(at, "a comma, `=` or `(..)` is missing here\nhelp: settings are separated by commas".into())
}

pub(crate) fn attr_no_value(at: &proc_macro2::Ident) -> Error {
    refusal(at, format!("`{at} =` has no value\nhelp: write the value behind `=`"))
}

pub(crate) fn attr_wrong_value(at: impl ToTokens, key: impl Display, expected: &str) -> Error {
    refusal(at, format!("`{key}` does not take this value\nhelp: it takes {expected}"))
}

pub(crate) fn attr_empty(at: impl ToTokens, name: &str) -> Error {
    refusal(at, format!("`#[{name}]` says nothing\nhelp: remove it, or write settings in parentheses: `#[{name}(..)]`"))
}

pub(crate) fn attr_hidden_character(at: impl ToTokens, character: char) -> Error {
    let code = u32::from(character);
    refusal(
        at,
        format!(
            "this text holds the hidden character U+{code:04X}\nhelp: remove it\nnote: people review what is published, so it must be what they see"
        ),
    )
}

pub(crate) fn attr_bad_duration(at: &syn::LitStr, key: impl Display, most_ms: u64) -> Error {
    let most = if most_ms == u64::MAX { String::new() } else { format!(" and at most `\"{}h\"`", most_ms / 3_600_000) };
    refusal(
        at,
        format!(
            "`{key}` does not take the duration `{}`\nhelp: write a whole number and `ms`, `s`, `m`, `h` or `d`, such as `\"30s\"`: more than zero{most}",
            at.token()
        ),
    )
}

pub(crate) fn attr_bad_rate(at: &syn::LitStr) -> Error {
    refusal(
        at,
        format!(
            "`{}` is not a rate\nhelp: write a count and a period: `\"30/minute\"`; periods are `second`, `minute`, `hour` and `day`",
            at.token()
        ),
    )
}

pub(crate) fn attr_unknown_rate(at: &proc_macro2::Ident, tool: impl Display, arguments: &[&str]) -> Error {
    let known: Vec<&str> = ["principal", "all"].into_iter().chain(arguments.iter().copied()).collect();
    let meant = suggest::nearest(&at.to_string(), known.iter().copied())
        .map(|word| format!("; did you mean `{word}`?"))
        .unwrap_or_default();
    refusal(
        at,
        format!(
            "`rate(..)` names `{at}`, which is no argument of `{tool}`{meant}\nhelp: it takes {}",
            suggest::list(known)
        ),
    )
}

pub(crate) fn attr_bad_name(at: impl ToTokens, name: &str, better: &str) -> Error {
    refusal(
        at,
        format!(
            "the name `{name}` cannot be published\nhelp: use `\"{better}\"`\nnote: names match `[a-z][a-z0-9_]{{0,63}}`"
        ),
    )
}

pub(crate) fn attr_bad_pattern(at: impl ToTokens, name: &str, wrong: &str, help: &str) -> Error {
    refusal(at, format!("the pattern of `{name}` {wrong}\nhelp: {help}"))
}

pub(crate) fn attr_unknown_format(at: &syn::LitStr, known: &[&str]) -> Error {
    let meant = suggest::nearest(&at.value(), known.iter().copied())
        .map(|word| format!("; did you mean `{word}`?"))
        .unwrap_or_default();
    refusal(
        at,
        format!("`{}` is no format{meant}\nhelp: it takes {}", at.value(), suggest::list(known.iter().copied())),
    )
}

pub(crate) fn attr_out_of_range(at: impl ToTokens, key: impl Display, least: u32, most: u32) -> Error {
    refusal(at, format!("`{key}` is out of range\nhelp: it takes {least} to {most}"))
}

pub(crate) fn attr_relative_crate_path(at: impl ToTokens) -> Error {
    refusal(at, "`crate` is not an absolute path\nhelp: write `crate = ::safe_tool`, or `crate = crate::reexport` for a module of this crate".into())
}

// ---- policy: what the settings say together

pub(crate) fn policy_no_effect(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` does not say what it does to the world\nhelp: add `effect = read`, `effect = write` or `effect = destroy`\n\
             note: there is no default, because guessing `read` would be unsafe"
        ),
    )
}

pub(crate) fn policy_no_scope(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` does not say what a caller must be allowed\nhelp: add `scope = HOSTS_ISOLATE`, with `const HOSTS_ISOLATE: Scope = Scope::new(\"hosts:isolate\");`"
        ),
    )
}

pub(crate) fn policy_write_without_key(at: impl ToTokens, tool: impl Display, effect: &str, part: &str) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` has `effect = {effect}` and no idempotency key\nhelp: add `key({part})`, `key = client`, or \
             `key = natural(\"why a repeat is harmless\")`\nnote: agents retry after timeouts; the key tells a retry from a second action"
        ),
    )
}

pub(crate) fn policy_write_without_undo(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` writes and does not say how that is undone\nhelp: add `undo = tool(argument, ..)` or `undo = by_hand(\"what a \
             person does\")`; if it cannot be undone, it is `effect = destroy`"
        ),
    )
}

pub(crate) fn policy_destroy_without_approve(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` destroys and does not say who must agree\nhelp: add `approve = operator`, `approve = user` or `approve = none(\"why nobody must\")`"
        ),
    )
}

pub(crate) fn policy_key_on_read(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!("tool `{tool}` reads, so its key has no effect\nhelp: remove `key`, or declare `effect = write`"),
    )
}

pub(crate) fn policy_undo_on_read(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!("tool `{tool}` reads, so there is nothing to undo\nhelp: remove `undo`, or declare `effect = write`"),
    )
}

pub(crate) fn policy_undo_on_destroy(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` has `effect = destroy`, which cannot be undone\nhelp: remove `undo`, or declare `effect = write`"
        ),
    )
}

pub(crate) fn policy_approve_on_read(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!("tool `{tool}` reads, so nobody is asked to agree\nhelp: remove `approve`; `scope` says who may read"),
    )
}

pub(crate) fn policy_reconcile_on_read(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` reads, so nothing of it is ever in doubt\nhelp: remove `reconcile`, or declare `effect = write`"
        ),
    )
}

pub(crate) fn policy_repeat_on_read(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` reads, so it may be called again anyway\nhelp: remove `repeat`, or declare `effect = write`"
        ),
    )
}

pub(crate) fn policy_repeat_with_client_key(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` has `key = client`, so there is no `repeat = explicit`\nhelp: remove `repeat`\nnote: who does the same again on purpose supplies another key"
        ),
    )
}

pub(crate) fn policy_repeat_with_every(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` has `every` in its key, so there is no `repeat = explicit`\nhelp: remove `repeat`, or remove `every`\nnote: with `every`, the same is done again when its time has passed"
        ),
    )
}

pub(crate) fn policy_repeat_never_on_natural(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` has a natural key, which says that a repeat is harmless, and `repeat = never`\nhelp: remove `repeat`, or name what tells one intended change from the next: `key(order_id)`"
        ),
    )
}

pub(crate) fn policy_empty_reason(at: impl ToTokens, setting: &str) -> Error {
    refusal(
        at,
        format!("the text of `{setting}(..)` is empty\nhelp: say it in a sentence; operators read it in the contract"),
    )
}

pub(crate) fn policy_undo_by_itself(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` names itself as its undo, with nothing but its own arguments\nhelp: name the tool that reverses it, take what was there before from the output (`value = out.before`), or use `undo = by_hand(\"what a person does\")`"
        ),
    )
}

pub(crate) fn policy_undo_unknown_argument(at: &proc_macro2::Ident, tool: impl Display, arguments: &[&str]) -> Error {
    let meant = suggest::nearest(&at.to_string(), arguments.iter().copied())
        .map(|word| format!("; did you mean `{word}`?"))
        .unwrap_or_default();
    refusal(
        at,
        format!(
            "`undo` takes `{at}`, which is no argument of `{tool}`{meant}\nhelp: take one of {}, or a field of the output: `{at} = out.field`",
            suggest::list(arguments.iter().copied())
        ),
    )
}

pub(crate) fn policy_undo_hidden(at: &proc_macro2::Ident, what: &str, name: impl Display) -> Error {
    refusal(
        at,
        format!(
            "`undo` takes `{at}`, which is {what}\nhelp: take an argument that names what is undone, or a field of the output: `{name} = out.field`\n\
             note: the answer carries the ready call and the ledger keeps the answer, and neither may hold what is hidden"
        ),
    )
}

pub(crate) fn policy_undo_inside_argument(at: impl ToTokens) -> Error {
    refusal(
        at,
        "`undo` reaches inside an argument\nhelp: take a whole argument, or a field of the output: `name = out.field`"
            .into(),
    )
}

// ---- key: idempotency keys and rated arguments

pub(crate) fn key_empty(at: impl ToTokens) -> Error {
    refusal(at, "`key(..)` names no part\nhelp: name what tells one intended change from the next: `key(order_id)`\nnote: a time bucket alone would make all calls one action".into())
}

pub(crate) fn key_repeated_part(at: impl ToTokens, part: &str) -> Error {
    refusal(at, format!("`{part}` is twice in `key(..)`\nhelp: keep one"))
}

pub(crate) fn key_bad_part(at: impl ToTokens) -> Error {
    refusal(at, "this is no part of a key\nhelp: name an argument, a field of one (`order.id`), `call.turn`, `call.investigation`, `call.principal`, or add `every = \"1h\"`".into())
}

pub(crate) fn key_unknown_fact(at: &proc_macro2::Ident) -> Error {
    let known = ["turn", "investigation", "principal"];
    let meant = suggest::nearest(&at.to_string(), known)
        .map(|word| format!("; did you mean `call.{word}`?"))
        .unwrap_or_default();
    refusal(
        at,
        format!(
            "a call has no `{at}` that could be part of a key{meant}\nhelp: use `call.turn`, `call.investigation` or `call.principal`"
        ),
    )
}

pub(crate) fn key_too_deep(at: impl ToTokens) -> Error {
    refusal(
        at,
        "this part reaches more than one field deep\nhelp: use a field of the argument itself: `order.id`".into(),
    )
}

pub(crate) fn key_optional_field(at: impl ToTokens, argument: &str) -> Error {
    refusal(
        at,
        format!(
            "argument `{argument}` is optional, so all calls without it would share one key or rate\nhelp: name a required argument, or make `{argument}` required"
        ),
    )
}

pub(crate) fn key_short_bucket(at: impl ToTokens, least_ms: u64) -> Error {
    let least = if least_ms.is_multiple_of(60_000) {
        format!("{}m", least_ms / 60_000)
    } else if least_ms.is_multiple_of(1_000) {
        format!("{}s", least_ms / 1_000)
    } else {
        format!("{least_ms}ms")
    };
    refusal(
        at,
        format!(
            "`every` is shorter than a minute or than twice the timeout\nhelp: write `every = \"{least}\"` or more\nnote: a retry has to find the call that it repeats, which may have begun one timeout ago"
        ),
    )
}

pub(crate) fn key_duration(at: impl ToTokens, argument: &str) -> Error {
    refusal(
        at,
        format!(
            "argument `{argument}` is a duration and cannot be part of a key or rate\nhelp: take a number with a unit: `#[arg(min = 1, max = 1440, unit = \"minutes\")]`\nnote: one duration has several spellings, so `PT60M` and `PT1H` would be two intents"
        ),
    )
}

pub(crate) fn key_sensitive(at: impl ToTokens, argument: &str) -> Error {
    refusal(
        at,
        format!(
            "argument `{argument}` is `sensitive` and cannot be part of a key or rate\nhelp: name an argument that identifies it\nnote: keys are stored"
        ),
    )
}

// ---- args: arguments and their bounds

pub(crate) fn args_unbounded_text(at: impl ToTokens, name: &str, wrong: &str, help: &str) -> Error {
    refusal(
        at,
        format!("text `{name}` {wrong}\nhelp: {help}\nnote: what is not bounded, an agent fills with whatever it read"),
    )
}

pub(crate) fn args_unbounded_number(at: impl ToTokens, name: &str) -> Error {
    refusal(at, format!("number `{name}` has no range\nhelp: add `min = 1` and `max = 100`"))
}

pub(crate) fn args_unbounded_list(at: impl ToTokens, name: &str) -> Error {
    refusal(at, format!("list `{name}` has no greatest length\nhelp: add `max_items = 20`"))
}

pub(crate) fn args_untyped_json(at: impl ToTokens, name: &str, ty: &str) -> Error {
    refusal(
        at,
        format!(
            "`{name}` is `{ty}`, which takes anything\nhelp: model it as a struct or enum with `#[derive(ToolInput)]`"
        ),
    )
}

pub(crate) fn args_map(at: impl ToTokens, name: &str, ty: &str) -> Error {
    refusal(
        at,
        format!(
            "`{name}` is a `{ty}`, whose names the caller would choose\nhelp: use a `Vec` of a struct with `#[derive(ToolInput)]`"
        ),
    )
}

pub(crate) fn args_tuple(at: impl ToTokens, name: &str) -> Error {
    refusal(
        at,
        format!("`{name}` is a tuple, whose parts have no names\nhelp: use a struct with `#[derive(ToolInput)]`"),
    )
}

pub(crate) fn args_array(at: impl ToTokens, name: &str, item: &str) -> Error {
    refusal(at, format!("`{name}` is an array\nhelp: use `Vec<{item}>` with `#[arg(min_items = 1, max_items = 20)]`"))
}

pub(crate) fn args_nested_option(at: impl ToTokens, name: &str) -> Error {
    refusal(
        at,
        format!(
            "`{name}` is an option within another type, which JSON cannot tell from absence\nhelp: use `Option<T>` around the whole, or an enum"
        ),
    )
}

pub(crate) fn args_nested_list(at: impl ToTokens, name: &str) -> Error {
    refusal(
        at,
        format!(
            "`{name}` is a list of lists\nhelp: make the inner list a field of a struct with `#[derive(ToolInput)]`"
        ),
    )
}

pub(crate) fn args_wide_integer(at: impl ToTokens, name: &str, ty: &str) -> Error {
    refusal(
        at,
        format!(
            "`{name}` is `{ty}`\nhelp: use `u32` or `i64`, or text under a pattern\nnote: readers of JSON lose integers beyond 2^53, and `usize` differs between machines"
        ),
    )
}

pub(crate) fn args_single_float(at: impl ToTokens, name: &str) -> Error {
    refusal(
        at,
        format!(
            "`{name}` is `f32`\nhelp: use `f64`\nnote: numbers in JSON are doubles, so an `f32` would not be the number that was sent and checked"
        ),
    )
}

pub(crate) fn args_secret(at: impl ToTokens, name: &str) -> Error {
    refusal(
        at,
        format!(
            "`{name}` is a secret, which no agent may hold\nhelp: declare a credential: `call: Call<State, MyCredential>`, and use `call.credential()`"
        ),
    )
}

pub(crate) fn args_free_text_key(at: impl ToTokens, argument: &str) -> Error {
    refusal(
        at,
        format!(
            "argument `{argument}` is free text and cannot be part of a key or rate\nhelp: name an argument with a pattern, a format or a range\nnote: models word the same intent differently"
        ),
    )
}

pub(crate) fn args_free_text_target(at: impl ToTokens, argument: &str) -> Error {
    refusal(
        at,
        format!(
            "`{argument}` is free text and cannot be a `target`\nhelp: give it a pattern or a format, or remove `target`\nnote: policy and limits compare targets exactly"
        ),
    )
}

pub(crate) fn args_bad_thing(at: &syn::LitStr, argument: &str) -> Error {
    refusal(
        at,
        format!(
            "`{}` is no name for what the target `{argument}` names\nhelp: use a word such as `\"host\"`, the same at every tool that hits it\nnote: such names match `[a-z][a-z0-9_]{{0,63}}`",
            at.value()
        ),
    )
}

pub(crate) fn args_too_many_targets(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` has more than four targets\nhelp: keep `target` on the arguments that together name what the effect hits"
        ),
    )
}

pub(crate) fn args_repeated_target(at: impl ToTokens, argument: &str, first: &str, thing: &str) -> Error {
    refusal(
        at,
        format!(
            "targets `{first}` and `{argument}` are both named `{thing}`\nhelp: name this one otherwise: `#[arg(target = \"other_{thing}\")]`\nnote: what an effect hits is compared by the names of its targets"
        ),
    )
}

pub(crate) fn args_empty_range(at: impl ToTokens, name: &str, least: &str, most: &str) -> Error {
    refusal(at, format!("`{least}` is greater than `{most}` on `{name}`, so no value is accepted\nhelp: exchange them"))
}

pub(crate) fn args_unsafe_range(at: impl ToTokens, name: &str) -> Error {
    refusal(
        at,
        format!(
            "the range of `{name}` goes beyond ±(2^53 − 1)\nhelp: use `9007199254740991` at most\nnote: readers of JSON lose integers beyond it"
        ),
    )
}

pub(crate) fn args_two_rules(at: impl ToTokens, name: &str, first: &str, second: &str) -> Error {
    refusal(at, format!("`{name}` has both `{first}` and `{second}`\nhelp: keep one"))
}

pub(crate) fn args_not_a_list(at: impl ToTokens, name: &str, key: &str) -> Error {
    refusal(at, format!("`{key}` is for lists, and `{name}` is none\nhelp: remove it, or spell the type as `Vec<T>`"))
}

pub(crate) fn args_bounds_of_items(at: impl ToTokens, name: &str, key: &str) -> Error {
    let setting = if key == "free_text" { "free_text, max_len = 50".to_owned() } else { format!("{key} = ..") };
    refusal(at, format!("`{key}` on list `{name}` is a bound of its items\nhelp: move it: `each({setting})`"))
}

pub(crate) fn args_useless_key(at: impl ToTokens, name: &str, key: &str) -> Error {
    refusal(
        at,
        format!(
            "`{key}` on `{name}` has no effect\nhelp: remove it; a type with `#[derive(ToolInput)]` says it itself"
        ),
    )
}

pub(crate) fn args_refused_example(at: impl ToTokens, name: &str, rule: &str) -> Error {
    refusal(at, format!("the example of `{name}` breaks its own {rule}\nhelp: give a value that a caller could send"))
}

pub(crate) fn args_too_many(at: impl ToTokens, name: impl Display) -> Error {
    refusal(at, format!("`{name}` takes more than 127 values\nhelp: group them in structs with `#[derive(ToolInput)]`"))
}

pub(crate) fn args_newtype_without_rule(at: impl ToTokens, name: impl Display) -> Error {
    refusal(
        at,
        format!(
            "newtype `{name}` does not say which values it takes\nhelp: add `#[text(pattern = \"^[a-z]{{1,20}}$\")]` or `#[number(min = 1, max = 100)]`"
        ),
    )
}

pub(crate) fn args_rule_without_newtype(at: impl ToTokens, name: impl Display, rule: &str) -> Error {
    refusal(
        at,
        format!(
            "`#[{rule}(..)]` is for a struct around one value, and `{name}` is none\nhelp: bounds of a field stand on the field: `#[arg(..)]`"
        ),
    )
}

pub(crate) fn args_recursive(at: impl ToTokens, name: impl Display) -> Error {
    refusal(
        at,
        format!(
            "`{name}` holds itself, so its JSON has no greatest depth\nhelp: take a flat list whose items name their parent"
        ),
    )
}

pub(crate) fn args_reserved_kind(at: impl ToTokens, name: impl Display) -> Error {
    refusal(at, format!("a field of `{name}` is published as `kind`, which tells its variants apart\nhelp: rename it"))
}

// ---- ret: the result

pub(crate) fn ret_untyped_error(at: impl ToTokens, tool: impl Display, ty: &str) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` fails with `{ty}`, which has no stable code\nhelp: write an enum with `#[derive(ToolError)]` and one line a \
             variant: `#[tool_error(not_found, \"no host is enrolled\")] NoHost`"
        ),
    )
}

pub(crate) fn ret_untyped_json(at: impl ToTokens, name: impl Display, ty: &str) -> Error {
    refusal(
        at,
        format!(
            "`{name}` answers with `{ty}`, which has no schema\nhelp: name a struct or enum with `#[derive(ToolOutput)]`"
        ),
    )
}

pub(crate) fn ret_list(at: impl ToTokens, name: impl Display, item: &str) -> Error {
    refusal(
        at,
        format!(
            "`{name}` answers with a list that has no end\nhelp: use `Page<{item}>`, as a field or as the whole: `Page::capped(items, 100)`\nnote: a page is capped and says when it was"
        ),
    )
}

pub(crate) fn ret_optional(at: impl ToTokens, tool: impl Display) -> Error {
    refusal(
        at,
        format!(
            "tool `{tool}` answers with an option\nhelp: answer with an error of the kind `not_found`, or with a `Page<T>` that may be empty"
        ),
    )
}

pub(crate) fn ret_secret(at: impl ToTokens, name: impl Display) -> Error {
    refusal(
        at,
        format!(
            "`{name}` answers with a secret, which the model would read\nhelp: answer with something that names it"
        ),
    )
}

pub(crate) fn ret_unknown_field(at: &proc_macro2::Ident, name: impl Display, known: &[String]) -> Error {
    let meant = suggest::nearest(&at.to_string(), known.iter().map(String::as_str))
        .map(|word| format!("; did you mean `{word}`?"))
        .unwrap_or_default();
    refusal(
        at,
        format!(
            "`empty_when` names `{at}`, which is no field of `{name}`{meant}\nhelp: name a field of type `Page<T>`"
        ),
    )
}

pub(crate) fn ret_which_page(at: impl ToTokens, name: impl Display, page: impl Display) -> Error {
    refusal(
        at,
        format!(
            "`{name}` has several pages, and nothing says when the answer is empty\nhelp: add `#[output(empty_when = {page})]`"
        ),
    )
}

// ---- err: error types

pub(crate) fn err_not_an_enum(at: impl ToTokens, name: impl Display) -> Error {
    refusal(at, format!("tool error `{name}` is not an enum\nhelp: write `enum {name}` with one variant a case"))
}

pub(crate) fn err_no_kind(at: impl ToTokens, variant: impl Display) -> Error {
    refusal(
        at,
        format!(
            "variant `{variant}` does not say its kind\nhelp: add `#[tool_error(not_found, \"what the model reads\")]`; kinds are {}",
            suggest::list(KINDS)
        ),
    )
}

pub(crate) fn err_unknown_kind(at: &proc_macro2::Ident) -> Error {
    let meant =
        suggest::nearest(&at.to_string(), KINDS).map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
    refusal(
        at,
        format!("`{at}` is no kind that a tool may answer with{meant}\nhelp: kinds are {}", suggest::list(KINDS)),
    )
}

pub(crate) fn err_no_message(at: impl ToTokens, variant: impl Display) -> Error {
    refusal(
        at,
        format!(
            "variant `{variant}` has no message\nhelp: write it behind the kind: `#[tool_error(not_found, \"what the model reads\")]`"
        ),
    )
}

pub(crate) fn err_bad_code(at: &syn::LitStr) -> Error {
    refusal(
        at,
        format!(
            "the code `{}` cannot be published\nhelp: codes are upper case: `[A-Z][A-Z0-9_]{{0,63}}`\nnote: lower-case codes belong to the gates",
            at.token()
        ),
    )
}

pub(crate) fn err_duplicate_code(at: impl ToTokens, code: &str, first: impl Display) -> Error {
    refusal(at, format!("code `{code}` is that of `{first}` already\nhelp: add `code = \"..\"` with another one"))
}

pub(crate) fn err_retry_after_on_final(at: impl ToTokens, variant: impl Display, kind: impl Display) -> Error {
    refusal(
        at,
        format!(
            "`retry_after` on `{variant}` has no effect, because a repeat of a `{kind}` call cannot help\nhelp: remove it, or use the kind `transient` or `unavailable`"
        ),
    )
}

pub(crate) fn err_stored_in_doubt(at: impl ToTokens, variant: impl Display) -> Error {
    refusal(
        at,
        format!(
            "`stored` keeps `{variant}` as the action's answer, although it may pass or its effect is not known\nhelp: remove `stored`, or use a kind such as `rejected` without `effect = unknown`\nnote: what is stored is answered to every repeat"
        ),
    )
}

pub(crate) fn err_unknown_field(at: impl ToTokens, field: &str, variant: impl Display, known: &[String]) -> Error {
    let meant = suggest::nearest(field, known.iter().map(String::as_str))
        .map(|word| format!("; did you mean `{{{word}}}`?"))
        .unwrap_or_default();
    refusal(
        at,
        format!(
            "the message shows `{{{field}}}`, which is no field of `{variant}`{meant}\nhelp: show a field, or write `{{{{` for a brace"
        ),
    )
}

pub(crate) fn err_detail_in_message(at: impl ToTokens, field: &str) -> Error {
    refusal(
        at,
        format!(
            "the message shows `{field}`, which is `#[detail]`\nhelp: remove `{{{field}}}` from the message\nnote: details go to operators; the message goes to the model"
        ),
    )
}

pub(crate) fn err_debug_in_message(at: impl ToTokens, field: &str) -> Error {
    refusal(
        at,
        format!(
            "the message shows the debug form of `{field}`\nhelp: write `{{{field}}}`\nnote: debug forms show internals"
        ),
    )
}

/// The kinds that a tool may answer with; the others belong to the gates.
pub(crate) const KINDS: [&str; 7] =
    ["not_found", "denied", "rejected", "conflict", "invalid_arguments", "transient", "unavailable"];
