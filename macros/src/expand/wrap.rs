//! The block around everything generated, and the lints that are silenced in it.

use crate::names::Names;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Attribute, Path};

/// The name by which expansions reach the runtime.
pub(super) fn private(names: &Names) -> Ident {
    names.fresh("p")
}

/// Puts a body into a block of its own, where only the user's names and ours are seen.
pub(super) fn wrap(krate: &Path, cfgs: &[Attribute], names: &Names, body: &TokenStream) -> TokenStream {
    let p = private(names);
    quote! {
        #(#cfgs)*
        // The user's lints are about what the user wrote:
        // - `private_interfaces`: a private argument type is part of a `pub` struct that nobody can name;
        // - `unused_qualifications`: absolute paths are what keeps generated code independent of imports;
        // - `non_shorthand_field_patterns`: an error's fields are bound by the spans of the message that shows them;
        // - `clippy`: its opinions on generated code help nobody.
        #[allow(private_interfaces, unused_qualifications, non_shorthand_field_patterns, clippy::all, clippy::pedantic)]
        const _: () = {
            use #krate::__private as #p;
            #body
        };
    }
}
