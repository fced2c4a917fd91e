//! stub
use proc_macro::TokenStream;
#[proc_macro_attribute]
pub fn safe_tool(_a: TokenStream, i: TokenStream) -> TokenStream { i }
#[proc_macro_derive(ToolInput, attributes(arg, text, number))]
pub fn i(_: TokenStream) -> TokenStream { TokenStream::new() }
#[proc_macro_derive(ToolOutput, attributes(output, text, number))]
pub fn o(_: TokenStream) -> TokenStream { TokenStream::new() }
#[proc_macro_derive(ToolError, attributes(tool_error, detail))]
pub fn e(_: TokenStream) -> TokenStream { TokenStream::new() }
#[proc_macro_derive(Credential, attributes(credential))]
pub fn c(_: TokenStream) -> TokenStream { TokenStream::new() }
