//! From the checked model to tokens. Nothing is decided here.
//!
//! Every bound on a type of the user's is written as `<Type as Trait>::item` on the user's own tokens: rustc
//! swallows repeated errors of equal text and place, so a type that does not fit gives one error.

pub(crate) mod credential;
pub(crate) mod error;
pub(crate) mod fallback;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod tool;
mod wrap;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

/// An `Option` expression with full paths.
fn option<T: ToTokens>(value: Option<T>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
