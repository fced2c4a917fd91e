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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn expand(attribute: &str, item: &str) -> String {
        tool(attribute.parse().unwrap(), item.parse().unwrap()).to_string()
    }

    /// What an editor sends while somebody types: the function stays, and nothing panics.
    #[test]
    fn half_typed_attributes_keep_the_function() {
        let item = "/// Looks.\nasync fn look(/** Host. */ #[arg(pattern = \"^[a-z]{1,9}$\")] host: String) -> Result<Done, E> { host }";
        for attribute in [
            "",
            "e",
            "effect",
            "effect =",
            "effect = w",
            "effect = write,",
            "effect = write, scope",
            "scope = ",
            "key(",
            "key()",
            "key(,)",
            "key(call)",
            "key(call.)",
            "key(host.)",
            "key =",
            "key = natural",
            "key = natural()",
            "undo = ",
            "undo = x",
            "undo = x(",
            "undo = x(a =)",
            "undo = x(a = out.)",
            "undo = x::",
            "repeat",
            "repeat =",
            "repeat = n",
            "repeat(",
            "approve = none(",
            "reconcile",
            "reconcile =",
            "reconcile = a::",
            "reconcile = a(",
            "timeout = \"",
            "timeout = 1 s",
            "rate",
            "rate()",
            "rate(host)",
            "rate(host =)",
            "crate = ",
            "crate = ::",
            "effect = read effect = read",
            ",,",
            "= read",
            "\"\"",
        ] {
            // What is not even a token tree never reaches a macro.
            let Ok(tokens) = attribute.parse::<TokenStream>() else { continue };
            let expanded = tool(tokens, item.parse().unwrap()).to_string();
            assert!(
                expanded.contains("async fn look (host : String) -> Result < Done , E > { host }"),
                "{attribute}: {expanded}"
            );
            assert!(expanded.contains("struct look { }"), "{attribute}: {expanded}");
            assert!(expanded.contains("compile_error"), "{attribute}: {expanded}");
            assert!(!expanded.contains("panicked"), "{attribute}: {expanded}");
        }
    }

    #[test]
    fn half_typed_functions_are_left_to_rustc() {
        let attribute = "effect = read, scope = LAB";
        for item in [
            "/// L.\nasync fn look(",
            "/// L.\nasync fn look(host) -> R { }",
            "/// L.\nasync fn look(host:) -> R { }",
            "/// L.\nasync fn look(/** H. */ #[arg()] host: String,) { }",
            "/// L.\nasync fn look(/** H. */ #[arg(min =)] host: u8) -> R { }",
            "/// L.\nasync fn look(call: Call<, x: bool) -> R { }",
            "/// L.\nasync fn look() -> { }",
            "/// L.\nasync fn look()",
            "async fn look",
            "async fn look() -> Result<Done, > { }",
            "fn",
            "pub async",
            "",
        ] {
            let Ok(tokens) = item.parse::<TokenStream>() else { continue };
            let expanded = tool(attribute.parse().unwrap(), tokens).to_string();
            assert!(expanded.contains("compile_error"), "{item}: {expanded}");
            assert!(!expanded.contains("panicked"), "{item}: {expanded}");
            assert_eq!(expanded.contains("look"), item.contains("look"), "{item}: {expanded}");
            assert!(!expanded.contains("# [arg"), "{item}: {expanded}");
        }
    }

    #[test]
    fn a_body_is_not_looked_at() {
        let item = "/// L.\nasync fn look() -> Result<Done, E> { call.; let x = ; match }";
        let expanded = expand("effect = read, scope = LAB", item);
        assert!(!expanded.contains("compile_error"), "{expanded}");
        assert!(expanded.replace(' ', "").contains("{call.;letx=;match}"), "{expanded}");
    }

    #[test]
    fn half_typed_types_are_left_to_rustc() {
        for item in [
            "struct A { a: }",
            "struct A { #[arg(min =)] a: u8 }",
            "struct A(",
            "struct A;",
            "enum A { B(",
            "enum A { B { c } }",
            "#[text] struct A(String);",
            "#[text(pattern)] struct A(String);",
            "#[number(min = )] struct A(u8);",
            "union A { a: u8 }",
            "#[tool_error] enum A { B }",
            "enum A { #[tool_error()] B }",
            "enum A { #[tool_error(not_found, )] B }",
            "enum A { #[tool_error(not_found, \"{\")] B }",
            "#[credential(scopes(a))] struct A;",
            "#[credential] struct A;",
            "#[output(empty_when = )] struct A { b: u8 }",
        ] {
            let Ok(tokens) = item.parse::<TokenStream>() else { continue };
            for derive in [input, output, error, credential] {
                let expanded = derive(tokens.clone()).to_string();
                assert!(!expanded.contains("panicked"), "{item}: {expanded}");
            }
        }
    }

    #[test]
    fn a_panic_keeps_the_item() {
        #[allow(clippy::panic)]
        let expanded = guarded(
            quote!(
                fn look() {}
            ),
            || panic!("here"),
        )
        .to_string();
        assert!(expanded.contains("fn look () { }") && expanded.contains("report it"), "{expanded}");
    }

    #[test]
    fn expansions_name_the_crate_they_are_told() {
        let item = "/// L.\nasync fn look(/** F. */ flag: bool) -> Result<Done, E> { }";
        for attribute in ["effect = read, scope = LAB, crate = ::other", "effect = raed, scope = LAB, crate = ::other"]
        {
            let expanded = expand(attribute, item);
            assert!(expanded.contains(":: other :: __private") && !expanded.contains(":: safe_tool"), "{expanded}");
        }
        let item: TokenStream = "#[text(format = uid, crate = ::other)] struct Id(String);".parse().unwrap();
        assert!(!input(item).to_string().contains(":: safe_tool"));
    }
}
