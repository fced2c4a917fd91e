//! Decode, schema and canonical encoding of arguments and input types, from one rule each.

use super::wrap::{private, wrap};
use super::{at, depth, option, qualified};
use crate::model::{Field, Input, InputForm, NumberRule, Rule, TextRule, Variant};
use crate::names::{Names, local};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;

/// What the expansions of one value are made of. `value` is a reference to it, `decoder` and `writer` are in scope.
pub(super) struct Pieces {
    /// The statics that hold its rules.
    pub(super) rules: TokenStream,
    /// Its `Shape`.
    pub(super) shape: TokenStream,
    /// An expression that decodes it.
    pub(super) decode: TokenStream,
    /// Statements that encode it.
    pub(super) encode: TokenStream,
}

/// The pieces of a value of type `ty`; `base` names its statics.
pub(super) fn pieces(rule: &Rule, ty: &Type, base: &str, names: &Names) -> Pieces {
    let p = private(names);
    let (decoder, value, writer) = (local("decoder"), local("value"), local("writer"));
    let name = names.fresh(base);
    match rule {
        Rule::Type => {
            let [schema, decode, encode] =
                ["schema", "decode", "encode"].map(|item| qualified(&p, ty, "ToolInput", item));
            Pieces {
                rules: TokenStream::new(),
                shape: quote!(#p::Shape::Type(#schema)),
                decode: quote!(#decode(#decoder)),
                encode: quote!(#encode(#value, #writer);),
            }
        }
        Rule::Text(rule) => {
            let rule = text_rule(rule, &p);
            let [from, as_text] = ["from_text", "as_text"].map(|item| qualified(&p, ty, "PlainText", item));
            Pieces {
                rules: quote!(static #name: #p::TextRule = #rule;),
                shape: quote!(#p::Shape::Text(&#name)),
                decode: quote!(#p::plain_text(#decoder, &#name, #from)),
                encode: quote!(#name.encode(#as_text(#value), #writer);),
            }
        }
        Rule::Number(rule) => {
            let check = range_check(rule, ty, &name, &p);
            let rule = number_rule(rule, &p);
            let [integer, from, encode] =
                ["INTEGER", "from_number", "encode"].map(|item| qualified(&p, ty, "PlainNumber", item));
            Pieces {
                rules: quote! {
                    static #name: #p::NumberRule = #rule;
                    #check
                },
                shape: quote!(#p::Shape::Number(&#name, #integer)),
                decode: quote!(#p::plain_number(#decoder, &#name, #integer, #from)),
                encode: quote!(#encode(#value, #writer);),
            }
        }
        Rule::List { min_items, max_items, unique, item, each } => {
            let inner = pieces(each, item, &format!("{base}_EACH"), names);
            let shape = names.fresh(&format!("{base}_ITEM"));
            let Pieces { rules, shape: item_shape, decode, encode } = inner;
            Pieces {
                rules: quote! {
                    #rules
                    static #name: #p::ListRule = #p::ListRule { min_items: #min_items, max_items: #max_items, unique: #unique };
                    static #shape: #p::Shape = #item_shape;
                },
                shape: quote!(#p::Shape::List(&#name, &#shape)),
                decode: quote! {
                    #p::list(#decoder, &#name, |#decoder| #decode, |#value: &#item, #writer: &mut #p::Writer<'_>| { #encode })
                },
                encode: quote! {
                    #writer.begin_list();
                    for #value in #value { #encode }
                    #writer.end_list();
                },
            }
        }
    }
}

fn text_rule(rule: &TextRule, p: &Ident) -> TokenStream {
    let TextRule { pattern, format, free_text, min_len, max_len, example } = rule;
    let pattern = option(pattern.as_ref());
    let format = option(format.map(|format| {
        let format = format_ident!("{format}");
        quote!(#p::Format::#format)
    }));
    let (min_len, max_len, example) = (option(*min_len), option(*max_len), option(example.as_ref()));
    quote!(#p::TextRule::new(#pattern, #format, #free_text, #min_len, #max_len, #example))
}

fn number_rule(rule: &NumberRule, p: &Ident) -> TokenStream {
    let NumberRule { min, max, unit, example, at: _ } = rule;
    let (unit, example) = (option(unit.as_ref()), option(example.as_ref()));
    quote!(#p::NumberRule { min: #min, max: #max, unit: #unit, example: #example })
}

/// A range that its type does not hold is an error at the range.
fn range_check(rule: &NumberRule, ty: &Type, name: &Ident, p: &Ident) -> TokenStream {
    let [least, greatest, integer] = ["LEAST", "GREATEST", "INTEGER"].map(|item| qualified(p, ty, "PlainNumber", item));
    let p = at(p, rule.at);
    let check = quote_spanned!(rule.at=> #p::check_range(&#name, #least, #greatest, #integer));
    quote!(const _: () = #check;)
}

/// The static table of fields, and what decodes and encodes an object of them.
pub(super) struct Object {
    /// The statics that hold the fields' rules.
    pub(super) rules: TokenStream,
    /// The entries of the field table.
    pub(super) table: Vec<TokenStream>,
    /// Statements that declare a variable a field.
    pub(super) variables: TokenStream,
    /// Match arms that decode a field, beginning at `first`.
    pub(super) arms: TokenStream,
    /// The decoded values, in order; they end the function where a required one is missing.
    pub(super) values: Vec<TokenStream>,
    /// Statements that encode the value behind a reference `value`, one block a field.
    pub(super) encodes: Vec<TokenStream>,
}

/// The pieces of an object; `first` is the place of the first field in the table.
pub(super) fn object(fields: &[Field], first: usize, prefix: &str, names: &Names) -> Object {
    let p = private(names);
    let writer = local("writer");
    let mut object = Object {
        rules: TokenStream::new(),
        table: Vec::new(),
        variables: TokenStream::new(),
        arms: TokenStream::new(),
        values: Vec::new(),
        encodes: Vec::new(),
    };
    for (place, field) in fields.iter().enumerate() {
        let Field { ident: _, wire, description, ty, optional, target: _, sensitive, rule } = field;
        let Pieces { rules, shape, decode, encode } = pieces(rule, ty, &format!("RULE_{prefix}{place}"), names);
        let required = !optional;
        let variable = local(&format!("field_{place}"));
        let index = place + first;
        object.rules.extend(rules);
        object
            .table
            .push(quote!(#p::Field { name: #wire, description: #description, required: #required, shape: #shape }));
        object.variables.extend(quote!(let mut #variable: ::core::option::Option<#ty> = ::core::option::Option::None;));
        object.arms.extend(quote!(#index => #variable = #decode,));
        object.values.push(if *optional { quote!(#variable) } else { quote!(#variable?) });
        let start = local("start");
        object.encodes.push(if *sensitive {
            quote! {
                let #start = #writer.hide();
                #encode
                #writer.hidden(#start, false);
            }
        } else {
            encode
        });
    }
    object
}

/// Statements that encode the fields as members; `access` gives a reference to each.
fn members(fields: &[Field], encodes: &[TokenStream], access: impl Fn(&Field) -> TokenStream) -> TokenStream {
    let (value, writer) = (local("value"), local("writer"));
    let each = fields.iter().zip(encodes).map(|(field, encode)| {
        let wire = &field.wire;
        let access = access(field);
        let member = quote! {
            #writer.member(#wire);
            #encode
            #writer.end_member();
        };
        if field.optional {
            quote!(if let ::core::option::Option::Some(#value) = #access { #member })
        } else {
            quote!({ let #value = #access; #member })
        }
    });
    quote!(#(#each)*)
}

/// Expands `#[derive(ToolInput)]`.
pub(crate) fn expand(input: &Input, names: &Names) -> TokenStream {
    let Input { krate, ident, form } = input;
    let body = match form {
        InputForm::Struct(fields) => object_type(ident, fields, names),
        InputForm::Text { vis, ty, rule } => text_type(ident, vis, ty, rule, names),
        InputForm::Number { vis, ty, rule } => number_type(ident, vis, ty, rule, names),
        InputForm::Words(variants) => words(ident, variants, names),
        InputForm::Tagged(variants) => tagged(ident, variants, names),
    };
    wrap(krate, &[], names, &body)
}

/// `impl ToolInput` from its constants and the bodies of its three methods; a key may name its fields other than `inexact`.
fn tool_input(
    ident: &Ident,
    names: &Names,
    constants: &TokenStream,
    inexact: &[String],
    decode: &TokenStream,
    encode: &TokenStream,
    schema: &TokenStream,
) -> TokenStream {
    let p = private(names);
    let (decoder, writer) = (local("decoder"), local("writer"));
    quote! {
        #[automatically_derived]
        impl #p::ToolInput for #ident {
            fn decode(#decoder: &mut #p::Decoder<'_>) -> ::core::option::Option<Self> { #decode }
            fn encode(&self, #writer: &mut #p::Writer<'_>) { #encode }
            fn schema() -> #p::Schema { #schema }
            #constants
        }
        #[automatically_derived]
        impl #p::Reachable for #ident {
            const INEXACT: &'static [&'static ::core::primitive::str] = &[#(#inexact),*];
        }
    }
}

/// The constant of a type whose values records show.
fn shown() -> TokenStream {
    quote!(
        const HIDDEN: ::core::primitive::bool = false;
    )
}

fn held<'a>(fields: impl Iterator<Item = &'a Field>) -> Vec<&'a Type> {
    let mut held = Vec::new();
    for field in fields {
        hold(&field.rule, &field.ty, &mut held);
    }
    held
}

/// Whether a value with these fields holds what records hide: by what is declared here, or by the types that it holds.
fn hidden<'a>(fields: impl Iterator<Item = &'a Field> + Clone, names: &Names) -> TokenStream {
    let p = private(names);
    let value = if fields.clone().any(|field| field.sensitive || field.rule.holds_free_text()) {
        quote!(true)
    } else {
        let each = held(fields).into_iter().map(|ty| qualified(&p, ty, "ToolInput", "HIDDEN"));
        quote!(#p::any(&[#(#each),*]))
    };
    quote!(const HIDDEN: ::core::primitive::bool = #value;)
}

/// The types whose values stand in a value of type `ty`.
pub(super) fn hold<'a>(rule: &'a Rule, ty: &'a Type, held: &mut Vec<&'a Type>) {
    match rule {
        Rule::Type => held.push(ty),
        Rule::List { item, each, .. } => hold(each, item, held),
        Rule::Text(_) | Rule::Number(_) => {}
    }
}

/// `impl KeyPart`, for types whose values are exact.
fn key_part(ident: &Ident, names: &Names) -> TokenStream {
    let p = private(names);
    let writer = local("writer");
    quote! {
        #[automatically_derived]
        impl #p::KeyPart for #ident {
            fn part(&self, #writer: &mut #p::Writer<'_>) { <Self as #p::ToolInput>::encode(self, #writer) }
        }
    }
}

/// `impl Ruled`, for types whose constructor enforces their rule.
fn ruled(ident: &Ident, names: &Names) -> TokenStream {
    let p = private(names);
    quote! {
        #[automatically_derived]
        impl #p::Ruled for #ident {
            fn schema() -> #p::Schema { <Self as #p::ToolInput>::schema() }
        }
    }
}

fn object_type(ident: &Ident, fields: &[Field], names: &Names) -> TokenStream {
    let p = private(names);
    let table_name = names.fresh("FIELDS");
    let (decoder, walk, index, writer) = (local("decoder"), local("walk"), local("index"), local("writer"));
    let Object { rules, table, variables, arms, values, encodes } = object(fields, 0, "", names);
    let idents: Vec<&Ident> = fields.iter().map(|field| &field.ident).collect();
    let decode = quote! {
        #variables
        let mut #walk = #decoder.object(#table_name)?;
        while let ::core::option::Option::Some(#index) = #decoder.member(&mut #walk) {
            match #index { #arms _ => #decoder.skip(), }
        }
        ::core::option::Option::Some(Self { #(#idents: #values),* })
    };
    let members = members(fields, &encodes, |field| {
        let ident = &field.ident;
        quote!(&self.#ident)
    });
    let encode = quote! {
        #writer.begin_object();
        #members
        #writer.end_object();
    };
    let inexact: Vec<String> = fields
        .iter()
        .filter(|field| {
            field.optional || field.sensitive || field.rule.holds_free_text() || field.rule.holds_duration()
        })
        .map(|field| crate::names::plain(&field.ident))
        .collect();
    let (depth, check) = depth(ident, "ToolInput", &held(fields.iter()), names);
    let hidden = hidden(fields.iter(), names);
    let schema = quote!(#p::object_schema(#table_name));
    let implementation = tool_input(ident, names, &quote!(#depth #hidden), &inexact, &decode, &encode, &schema);
    quote! {
        #check
        #rules
        static #table_name: &[#p::Field] = &[#(#table),*];
        #implementation
    }
}

fn text_type(ident: &Ident, vis: &syn::Visibility, ty: &Type, rule: &TextRule, names: &Names) -> TokenStream {
    let p = private(names);
    let (decoder, writer, text) = (local("decoder"), local("writer"), local("text"));
    let name = names.fresh("RULE");
    let free = rule.free_text;
    // A duration has several spellings and no canonical one.
    let exact = !free && rule.format != Some("Duration");
    let key = if exact { key_part(ident, names) } else { TokenStream::new() };
    let rule = text_rule(rule, &p);
    let [from, as_text] = ["from_text", "as_text"].map(|item| qualified(&p, ty, "PlainText", item));
    let decode = quote!(#p::plain_text(#decoder, &#name, #from).map(Self));
    let encode = quote!(#name.encode(#as_text(&self.0), #writer););
    let constants = quote! {
        const HIDDEN: ::core::primitive::bool = #free;
        const FREE_TEXT: ::core::primitive::bool = #free;
    };
    let implementation = tool_input(ident, names, &constants, &[], &decode, &encode, &quote!(#name.schema()));
    let ruled = ruled(ident, names);
    let (parse_docs, text_docs) = (format!("Checks a text and makes a `{ident}` of it."), "The text.");
    quote! {
        static #name: #p::TextRule = #rule;
        #implementation
        #key
        #ruled
        // Both belong to the type whether they are called or not.
        #[allow(dead_code)]
        #[automatically_derived]
        impl #ident {
            #[doc = #parse_docs]
            ///
            /// # Errors
            /// The first rule that the text breaks.
            #vis fn parse(#text: impl ::core::convert::Into<::std::string::String>) -> ::core::result::Result<Self, #p::Violation> {
                #p::parse_text(&#name, ::core::convert::Into::into(#text), #from).map(Self)
            }

            #[doc = #text_docs]
            #[must_use]
            #vis fn as_str(&self) -> &::core::primitive::str {
                #as_text(&self.0)
            }
        }
        #[automatically_derived]
        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(#as_text(&self.0))
            }
        }
    }
}

fn number_type(ident: &Ident, vis: &syn::Visibility, ty: &Type, rule: &NumberRule, names: &Names) -> TokenStream {
    let p = private(names);
    let value = local("value");
    let Pieces { rules, shape, decode, encode } = pieces(&Rule::Number(number(rule)), ty, "RULE", names);
    let name = names.fresh("RULE");
    let decode = quote!(#decode.map(Self));
    let encode = quote!(let #value = &self.0; #encode);
    let implementation = tool_input(ident, names, &shown(), &[], &decode, &encode, &quote!(#shape.schema()));
    let whole = crate::parse::input::spelled(ty, &["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"]);
    let key = if whole { key_part(ident, names) } else { TokenStream::new() };
    let ruled = ruled(ident, names);
    let encode_number = qualified(&p, ty, "PlainNumber", "encode");
    let new_docs = format!("Checks a number and makes a `{ident}` of it.");
    quote! {
        #rules
        #implementation
        #key
        #ruled
        // Both belong to the type whether they are called or not.
        #[allow(dead_code)]
        #[automatically_derived]
        impl #ident {
            #[doc = #new_docs]
            ///
            /// # Errors
            /// The bound that the number breaks.
            #vis fn new(#value: #ty) -> ::core::result::Result<Self, #p::Violation> {
                #p::check_number(&#name, &#value, #encode_number).map(|()| Self(#value))
            }

            /// The number.
            #[must_use]
            #vis fn get(&self) -> #ty {
                self.0
            }
        }
    }
}

fn number(rule: &NumberRule) -> NumberRule {
    NumberRule { min: rule.min, max: rule.max, unit: rule.unit.clone(), example: rule.example.clone(), at: rule.at }
}

/// The entries of a table of variants; `tables` are the names of their field tables.
pub(super) fn variant_table<'a>(
    names: &Names,
    variants: impl IntoIterator<Item = (&'a str, &'a str, Option<Ident>)>,
) -> TokenStream {
    let p = private(names);
    let table = names.fresh("VARIANTS");
    let entries = variants.into_iter().map(|(wire, description, fields)| {
        let fields = fields.map_or_else(|| quote!(&[]), |fields| quote!(#fields));
        quote!(#p::Variant { name: #wire, description: #description, fields: #fields })
    });
    quote!(static #table: &[#p::Variant] = &[#(#entries),*];)
}

fn words(ident: &Ident, variants: &[Variant], names: &Names) -> TokenStream {
    let p = private(names);
    let (decoder, writer) = (local("decoder"), local("writer"));
    let table = variant_table(names, variants.iter().map(|variant| (&*variant.wire, &*variant.description, None)));
    let table_name = names.fresh("VARIANTS");
    let idents: Vec<&Ident> = variants.iter().map(|variant| &variant.ident).collect();
    let wires = variants.iter().map(|variant| &variant.wire);
    let places = 0..variants.len();
    let decode = quote! {
        match #decoder.one_of(#table_name)? {
            #(#places => ::core::option::Option::Some(Self::#idents),)*
            _ => ::core::option::Option::None,
        }
    };
    let encode = quote!(#writer.str(match self { #(Self::#idents => #wires,)* }););
    let schema = quote!(#p::enum_schema(#table_name));
    let implementation = tool_input(ident, names, &shown(), &[], &decode, &encode, &schema);
    let key = key_part(ident, names);
    quote!(#table #implementation #key)
}

fn tagged(ident: &Ident, variants: &[Variant], names: &Names) -> TokenStream {
    let p = private(names);
    let (decoder, walk, index, writer) = (local("decoder"), local("walk"), local("index"), local("writer"));
    let table_name = names.fresh("VARIANTS");
    let mut statics = TokenStream::new();
    let mut entries = Vec::new();
    let mut decodes = TokenStream::new();
    let mut encodes = TokenStream::new();
    for (place, variant) in variants.iter().enumerate() {
        let Variant { ident, wire, description, fields, unit } = variant;
        let fields_name = names.fresh(&format!("FIELDS_{place}"));
        // Place 0 is `kind`, which the choice of the variant has read already.
        let object = object(fields, 1, &format!("{place}_"), names);
        let Object { rules, table, variables, arms, values, encodes: field_encodes } = object;
        let kind = kind_field(names);
        statics.extend(quote! {
            #rules
            static #fields_name: &[#p::Field] = &[#kind, #(#table),*];
        });
        entries.push((&**wire, &**description, Some(fields_name.clone())));
        let idents: Vec<&Ident> = fields.iter().map(|field| &field.ident).collect();
        let value = if *unit { quote!(Self::#ident) } else { quote!(Self::#ident { #(#idents: #values),* }) };
        decodes.extend(quote! {
            #place => {
                #variables
                let mut #walk = #decoder.object(#fields_name)?;
                while let ::core::option::Option::Some(#index) = #decoder.member(&mut #walk) {
                    match #index { #arms _ => #decoder.skip(), }
                }
                ::core::option::Option::Some(#value)
            }
        });
        let bound: Vec<Ident> = (0..fields.len()).map(|place| local(&format!("field_{place}"))).collect();
        let members = members(fields, &field_encodes, |field| {
            let place = fields.iter().position(|other| other.ident == field.ident).unwrap_or_default();
            let variable = local(&format!("field_{place}"));
            quote!(#variable)
        });
        let pattern = if *unit { quote!(Self::#ident) } else { quote!(Self::#ident { #(#idents: #bound),* }) };
        encodes.extend(quote! {
            #pattern => {
                #writer.member("kind");
                #writer.str(#wire);
                #writer.end_member();
                #members
            }
        });
    }
    let table = variant_table(names, entries);
    let decode = quote! {
        match #decoder.tag(#table_name)? {
            #decodes
            _ => ::core::option::Option::None,
        }
    };
    let encode = quote! {
        #writer.begin_object();
        match self { #encodes }
        #writer.end_object();
    };
    let fields = variants.iter().flat_map(|variant| &variant.fields);
    let (depth, check) = depth(ident, "ToolInput", &held(fields.clone()), names);
    let hidden = hidden(fields, names);
    let schema = quote!(#p::tagged_schema(#table_name));
    let implementation = tool_input(ident, names, &quote!(#depth #hidden), &[], &decode, &encode, &schema);
    quote!(#check #statics #table #implementation)
}

/// The entry for `kind`; the schema of the tagged object replaces its shape.
pub(super) fn kind_field(names: &Names) -> TokenStream {
    let p = private(names);
    quote! {
        #p::Field {
            name: "kind",
            description: "",
            required: true,
            shape: #p::Shape::Type(<::core::primitive::bool as #p::ToolInput>::schema),
        }
    }
}
