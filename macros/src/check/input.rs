//! Input types, and what parameters and fields have in common.

use super::{docs, foreign, targets, values};
use crate::messages;
use crate::model::{Field, Input, InputForm, Variant};
use crate::names;
use crate::parse::input::{Arg, CONTAINER, variant_name};
use crate::parse::{self, last_name, peel};
use crate::sink::Sink;
use proc_macro2::Ident;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Type};

/// The decoder keeps the members it has seen in 128 bits.
pub(super) const MOST_FIELDS: usize = 128;

/// Checks a parameter or field; `missing` is the refusal where it has no description.
pub(super) fn field(
    ident: &Ident,
    attrs: &[Attribute],
    arg: &Arg,
    ty: &Type,
    sink: &Sink<'_>,
    missing: impl FnOnce() -> Error,
) -> Option<Field> {
    let name = names::plain(ident);
    let description = docs::description(attrs, &name, sink, missing);
    let wire = values::wire_name(arg.name.as_ref(), &names::wire(ident), ident, sink);
    let peeled = peel(ty, "Option");
    let inner = peeled.unwrap_or(ty);
    let rule = values::rule(arg, inner, &name, sink);
    if let (Some(target), Some(rule)) = (arg.key(&["target"]), &rule)
        && rule.holds_free_text()
    {
        sink.push(messages::args_free_text_target(target, &name));
    }
    let target = arg.target.as_ref().and_then(|thing| targets::thing(thing.as_ref(), wire.as_deref()?, &name, sink));
    if sink.failed() {
        return None;
    }
    Some(Field {
        ident: ident.clone(),
        wire: wire?,
        description: description?,
        ty: inner.clone(),
        optional: peeled.is_some(),
        target,
        sensitive: arg.sensitive,
        rule: rule?,
    })
}

/// Checks a type with `#[derive(ToolInput)]`.
pub(crate) fn check(item: DeriveInput, sink: &Sink<'_>) -> Option<Input> {
    foreign(&item.attrs, sink);
    generics(&item, sink);
    let name = item.ident.clone();
    let mut krate = parse::container(&item.attrs, &CONTAINER, sink).pop();
    for rule in ["text", "number"] {
        let newtype = matches!(&item.data, Data::Struct(data) if matches!(&data.fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1));
        if let Some(attr) = item.attrs.iter().find(|attr| attr.path().is_ident(rule) && !newtype) {
            sink.push(messages::args_rule_without_newtype(attr, &name, rule));
        }
    }
    let form = match item.data {
        Data::Struct(data) => match data.fields {
            Fields::Named(named) => InputForm::Struct(fields(&name, &named.named, false, sink)?),
            Fields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => {
                let ty = unnamed.unnamed.into_iter().next()?.ty;
                let (text, number) = (parse::has(&item.attrs, "text"), parse::has(&item.attrs, "number"));
                match (text, number) {
                    (true, false) => {
                        let arg = Arg::text(&item.attrs, sink);
                        let rule = values::text_rule(&arg, &name, &name.to_string(), sink)?;
                        krate = arg.krate.or(krate);
                        InputForm::Text { vis: item.vis, ty, rule }
                    }
                    (false, true) => {
                        let arg = Arg::number(&item.attrs, sink);
                        let rule = values::number_rule(&arg, &name, &name.to_string(), sink)?;
                        krate = arg.krate.or(krate);
                        InputForm::Number { vis: item.vis, ty, rule }
                    }
                    (true, true) => {
                        sink.push(messages::args_two_rules(&name, &name.to_string(), "#[text]", "#[number]"));
                        return None;
                    }
                    (false, false) => {
                        sink.push(messages::args_newtype_without_rule(&name, &name));
                        return None;
                    }
                }
            }
            Fields::Unnamed(_) | Fields::Unit => {
                sink.push(messages::item_not_an_object(
                    &name,
                    &name,
                    "name the fields: `struct Window { hours: u32 }`",
                ));
                return None;
            }
        },
        Data::Enum(data) => {
            let (variants, words) =
                super::variants(&name, &data, sink, |one, earlier, part| variant(&name, one, earlier, part))?;
            if words { InputForm::Words(variants) } else { InputForm::Tagged(variants) }
        }
        Data::Union(_) => {
            sink.push(messages::item_not_an_object(&name, &name, "use a struct or an enum"));
            return None;
        }
    };
    let krate = parse::crate_of(krate.as_ref(), sink);
    (!sink.failed()).then_some(Input { krate, ident: name, form })
}

fn variant(name: &Ident, variant: &syn::Variant, earlier: &[Variant], sink: &Sink<'_>) -> Option<Variant> {
    foreign(&variant.attrs, sink);
    let ident = &variant.ident;
    let missing = || messages::doc_variant_missing(ident, ident);
    let description = docs::description(&variant.attrs, ident, sink, missing);
    let literal = variant_name(&variant.attrs, "arg", sink);
    let wire = values::wire_name(literal.as_ref(), &names::snake(&names::plain(ident)), ident, sink);
    if let Some(wire) = wire.as_ref().filter(|wire| earlier.iter().any(|other| other.wire == **wire)) {
        sink.push(messages::sig_duplicate_wire_name(ident, wire));
    }
    let fields = match &variant.fields {
        Fields::Unit => Some(Vec::new()),
        Fields::Named(named) => fields(name, &named.named, true, sink),
        Fields::Unnamed(unnamed) => {
            sink.push(messages::item_tuple_variant(unnamed, name, ident));
            None
        }
    };
    Some(Variant {
        ident: ident.clone(),
        wire: wire?,
        description: description?,
        fields: fields?,
        unit: matches!(variant.fields, Fields::Unit),
    })
}

fn fields<'a>(
    owner: &Ident,
    list: impl IntoIterator<Item = &'a syn::Field>,
    tagged: bool,
    sink: &Sink<'_>,
) -> Option<Vec<Field>> {
    let whole = sink.part();
    let mut fields: Vec<Field> = Vec::new();
    for item in list {
        let part = whole.part();
        let Some(ident) = &item.ident else { continue };
        foreign(&item.attrs, &part);
        if holds(&item.ty, owner) {
            part.push(messages::args_recursive(&item.ty, owner));
            continue;
        }
        let arg = Arg::read(&item.attrs, &part);
        let name = names::plain(ident);
        let Some(field) =
            field(ident, &item.attrs, &arg, &item.ty, &part, || messages::doc_field_missing(ident, &name))
        else {
            continue;
        };
        if tagged && field.wire == "kind" {
            part.push(messages::args_reserved_kind(ident, owner));
        }
        if fields.iter().any(|other| other.wire == field.wire) {
            part.push(messages::sig_duplicate_wire_name(ident, &field.wire));
        }
        fields.push(field);
    }
    // `kind` takes a place of its own.
    if fields.len() + usize::from(tagged) >= MOST_FIELDS {
        whole.push(messages::args_too_many(owner, owner));
    }
    (!whole.failed()).then_some(fields)
}

/// Whether a type is spelled as `owner`, or as a list, option or box of it.
fn holds(ty: &Type, owner: &Ident) -> bool {
    ["Option", "Vec", "Box"].iter().any(|wrapper| peel(ty, wrapper).is_some_and(|inner| holds(inner, owner)))
        || last_name(ty).is_some_and(|name| name == owner || name == "Self")
}

/// Refuses generic types, whose schema would not be one.
pub(super) fn generics(item: &DeriveInput, sink: &Sink<'_>) {
    if !item.generics.params.is_empty() {
        sink.push(messages::item_generic_type(&item.generics.params, &item.ident));
    }
}
