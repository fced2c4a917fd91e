//! What a credential is for.

use super::option;
use super::wrap::{private, wrap};
use crate::model::Credential;
use crate::names::Names;
use proc_macro2::TokenStream;
use quote::quote;

/// Expands `#[derive(Credential)]`.
pub(crate) fn expand(credential: &Credential, names: &Names) -> TokenStream {
    let Credential { krate, ident, audience, scopes, env } = credential;
    let p = private(names);
    let name = crate::names::plain(ident);
    let env = option(env.as_ref());
    let body = quote! {
        #[automatically_derived]
        impl #p::Credential for #ident {
            const SPEC: &'static #p::CredentialSpec = &#p::CredentialSpec {
                name: #name,
                audience: #audience,
                scopes: &[#(#scopes),*],
                env: #env,
            };
        }
    };
    wrap(krate, &[], names, &body)
}
