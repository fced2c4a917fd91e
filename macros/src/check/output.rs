//! Output types.

use super::signature::spelling;
use super::{docs, foreign, values};
use crate::messages;
use crate::model::{Members, Output, OutputField, OutputForm, OutputVariant};
use crate::names;
use crate::parse::output::OutputAttr;
use crate::parse::{self, bare, last_name, peel};
use crate::sink::Sink;
use proc_macro2::Ident;
use std::fmt::Display;
use syn::{Data, DeriveInput, Fields, Type};

/// Checks a type with `#[derive(ToolOutput)]`.
pub(crate) fn check(item: DeriveInput, sink: &Sink<'_>) -> Option<Output> {
    foreign(&item.attrs, sink);
    super::input::generics(&item, sink);
    let name = item.ident;
    let attr = OutputAttr::container(&item.attrs, sink);
    let krate = parse::crate_of(attr.krate.as_ref(), sink);
    let ruled = parse::has(&item.attrs, "text") || parse::has(&item.attrs, "number");
    let form = match item.data {
        Data::Struct(data) => match data.fields {
            Fields::Named(named) => {
                OutputForm::Struct(members(&name, &named.named, attr.empty_when.as_ref(), false, sink)?)
            }
            Fields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => {
                let ty = unnamed.unnamed.into_iter().next()?.ty;
                refused(&ty, &name, sink);
                OutputForm::Newtype { ty: Box::new(ty), ruled }
            }
            Fields::Unnamed(_) | Fields::Unit => {
                sink.push(messages::item_not_an_object(
                    &name,
                    &name,
                    "name the fields: `struct Ticket { ticket: String }`; with nothing to say, use `Done`",
                ));
                return None;
            }
        },
        Data::Enum(data) => {
            let (variants, words) =
                super::variants(&name, &data, sink, |one, earlier, part| variant(&name, one, earlier, part))?;
            if words { OutputForm::Words(variants) } else { OutputForm::Tagged(variants) }
        }
        Data::Union(_) => {
            sink.push(messages::item_not_an_object(&name, &name, "use a struct or an enum"));
            return None;
        }
    };
    (!sink.failed()).then_some(Output { krate, ident: name, form })
}

fn variant(name: &Ident, variant: &syn::Variant, earlier: &[OutputVariant], sink: &Sink<'_>) -> Option<OutputVariant> {
    foreign(&variant.attrs, sink);
    let ident = &variant.ident;
    let description = docs::description(&variant.attrs, ident, sink, || messages::doc_variant_missing(ident, ident));
    let attr = OutputAttr::variant(&variant.attrs, sink);
    let wire = values::wire_name(attr.name.as_ref(), &names::snake(&names::plain(ident)), ident, sink);
    if let Some(wire) = wire.as_ref().filter(|wire| earlier.iter().any(|other| other.wire == **wire)) {
        sink.push(messages::sig_duplicate_wire_name(ident, wire));
    }
    let members = match &variant.fields {
        Fields::Unit => Some(Members { fields: Vec::new(), empty_when: None }),
        Fields::Named(named) => members(ident, &named.named, attr.empty_when.as_ref(), true, sink),
        Fields::Unnamed(unnamed) => {
            sink.push(messages::item_tuple_variant(unnamed, name, ident));
            None
        }
    };
    Some(OutputVariant {
        ident: ident.clone(),
        wire: wire?,
        description: description?,
        members: members?,
        unit: matches!(variant.fields, Fields::Unit),
    })
}

fn members<'a>(
    owner: &Ident,
    list: impl IntoIterator<Item = &'a syn::Field>,
    empty_when: Option<&Ident>,
    tagged: bool,
    sink: &Sink<'_>,
) -> Option<Members> {
    let part = sink.part();
    let mut fields: Vec<OutputField> = Vec::new();
    for item in list {
        let Some(ident) = &item.ident else { continue };
        fields.extend(field(owner, ident, item, &fields, tagged, &part));
    }
    if part.failed() {
        return None;
    }
    let pages: Vec<usize> = (0..fields.len())
        .filter(|at| fields.get(*at).is_some_and(|field| !field.optional && peel(&field.ty, "Page").is_some()))
        .collect();
    let empty_when = match (empty_when, pages.as_slice()) {
        (Some(chosen), _) => {
            let place = fields.iter().position(|field| field.ident == *chosen);
            if place.is_none() {
                let known: Vec<String> = fields.iter().map(|field| names::plain(&field.ident)).collect();
                part.push(messages::ret_unknown_field(chosen, owner, &known));
                return None;
            }
            place
        }
        (None, []) => None,
        (None, [one]) => Some(*one),
        (None, [first, ..]) => {
            let page = fields.get(*first).map(|field| names::plain(&field.ident)).unwrap_or_default();
            part.push(messages::ret_which_page(owner, owner, page));
            return None;
        }
    };
    Some(Members { fields, empty_when })
}

fn field(
    owner: &Ident,
    ident: &Ident,
    item: &syn::Field,
    earlier: &[OutputField],
    tagged: bool,
    sink: &Sink<'_>,
) -> Option<OutputField> {
    let part = sink.part();
    foreign(&item.attrs, &part);
    let name = names::plain(ident);
    let description = docs::description(&item.attrs, &name, &part, || messages::doc_field_missing(ident, &name));
    let attr = OutputAttr::field(&item.attrs, &part);
    let wire = values::wire_name(attr.name.as_ref(), &names::wire(ident), ident, &part);
    if let Some(wire) = wire.as_ref().filter(|wire| earlier.iter().any(|other| other.wire == **wire)) {
        part.push(messages::sig_duplicate_wire_name(ident, wire));
    }
    if tagged && wire.as_deref() == Some("kind") {
        part.push(messages::args_reserved_kind(ident, owner));
    }
    let peeled = peel(&item.ty, "Option");
    let ty = peeled.unwrap_or(&item.ty);
    if peel(ty, "Option").is_some() {
        part.push(messages::args_nested_option(ty, &name));
    } else {
        refused(ty, format!("{owner}.{name}"), &part);
    }
    if part.failed() {
        return None;
    }
    Some(OutputField {
        ident: ident.clone(),
        wire: wire?,
        description: description?,
        ty: ty.clone(),
        optional: peeled.is_some(),
    })
}

/// Checks the `T` of a tool's `Result<T, E>`.
pub(super) fn answer(ty: &Type, tool: &Ident, sink: &Sink<'_>) {
    if peel(ty, "Option").is_some() {
        sink.push(messages::ret_optional(ty, tool));
    } else {
        refused(ty, tool, sink);
    }
}

/// Types that no answer can be made of. Only spellings are seen here; aliases run into the bound.
fn refused(ty: &Type, name: impl Display, sink: &Sink<'_>) {
    if let Some(item) = peel(ty, "Vec") {
        sink.push(messages::ret_list(ty, name, &spelling(item)));
        return;
    }
    let Type::Path(path) = bare(ty) else { return };
    let json = path.path.segments.first().is_some_and(|first| first.ident == "serde_json");
    if json {
        sink.push(messages::ret_untyped_json(ty, name, &spelling(ty)));
    } else if last_name(ty).is_some_and(|last| last == "Secret" || last == "SecretString") {
        sink.push(messages::ret_secret(ty, name));
    }
}
