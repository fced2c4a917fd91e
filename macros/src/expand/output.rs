//! Encoding and schema of output types.

use super::input::{kind_field, variant_table};
use super::wrap::{private, wrap};
use super::{depth, qualified};
use crate::model::{Members, Output, OutputForm, OutputVariant};
use crate::names::{Names, local};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::Type;

/// Expands `#[derive(ToolOutput)]`.
pub(crate) fn expand(output: &Output, names: &Names) -> TokenStream {
    let Output { krate, ident, form } = output;
    let body = match form {
        OutputForm::Struct(members) => object_type(ident, members, names),
        OutputForm::Newtype { ty, ruled } => newtype(ident, ty, *ruled, names),
        OutputForm::Words(variants) => words(ident, variants, names),
        OutputForm::Tagged(variants) => tagged(ident, variants, names),
    };
    wrap(krate, &[], names, &body)
}

/// `impl ToolOutput` from the bodies of its methods.
fn tool_output(
    ident: &Ident,
    names: &Names,
    held: &[&Type],
    encode: &TokenStream,
    schema: &TokenStream,
    empty: &TokenStream,
    truncated: &TokenStream,
) -> TokenStream {
    let p = private(names);
    let writer = local("writer");
    let (constant, check) = depth(ident, "ToolOutput", held, names);
    quote! {
        #check
        #[automatically_derived]
        impl #p::ToolOutput for #ident {
            fn encode(&self, #writer: &mut #p::Writer<'_>) { #encode }
            fn schema() -> #p::Schema { #schema }
            fn is_empty(&self) -> ::core::primitive::bool { #empty }
            fn is_truncated(&self) -> ::core::primitive::bool { #truncated }
            #constant
        }
    }
}

/// What an object's members expand to; a member is behind the reference that `access` gives.
struct Pieces {
    table: Vec<TokenStream>,
    encode: TokenStream,
    empty: TokenStream,
    truncated: TokenStream,
}

fn pieces(members: &Members, names: &Names, access: impl Fn(usize) -> TokenStream) -> Pieces {
    let p = private(names);
    let (value, writer) = (local("value"), local("writer"));
    let mut pieces =
        Pieces { table: Vec::new(), encode: TokenStream::new(), empty: quote!(false), truncated: quote!(false) };
    for (place, field) in members.fields.iter().enumerate() {
        let (ty, wire, description, required) = (&field.ty, &field.wire, &field.description, !field.optional);
        let access = access(place);
        let [schema, encode] = ["schema", "encode"].map(|item| qualified(&p, ty, "ToolOutput", item));
        pieces.table.push(quote! {
            #p::Field {
                name: #wire,
                description: #description,
                required: #required,
                shape: #p::Shape::Type(#schema),
            }
        });
        let member = quote! {
            #writer.member(#wire);
            #encode(#value, #writer);
            #writer.end_member();
        };
        let ask = |method: &str| {
            let method = qualified(&p, ty, "ToolOutput", method);
            if field.optional {
                quote!(match #access {
                    ::core::option::Option::Some(#value) => #method(#value),
                    ::core::option::Option::None => false,
                })
            } else {
                quote!(#method(#access))
            }
        };
        let (truncated, is_truncated) = (&pieces.truncated, ask("is_truncated"));
        pieces.truncated = if place == 0 { is_truncated } else { quote!(#truncated || #is_truncated) };
        if members.empty_when == Some(place) {
            pieces.empty = ask("is_empty");
        }
        pieces.encode.extend(if field.optional {
            quote!(if let ::core::option::Option::Some(#value) = #access { #member })
        } else {
            quote!({ let #value = #access; #member })
        });
    }
    pieces
}

fn object_type(ident: &Ident, members: &Members, names: &Names) -> TokenStream {
    let p = private(names);
    let table_name = names.fresh("FIELDS");
    let writer = local("writer");
    let idents: Vec<&Ident> = members.fields.iter().map(|field| &field.ident).collect();
    let Pieces { table, encode, empty, truncated } = pieces(members, names, |place| {
        let ident = idents.get(place);
        quote!(&self.#ident)
    });
    let encode = quote! {
        #writer.begin_object();
        #encode
        #writer.end_object();
    };
    let held: Vec<&Type> = members.fields.iter().map(|field| &field.ty).collect();
    let schema = quote!(#p::object_schema(#table_name));
    let implementation = tool_output(ident, names, &held, &encode, &schema, &empty, &truncated);
    quote! {
        static #table_name: &[#p::Field] = &[#(#table),*];
        #implementation
    }
}

fn newtype(ident: &Ident, ty: &Type, ruled: bool, names: &Names) -> TokenStream {
    let p = private(names);
    let writer = local("writer");
    let [own, encode, empty, truncated] =
        ["schema", "encode", "is_empty", "is_truncated"].map(|item| qualified(&p, ty, "ToolOutput", item));
    // A rule is enforced where values are made, which is what `ToolInput` on the same type does.
    let schema = if ruled { qualified(&p, ident, "Ruled", "schema") } else { own };
    tool_output(
        ident,
        names,
        &[ty],
        &quote!(#encode(&self.0, #writer)),
        &quote!(#schema()),
        &quote!(#empty(&self.0)),
        &quote!(#truncated(&self.0)),
    )
}

fn words(ident: &Ident, variants: &[OutputVariant], names: &Names) -> TokenStream {
    let p = private(names);
    let writer = local("writer");
    let table = variant_table(names, variants.iter().map(|variant| (&*variant.wire, &*variant.description, None)));
    let table_name = names.fresh("VARIANTS");
    let idents = variants.iter().map(|variant| &variant.ident);
    let wires = variants.iter().map(|variant| &variant.wire);
    let encode = quote!(#writer.str(match self { #(Self::#idents => #wires,)* }););
    let (schema, no) = (quote!(#p::enum_schema(#table_name)), quote!(false));
    let implementation = tool_output(ident, names, &[], &encode, &schema, &no, &no);
    quote!(#table #implementation)
}

fn tagged(ident: &Ident, variants: &[OutputVariant], names: &Names) -> TokenStream {
    let p = private(names);
    let writer = local("writer");
    let table_name = names.fresh("VARIANTS");
    let kind = kind_field(names);
    let (mut statics, mut entries) = (TokenStream::new(), Vec::new());
    let (mut encodes, mut empties, mut truncations) = (TokenStream::new(), TokenStream::new(), TokenStream::new());
    for (place, variant) in variants.iter().enumerate() {
        let OutputVariant { ident, wire, description, members, unit } = variant;
        let fields_name = names.fresh(&format!("FIELDS_{place}"));
        let bound: Vec<Ident> = (0..members.fields.len()).map(|place| local(&format!("field_{place}"))).collect();
        let Pieces { table, encode, empty, truncated } = pieces(members, names, |place| {
            let variable = bound.get(place);
            quote!(#variable)
        });
        statics.extend(quote!(static #fields_name: &[#p::Field] = &[#kind, #(#table),*];));
        entries.push((&**wire, &**description, Some(fields_name)));
        let idents = members.fields.iter().map(|field| &field.ident);
        let pattern = if *unit { quote!(Self::#ident) } else { quote!(Self::#ident { #(#idents: #bound),* }) };
        encodes.extend(quote! {
            #pattern => {
                #writer.member("kind");
                #writer.str(#wire);
                #writer.end_member();
                #encode
            }
        });
        empties.extend(quote!(#pattern => #empty,));
        truncations.extend(quote!(#pattern => #truncated,));
    }
    let table = variant_table(names, entries);
    let encode = quote! {
        #writer.begin_object();
        match self { #encodes }
        #writer.end_object();
    };
    let empty = quote!(match self { #empties });
    let truncated = quote!(match self { #truncations });
    let held: Vec<&Type> = variants.iter().flat_map(|variant| &variant.members.fields).map(|field| &field.ty).collect();
    let schema = quote!(#p::tagged_schema(#table_name));
    let implementation = tool_output(ident, names, &held, &encode, &schema, &empty, &truncated);
    quote! {
        #statics
        #table
        #[allow(unused_variables)]
        const _: () = { #implementation };
    }
}
