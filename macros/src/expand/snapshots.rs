//! Expansions as files under `macros/snapshots/`, to be read and reviewed like code.
//!
//! To bless: `SAFE_TOOL_BLESS=1 cargo test -p safe-tool-macros`.
#![allow(clippy::unwrap_used)]

use crate::entry;
use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use std::path::Path;

/// What the prelude brings, which a user's module may not have.
const PRELUDE: [&str; 14] = [
    "Option", "Some", "None", "Result", "Ok", "Err", "Box", "Vec", "String", "Into", "From", "Default", "Clone",
    "ToString",
];
/// What no expansion may do.
const BANNED: [&str; 8] = ["unsafe", "unwrap", "expect", "panic", "todo", "transmute", "extern", "static_mut"];

fn hold(name: &str, tokens: TokenStream) {
    check(tokens.clone());
    let text = prettyplease::unparse(&syn::parse2(tokens).unwrap());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(format!("{name}.rs"));
    if std::env::var_os("SAFE_TOOL_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let blessed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(blessed == text, "{name} changed; bless it and read the difference:\n{text}");
}

/// Generated blocks name nothing that the user's module could lack or mean otherwise.
fn check(tokens: TokenStream) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let colon = |back: usize| {
            at.checked_sub(back)
                .and_then(|at| tokens.get(at))
                .is_some_and(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ':'))
        };
        match token {
            TokenTree::Group(group) => check(group.stream()),
            TokenTree::Ident(ident) => {
                let word = ident.to_string();
                assert!(!BANNED.contains(&word.as_str()), "`{word}`");
                assert!(!PRELUDE.contains(&word.as_str()) || (colon(1) && colon(2)), "`{word}` without a path");
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[test]
fn a_read_tool() {
    let attribute = quote!(effect = read, scope = LOGINS_READ, rate(principal = "30/minute"));
    let item = quote! {
        /// Searches logins.
        async fn search_logins(
            call: Call<Siem>,
            /// User.
            user: UserId,
            /// How far to look back.
            #[arg(min = 1, max = 48, unit = "hours")]
            hours: u32,
        ) -> Answer<Logins> {
            call.state().search(user, hours).await
        }
    };
    hold("read_tool", entry::tool(attribute, item));
}

#[test]
fn a_write_tool() {
    let attribute = quote! {
        effect = write, scope = HOSTS_ISOLATE, key(host_id, order.id, call.turn),
        undo = release_host(host_id, ticket = out.ticket), reconcile = edr::find_isolation, timeout = "10s", rate(host_id = "2/hour")
    };
    let item = quote! {
        /// Cuts a host off.
        pub async fn isolate_host(
            call: Call<Edr, EdrContain>,
            /// Host.
            #[arg(target = "host")]
            host_id: HostId,
            /// Order.
            order: Order,
            /// One-time password.
            #[arg(pattern = "^[0-9]{6}$", sensitive)]
            otp: Text,
        ) -> Answer<Isolation> {
            call.state().isolate(host_id, order, otp).await
        }
    };
    hold("write_tool", entry::tool(attribute, item));
}

#[test]
fn a_refused_tool() {
    let attribute = quote!(effect = write, scope = HOSTS_ISOLATE);
    let item = quote! {
        /// Cuts a host off.
        async fn isolate_host(
            /// Host.
            host_id: HostId,
            note: &str,
        ) -> Answer<Isolation> {
            isolate(host_id, note).await
        }
    };
    hold("refused_tool", entry::tool(attribute, item));
}

#[test]
fn input_types() {
    let text = quote! {
        #[text(pattern = "^[a-z]{1,9}$", example = "web")]
        pub struct HostId(Text);
    };
    let tagged = quote! {
        enum Target {
            /// All.
            All,
            /// One host.
            Host {
                /// Hosts.
                #[arg(max_items = 3, unique, each(free_text, max_len = 9))]
                names: Vec<Text>,
            },
        }
    };
    // The user's own `Vec` stands in the second.
    let text = entry::input(text);
    hold("text_newtype", text);
    let tagged = entry::input(tagged).to_string().replace("Vec < Text >", ":: std :: vec :: Vec < Text >");
    hold("tagged_enum", tagged.parse().unwrap());
}

#[test]
fn an_error_type() {
    let item = quote! {
        enum ContainError {
            #[tool_error(not_found, "no host `{host}`", suggest = "find_host", stored)]
            NoHost { host: HostId },
            #[tool_error(transient, "no answer", effect = unknown, retry_after = "5s")]
            Down(#[detail] Cause),
        }
    };
    hold("error_type", entry::error(item));
}
