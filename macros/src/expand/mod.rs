//! From the checked model to tokens. Nothing is decided here.
//!
//! Every bound on a type of the user's is written as `<Type as Trait>::item` on the user's own tokens: rustc
//! swallows repeated errors of equal text and place, so a type that does not fit gives one error.

pub(crate) mod credential;
pub(crate) mod error;
pub(crate) mod fallback;
pub(crate) mod input;
pub(crate) mod output;
#[cfg(test)]
mod snapshots;
pub(crate) mod tool;
mod wrap;

use crate::names::Names;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

/// `<Type as Trait>::item` that stands, for rustc, exactly where the user wrote the type.
fn qualified(p: &Ident, ty: &impl ToTokens, trait_name: &str, item: &str) -> TokenStream {
    let ty = ty.to_token_stream();
    let mut tokens = ty.clone().into_iter();
    let first = tokens.next().map_or_else(Span::call_site, |token| token.span());
    let last = tokens.last().map_or(first, |token| token.span());
    let (trait_name, item) = (Ident::new(trait_name, Span::call_site()), Ident::new(item, last));
    let opening = quote_spanned!(first=> <);
    let closing = quote_spanned!(last=> >::#item);
    quote!(#opening #ty as #p::#trait_name #closing)
}

/// The runtime's name at the place of a user's token: a call that begins with it is reported there.
fn at(p: &Ident, place: Span) -> Ident {
    Ident::new(&p.to_string(), place)
}

/// An `Option` expression with full paths.
fn option<T: ToTokens>(value: Option<T>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// The depth of a type that holds others, and a check of it: a type that holds itself has none.
fn depth(ident: &Ident, trait_name: &str, held: &[&syn::Type], names: &Names) -> (TokenStream, TokenStream) {
    let p = wrap::private(names);
    let each = held.iter().map(|ty| qualified(&p, ty, trait_name, "DEPTH"));
    let constant = quote!(const DEPTH: ::core::primitive::u32 = #p::deeper(&[#(#each),*]););
    let q = at(&p, ident.span());
    let own = qualified(&p, ident, trait_name, "DEPTH");
    let check = quote_spanned!(ident.span()=> #q::check_depth(#own));
    (constant, quote!(const _: () = #check;))
}
