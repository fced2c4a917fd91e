//! What stands in for an item that was refused: implementations that keep its uses from being errors too.
//! Nothing of it runs, because the crate does not build.

use super::tool::{effect_name, handle};
use super::wrap::{private, wrap};
use crate::model::Effect;
use crate::names::{Names, local, member, wire};
use crate::parse;
use crate::parse::tool::{Function, Settings};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::visit::Visit;
use syn::{DeriveInput, FnArg, Pat, Type};

/// The stub of a tool: its type with the arguments that can be named, and the effect it declared if it did.
pub(crate) fn tool(function: &Function, settings: &Settings, names: &Names) -> TokenStream {
    // A method's siblings cannot be a struct.
    if function.sig.receiver().is_some() {
        return TokenStream::new();
    }
    let p = private(names);
    let ident = &function.sig.ident;
    let cfgs: Vec<_> = function.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect();
    let handle = handle(&function.vis, ident, &cfgs, &ident.to_string(), "refused.");
    let arguments = names.fresh("Arguments");
    let effect = effect_name(likely_effect(settings));
    let fields = fields(function);
    let state = names.fresh("S");
    let body = quote! {
        #[allow(dead_code)]
        pub struct #arguments { #fields }
        #[automatically_derived]
        impl #p::RequiredNames for #arguments {
            const NAMES: &'static [&'static ::core::primitive::str] = &[];
        }
        #[automatically_derived]
        impl #p::SafeTool for #ident {
            type Effect = #p::effect::#effect;
            type Arguments = #arguments;
            const TAKES_AGAIN_AFTER: ::core::primitive::bool = true;
            fn descriptor() -> &'static #p::Descriptor { loop {} }
        }
        #[automatically_derived]
        impl<#state> #p::RunsOn<#state> for #ident {}
    };
    let krate =
        settings.get("crate").and_then(|setting| parse::crate_path(setting).ok()).unwrap_or_else(parse::standard_crate);
    let wrapped = wrap(&krate, &cfgs, names, &body);
    quote!(#handle #wrapped)
}

/// The declared effect; without one, what the other settings are for, so that a server that takes the tool is no error too.
fn likely_effect(settings: &Settings) -> Effect {
    let changes = settings.get("key").is_some() || settings.get("undo").is_some();
    crate::check::declared_effect(settings).unwrap_or(if changes { Effect::Write } else { Effect::Read })
}

/// Fields for the parameters that have a name and a type that can stand in a struct.
fn fields(function: &Function) -> TokenStream {
    let mut out = TokenStream::new();
    if !function.sig.generics.params.is_empty() {
        return out;
    }
    let mut seen: Vec<String> = Vec::new();
    for input in &function.sig.inputs {
        let FnArg::Typed(typed) = input else { continue };
        let Pat::Ident(pat) = &*typed.pat else { continue };
        let name = wire(&pat.ident);
        if !crate::names::is_wire_name(&name) || seen.contains(&name) || !is_owned(&typed.ty) {
            continue;
        }
        let (field, ty) = (member(&name, pat.ident.span()), &typed.ty);
        seen.push(name);
        out.extend(quote!(pub #field: #ty,));
    }
    out
}

/// Whether a type names no lifetime, no `impl` and nothing unsized.
fn is_owned(ty: &Type) -> bool {
    struct Owned(bool);
    impl<'ast> Visit<'ast> for Owned {
        fn visit_type(&mut self, ty: &'ast Type) {
            if matches!(
                ty,
                Type::Reference(_)
                    | Type::ImplTrait(_)
                    | Type::TraitObject(_)
                    | Type::Slice(_)
                    | Type::Infer(_)
                    | Type::Never(_)
            ) {
                self.0 = false;
            }
            syn::visit::visit_type(self, ty);
        }
        fn visit_lifetime(&mut self, _: &'ast syn::Lifetime) {
            self.0 = false;
        }
    }
    let mut owned = Owned(true);
    owned.visit_type(ty);
    owned.0
}

/// The type, without anything for a generic one: its parameters may not fit the traits.
fn stub(item: &DeriveInput, names: &Names, body: impl FnOnce(&Ident, &Ident) -> TokenStream) -> TokenStream {
    if !item.generics.params.is_empty() {
        return TokenStream::new();
    }
    wrap(&parse::declared_crate(&item.attrs), &[], names, &body(&item.ident, &private(names)))
}

/// The stub of an input type.
pub(crate) fn input(item: &DeriveInput, names: &Names) -> TokenStream {
    let (decoder, writer) = (local("_decoder"), local("_writer"));
    let p = private(names);
    let ident = &item.ident;
    let newtype = match &item.data {
        syn::Data::Struct(data) => data.fields.iter().next().map(|field| &field.ty).filter(|_| data.fields.len() == 1),
        syn::Data::Enum(_) | syn::Data::Union(_) => None,
    };
    let own = if parse::has(&item.attrs, "text") {
        quote! {
            #[allow(dead_code, missing_docs)]
            impl #ident {
                pub fn parse(_: impl ::core::convert::Into<::std::string::String>) -> ::core::result::Result<Self, #p::Violation> { loop {} }
                pub fn as_str(&self) -> &::core::primitive::str { loop {} }
            }
            impl ::core::fmt::Display for #ident {
                fn fmt(&self, _: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result { loop {} }
            }
        }
    } else if let Some(ty) = newtype.filter(|_| parse::has(&item.attrs, "number")) {
        quote! {
            #[allow(dead_code, missing_docs)]
            impl #ident {
                pub fn new(_: #ty) -> ::core::result::Result<Self, #p::Violation> { loop {} }
                pub fn get(&self) -> #ty { loop {} }
            }
        }
    } else {
        TokenStream::new()
    };
    stub(item, names, |ident, p| {
        quote! {
            impl #p::ToolInput for #ident {
                fn decode(#decoder: &mut #p::Decoder<'_>) -> ::core::option::Option<Self> { loop {} }
                fn encode(&self, #writer: &mut #p::Writer<'_>) {}
                fn schema() -> #p::Schema { loop {} }
                const HIDDEN: ::core::primitive::bool = false;
            }
            impl #p::KeyPart for #ident {
                fn part(&self, #writer: &mut #p::Writer<'_>) {}
            }
            impl #p::Reachable for #ident {
                const INEXACT: &'static [&'static ::core::primitive::str] = &[];
            }
            impl #p::Ruled for #ident {
                fn schema() -> #p::Schema { loop {} }
            }
            #own
        }
    })
}

/// The stub of an output type.
pub(crate) fn output(item: &DeriveInput, names: &Names) -> TokenStream {
    let writer = local("_writer");
    stub(item, names, |ident, p| {
        quote! {
            impl #p::ToolOutput for #ident {
                fn encode(&self, #writer: &mut #p::Writer<'_>) {}
                fn schema() -> #p::Schema { loop {} }
            }
        }
    })
}

/// The stub of an error type.
pub(crate) fn error(item: &DeriveInput, names: &Names) -> TokenStream {
    stub(item, names, |ident, p| {
        quote! {
            impl #p::ToolError for #ident {
                const CASES: &'static [#p::ErrorCase] = &[];
                fn report(&self) -> #p::ErrorReport { loop {} }
            }
        }
    })
}

/// The stub of a credential.
pub(crate) fn credential(item: &DeriveInput, names: &Names) -> TokenStream {
    stub(item, names, |ident, p| {
        quote! {
            impl #p::Credential for #ident {
                const SPEC: &'static #p::CredentialSpec =
                    &#p::CredentialSpec { name: "", audience: "", scopes: &[], env: ::core::option::Option::None };
            }
        }
    })
}
