//! From tokens to tokens: read, check, expand; on any refusal the item, a stub and the refusals.

use crate::names::Names;
use crate::parse::tool::{Function, Settings, as_written, function_name};
use crate::sink::{Errors, Sink};
use crate::{check, expand, messages};
use proc_macro2::TokenStream;
use quote::quote;
use std::panic::{AssertUnwindSafe, catch_unwind};
use syn::{DeriveInput, Error};

/// Expands `#[safe_tool(..)]`.
pub(crate) fn tool(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let written = as_written(item.clone());
    guarded(written, || {
        let errors = Errors::default();
        let tokens = whole_tool(attribute, item, &errors.sink());
        finish(tokens, errors)
    })
}

fn whole_tool(attribute: TokenStream, item: TokenStream, sink: &Sink<'_>) -> TokenStream {
    let names = Names::new(&quote!(#attribute #item));
    let written = as_written(item.clone());
    let settings = Settings::read(attribute, sink);
    let function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            // A function that syn cannot read is one that is being typed; rustc says what is missing.
            sink.push(match function_name(&item) {
                Some(_) => error,
                None => messages::item_not_a_function(first(&item)),
            });
            return written;
        }
    };
    // The second attribute expands the item itself, and needs all of it.
    let twice = function.attrs.iter().any(check::is_safe_tool);
    let stub = expand::fallback::tool(&function, &settings, &names);
    let tool = check::tool(&settings, function, sink);
    match tool {
        Some(tool) if !sink.failed() => {
            let function = expand::tool::function(written);
            let tool = expand::tool::expand(&tool, &names);
            quote!(#function #tool)
        }
        _ if twice => item,
        _ => quote!(#written #stub),
    }
}

/// Expands `#[derive(ToolInput)]`.
pub(crate) fn input(item: TokenStream) -> TokenStream {
    derive(item, check::input::check, expand::input::expand, expand::fallback::input)
}

/// Expands `#[derive(ToolOutput)]`.
pub(crate) fn output(item: TokenStream) -> TokenStream {
    derive(item, check::output::check, expand::output::expand, expand::fallback::output)
}

/// Expands `#[derive(ToolError)]`.
pub(crate) fn error(item: TokenStream) -> TokenStream {
    derive(item, check::error::check, expand::error::expand, expand::fallback::error)
}

/// Expands `#[derive(Credential)]`.
pub(crate) fn credential(item: TokenStream) -> TokenStream {
    derive(item, check::credential::check, expand::credential::expand, expand::fallback::credential)
}

fn derive<T>(
    item: TokenStream,
    check: fn(DeriveInput, &Sink<'_>) -> Option<T>,
    expand: fn(&T, &Names) -> TokenStream,
    fallback: fn(&DeriveInput, &Names) -> TokenStream,
) -> TokenStream {
    guarded(TokenStream::new(), || {
        let errors = Errors::default();
        let names = Names::new(&item);
        let tokens = match syn::parse2::<DeriveInput>(item.clone()) {
            Ok(item) => {
                let stub = fallback(&item, &names);
                let sink = errors.sink();
                let model = check(item, &sink).filter(|_| !sink.failed());
                model.map_or(stub, |model| expand(&model, &names))
            }
            Err(error) => {
                errors.sink().push(error);
                TokenStream::new()
            }
        };
        finish(tokens, errors)
    })
}

fn finish(tokens: TokenStream, errors: Errors) -> TokenStream {
    let refusals = errors.finish();
    let refusals = refusals.iter().map(Error::to_compile_error);
    quote!(#tokens #(#refusals)*)
}

fn first(tokens: &TokenStream) -> TokenStream {
    tokens.clone().into_iter().next().map(TokenStream::from).unwrap_or_default()
}

/// A panic of ours must not take the user's item away.
fn guarded(item: TokenStream, expand: impl FnOnce() -> TokenStream) -> TokenStream {
    catch_unwind(AssertUnwindSafe(expand)).unwrap_or_else(|_| {
        let report = Error::new(
            proc_macro2::Span::call_site(),
            "safe_tool panicked here\nhelp: report it with the item: https://github.com/safe-tool/safe-tool/issues",
        )
        .to_compile_error();
        quote!(#item #report)
    })
}
