//! `#[safe_tool(..)]` and the function below it, the body left as tokens: errors in it are rustc's business.

use super::{Form, Grammar, Setting, settings, split};
use crate::sink::Sink;
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Signature, Token, Visibility};

/// The keys of `#[safe_tool(..)]`.
pub(crate) const GRAMMAR: Grammar = Grammar {
    attribute: "safe_tool",
    keys: &[
        "effect",
        "scope",
        "key",
        "undo",
        "repeat",
        "approve",
        "reconcile",
        "timeout",
        "retry",
        "rate",
        "source",
        "name",
        "title",
        "crate",
    ],
};

/// The settings of the attribute by key.
pub(crate) struct Settings(Vec<Setting>);

impl Settings {
    /// Reads the attribute.
    pub(crate) fn read(tokens: TokenStream, sink: &Sink<'_>) -> Self {
        Settings(settings(split(tokens), &GRAMMAR, sink))
    }

    /// The setting of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Setting> {
        self.0.iter().find(|setting| setting.key == key)
    }
}

/// A function whose body is not looked at.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        // A half-typed item may have no body, and rustc says so itself.
        let _body: TokenStream = input.parse()?;
        Ok(Function { attrs, vis, sig })
    }
}

/// The name behind `fn`, where the item is a function at all; for items that do not parse as one.
pub(crate) fn function_name(item: &TokenStream) -> Option<Ident> {
    let mut tokens = item.clone().into_iter();
    while let Some(token) = tokens.next() {
        if let TokenTree::Ident(word) = &token
            && word == "fn"
        {
            return match tokens.next() {
                Some(TokenTree::Ident(name)) => Some(name),
                _ => None,
            };
        }
    }
    None
}

/// The item without what only `#[safe_tool]` understands: `#[arg(..)]` and doc comments on parameters.
///
/// Works on tokens, so that an item that does not parse is emitted as it is and rustc and the editor see it.
pub(crate) fn as_written(item: TokenStream) -> TokenStream {
    item.into_iter()
        .map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
                let mut stripped = Group::new(Delimiter::Parenthesis, without_helpers(group.stream()));
                stripped.set_span(group.span());
                TokenTree::Group(stripped)
            }
            other => other,
        })
        .collect()
}

fn without_helpers(tokens: TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let hash = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#');
        if hash && matches!(tokens.peek(), Some(TokenTree::Group(group)) if is_helper(group)) {
            tokens.next();
        } else {
            out.extend([token]);
        }
    }
    out
}

fn is_helper(group: &Group) -> bool {
    // Those of other serialisers are refused, and rustc would refuse them once more.
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Bracket
        && matches!(first, Some(TokenTree::Ident(name)) if ["arg", "doc", "serde", "schemars"].iter().any(|helper| name == helper))
}

/// A name, perhaps with fields behind it: `order` or `order.id`.
pub(crate) struct Dotted {
    pub(crate) first: Ident,
    pub(crate) rest: Vec<Ident>,
}

impl Dotted {
    /// The tokens of the path behind the first name, with a dot before each.
    pub(crate) fn fields(&self) -> TokenStream {
        let rest = &self.rest;
        quote!(#(.#rest)*)
    }
}

impl Parse for Dotted {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let first = input.parse()?;
        let mut rest = Vec::new();
        while input.parse::<Option<Token![.]>>()?.is_some() {
            rest.push(input.parse()?);
        }
        Ok(Dotted { first, rest })
    }
}

/// A call as a value: `natural("why")`, `path::tool(a, b = out.c)`.
pub(crate) struct Called {
    pub(crate) path: syn::Path,
    pub(crate) arguments: Group,
}

impl Parse for Called {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let path = input.call(syn::Path::parse_mod_style)?;
        let arguments = match input.parse::<TokenTree>()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => group,
            other => return Err(syn::Error::new(other.span(), "expected `(`")),
        };
        Ok(Called { path, arguments })
    }
}

impl Called {
    /// The call that `key = ..` names, if it is one.
    pub(crate) fn of(setting: &Setting) -> Option<Self> {
        match &setting.form {
            Form::Value(value) => syn::parse2(value.clone()).ok(),
            Form::Flag | Form::List(_) => None,
        }
    }
}
