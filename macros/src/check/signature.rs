//! Every rule on the signature of a tool.

use crate::messages;
use crate::model::{Answer, Field};
use crate::names;
use crate::parse::input::Arg;
use crate::parse::{self, bare, last_name, peel};
use crate::sink::Sink;
use proc_macro2::Ident;
use quote::ToTokens;
use syn::{FnArg, Pat, PatType, ReturnType, Type};

/// The checked signature; a part that was refused is `None`.
pub(super) struct Signature {
    pub(super) context: Option<Type>,
    /// The arguments' wire names, also of those that were refused.
    pub(super) names: Vec<String>,
    pub(super) arguments: Option<Vec<Field>>,
    pub(super) answer: Option<Answer>,
}

impl Signature {
    /// The argument of a wire name.
    pub(super) fn argument(&self, name: &Ident) -> Option<&Field> {
        let name = names::plain(name);
        self.arguments.iter().flatten().find(|field| field.wire == name)
    }

    /// The arguments' names, for suggestions.
    pub(super) fn words(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}

/// Checks a signature.
pub(super) fn check(sig: &syn::Signature, sink: &Sink<'_>) -> Signature {
    let tool = &sig.ident;
    qualifiers(sig, sink);
    let mut signature = Signature { context: None, names: Vec::new(), arguments: None, answer: answer(sig, sink) };
    let mut arguments = Vec::new();
    let part = sink.part();
    for (at, input) in sig.inputs.iter().enumerate() {
        let typed = match input {
            FnArg::Receiver(receiver) => {
                part.push(messages::sig_self_receiver(receiver, tool));
                continue;
            }
            FnArg::Typed(typed) => typed,
        };
        let documented = parse::has(&typed.attrs, "doc");
        let is_call = last_name(&typed.ty).is_some_and(|name| name == "Call");
        let bare_first = at == 0 && !documented && !parse::has(&typed.attrs, "arg");
        if bare_first && may_be_context(&typed.ty) {
            signature.context = Some((*typed.ty).clone());
        } else if let Some(state) = borrowed_state(&typed.ty).filter(|_| bare_first) {
            part.push(messages::sig_borrowed_state(&typed.ty, tool, &state));
        } else if is_call {
            part.push(match (at, &signature.context) {
                (0, _) => messages::sig_documented_context(&typed.ty, tool),
                (_, Some(first)) if last_name(first).is_some_and(|name| name == "Call") => {
                    messages::sig_two_contexts(&typed.ty, tool)
                }
                _ => messages::sig_context_not_first(&typed.ty, tool),
            });
        } else {
            arguments.extend(argument(tool, typed, at + 1, &mut signature.names, &part));
        }
    }
    // One place is kept for what the pipeline publishes: `idempotency_key` or `again_after`.
    if arguments.len() >= super::input::MOST_FIELDS {
        part.push(messages::args_too_many(tool, tool));
    }
    super::targets::check(tool, &arguments, &part);
    if !part.failed() {
        signature.arguments = Some(arguments);
    }
    signature
}

/// Whether a type could be a call context or an alias of one; what it is, a bound says.
fn may_be_context(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(_))
        && peel(ty, "Option").is_none()
        && peel(ty, "Vec").is_none()
        && !super::values::is_plain(ty)
}

/// The type behind a reference that stands where the call context belongs.
fn borrowed_state(ty: &Type) -> Option<String> {
    match bare(ty) {
        Type::Reference(reference) if may_be_context(&reference.elem) => Some(spelling(&reference.elem)),
        _ => None,
    }
}

fn qualifiers(sig: &syn::Signature, sink: &Sink<'_>) {
    let tool = &sig.ident;
    if sig.asyncness.is_none() {
        sink.push(messages::sig_not_async(sig.fn_token, tool));
    }
    if let Some(token) = &sig.constness {
        sink.push(messages::sig_qualifier(token, tool, "const"));
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        sink.push(messages::sig_qualifier(token, tool, "unsafe"));
    }
    if let Some(abi) = &sig.abi {
        sink.push(messages::sig_qualifier(abi, tool, "extern"));
    }
    if !sig.generics.params.is_empty() {
        sink.push(messages::sig_generic(&sig.generics.params, tool));
    } else if let Some(clause) = sig.generics.where_clause.as_ref().filter(|clause| !clause.predicates.is_empty()) {
        sink.push(messages::sig_where_clause(clause, tool));
    }
}

fn argument(tool: &Ident, typed: &PatType, place: usize, seen: &mut Vec<String>, sink: &Sink<'_>) -> Option<Field> {
    let part = sink.part();
    let ident = match &*typed.pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => &pat.ident,
        Pat::Wild(wild) => {
            sink.push(messages::sig_wildcard(wild, tool, place));
            return None;
        }
        other => {
            sink.push(messages::sig_pattern(other, tool, place));
            return None;
        }
    };
    let name = names::plain(ident);
    for attr in typed.attrs.iter().filter(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")) {
        part.push(messages::sig_cfg_parameter(attr, &name));
    }
    super::foreign(&typed.attrs, &part);
    let arg = Arg::read(&typed.attrs, &part);
    if let Some(wire) = arg.name.as_ref().map_or_else(|| Some(names::wire(ident)), |name| Some(name.value())) {
        if seen.contains(&wire) {
            part.push(match &arg.name {
                Some(literal) => messages::sig_duplicate_wire_name(literal, &wire),
                None => messages::sig_duplicate_wire_name(ident, &wire),
            });
        }
        seen.push(wire);
    }
    let peeled = peel(&typed.ty, "Option");
    if let Some(error) = unfit(peeled.unwrap_or(&typed.ty), &name) {
        part.push(error);
        return None;
    }
    let missing = || messages::doc_param_missing(ident, &name);
    super::input::field(ident, &typed.attrs, &arg, &typed.ty, &part, missing)
}

/// Types that no parameter can have because of what Rust does with them.
fn unfit(ty: &Type, name: &str) -> Option<syn::Error> {
    let text = spelling(ty);
    match bare(ty) {
        Type::Reference(reference) => {
            let owned = match bare(&reference.elem) {
                Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
                Type::Slice(slice) => format!("Vec<{}>", spelling(&slice.elem)),
                inner => spelling(inner),
            };
            Some(messages::sig_borrowed(ty, name, &text, &owned))
        }
        Type::ImplTrait(_) => Some(messages::sig_impl_trait(ty, name, &text)),
        Type::FnPtr(_) | Type::Ptr(_) | Type::TraitObject(_) | Type::Never(_) | Type::Slice(_) => {
            Some(messages::sig_no_json_form(ty, name, &text))
        }
        Type::Path(_) if peel(ty, "Box").is_some_and(|inner| matches!(bare(inner), Type::TraitObject(_))) => {
            Some(messages::sig_no_json_form(ty, name, &text))
        }
        _ => None,
    }
}

/// A type as people write it.
pub(super) fn spelling(ty: &Type) -> String {
    ty.to_token_stream()
        .to_string()
        .replace(" :: ", "::")
        .replace(":: ", "::")
        .replace(" < ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
        .replace("& ", "&")
        .replace(" (", "(")
}

fn answer(sig: &syn::Signature, sink: &Sink<'_>) -> Option<Answer> {
    let tool = &sig.ident;
    let ty = match &sig.output {
        ReturnType::Default => {
            sink.push(messages::sig_no_return(&sig.ident, tool));
            return None;
        }
        ReturnType::Type(_, ty) => ty,
    };
    let Type::Path(path) = bare(ty) else {
        if matches!(bare(ty), Type::ImplTrait(_)) {
            sink.push(messages::sig_opaque_return(ty, tool));
            return None;
        }
        return Some(Answer::Other(ty.clone()));
    };
    let last = path.path.segments.last()?;
    let types: Vec<&Type> = match &last.arguments {
        syn::PathArguments::AngleBracketed(arguments) if last.ident == "Result" => arguments
            .args
            .iter()
            .filter_map(|argument| if let syn::GenericArgument::Type(ty) = argument { Some(ty) } else { None })
            .collect(),
        _ => Vec::new(),
    };
    let first = path.path.segments.first().map(|first| first.ident.to_string()).unwrap_or_default();
    let part = sink.part();
    match types.as_slice() {
        [output, error] => {
            super::output::answer(output, tool, &part);
            if is_untyped(error) {
                part.push(messages::ret_untyped_error(error, tool, &spelling(error)));
            }
            (!part.failed()).then(|| Answer::Result(Box::new((*output).clone()), Box::new((*error).clone())))
        }
        [_] if matches!(first.as_str(), "anyhow" | "eyre" | "color_eyre") => {
            part.push(messages::ret_untyped_error(ty, tool, &format!("{first}::Error")));
            None
        }
        _ => Some(Answer::Other(ty.clone())),
    }
}

/// Error types that say nothing a program could act on.
fn is_untyped(ty: &Type) -> bool {
    match bare(ty) {
        Type::Reference(_) | Type::Tuple(_) => true,
        Type::Path(path) => {
            let first = path.path.segments.first().map(|first| first.ident.to_string()).unwrap_or_default();
            let boxed = peel(ty, "Box").is_some_and(|inner| matches!(bare(inner), Type::TraitObject(_)));
            boxed || matches!(first.as_str(), "anyhow" | "eyre" | "color_eyre") || path.path.is_ident("String")
        }
        _ => false,
    }
}
