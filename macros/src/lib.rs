//! The attribute and the derives of `safe-tool`: entry points only. Their docs live in that crate.
#![forbid(unsafe_code)]

mod check;
mod entry;
mod expand;
mod messages;
mod model;
mod names;
mod parse;
mod sink;
mod suggest;

use proc_macro::TokenStream;

// The derives claim `serde` and `schemars` to refuse them: they would have no effect.

/// Makes a tool of a free `async fn`; see the docs of `safe_tool`.
#[proc_macro_attribute]
pub fn safe_tool(attribute: TokenStream, item: TokenStream) -> TokenStream {
    entry::tool(attribute.into(), item.into()).into()
}

/// Makes a type that an agent may send; see `safe_tool::ToolInput`.
#[proc_macro_derive(ToolInput, attributes(arg, text, number, serde, schemars))]
pub fn tool_input(item: TokenStream) -> TokenStream {
    entry::input(item.into()).into()
}

/// Makes a type that a tool may answer with; see `safe_tool::ToolOutput`.
#[proc_macro_derive(ToolOutput, attributes(output, text, number, serde, schemars))]
pub fn tool_output(item: TokenStream) -> TokenStream {
    entry::output(item.into()).into()
}

/// Makes an error that an agent can act on; see `safe_tool::ToolError`.
#[proc_macro_derive(ToolError, attributes(tool_error, detail, serde, schemars))]
pub fn tool_error(item: TokenStream) -> TokenStream {
    entry::error(item.into()).into()
}

/// Declares a credential; see `safe_tool::Credential`.
#[proc_macro_derive(Credential, attributes(credential))]
pub fn credential(item: TokenStream) -> TokenStream {
    entry::credential(item.into()).into()
}
