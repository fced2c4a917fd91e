//! The table of an error's cases and the report of one.

use super::option;
use super::wrap::{private, wrap};
use crate::model::{ErrorCase, ToolError};
use crate::names::Names;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::LitStr;

/// Expands `#[derive(ToolError)]`.
pub(crate) fn expand(error: &ToolError, names: &Names) -> TokenStream {
    let ToolError { krate, ident, cases } = error;
    let p = private(names);
    let table = cases.iter().map(|case| {
        let (code, kind) = (&case.code, format_ident!("{}", case.kind));
        let effect = option(case.effect.map(|effect| known(effect, &p)));
        let stored = case.stored;
        quote!(#p::ErrorCase { code: #code, kind: #p::Kind::#kind, effect: #effect, stored: #stored })
    });
    let arms = cases.iter().map(|case| arm(case, &p));
    let body = quote! {
        #[automatically_derived]
        impl #p::ToolError for #ident {
            const CASES: &'static [#p::ErrorCase] = &[#(#table),*];
            fn report(&self) -> #p::ErrorReport {
                match self { #(#arms)* }
            }
        }
    };
    wrap(krate, &[], names, &body)
}

fn known(effect: &str, p: &Ident) -> TokenStream {
    let effect = format_ident!("{effect}");
    quote!(#p::EffectKnown::#effect)
}

fn arm(case: &ErrorCase, p: &Ident) -> TokenStream {
    let ErrorCase { ident, code, message, stored, fields, .. } = case;
    let kind = format_ident!("{}", case.kind);
    let suggest = option(case.suggest.as_ref());
    let retry_after = option(case.retry_after_ms.map(|millis| quote!(#p::Duration::from_millis(#millis))));
    let effect = known(case.effect.unwrap_or("None"), p);
    // The variables have the literal's span, so that the message captures them.
    let bound = fields.iter().filter(|field| field.shown || field.detail).map(|field| {
        let (member, variable) = (&field.member, Ident::new(&field.binding(), message.span()));
        quote!(#member: #variable)
    });
    let details: Vec<_> = fields.iter().filter(|field| field.detail).collect();
    let detail = if details.is_empty() {
        quote!(::core::option::Option::None)
    } else {
        let text: Vec<String> =
            details.iter().map(|field| format!("{}: {{{}:?}}", field.name, field.binding())).collect();
        let text = LitStr::new(&text.join("; "), message.span());
        quote!(::core::option::Option::Some(::std::format!(#text)))
    };
    quote! {
        Self::#ident { #(#bound,)* .. } => #p::ErrorReport {
            code: #p::Cow::Borrowed(#code),
            kind: #p::Kind::#kind,
            message: ::std::format!(#message),
            suggest: #suggest,
            retry_after: #retry_after,
            effect: #effect,
            stored: #stored,
            detail: #detail,
        },
    }
}
