//! `#[tool_error(..)]` on the variants of an error type.

use super::{Grammar, Setting, lists, settings, split};
use crate::messages;
use crate::sink::Sink;
use proc_macro2::{Ident, TokenTree};
use syn::{Attribute, LitStr, Variant};

/// `#[tool_error(..)]` on the enum.
pub(crate) const CONTAINER: Grammar = Grammar { attribute: "tool_error", keys: &["crate"] };
const CASE: Grammar =
    Grammar { attribute: "tool_error", keys: &["code", "suggest", "retry_after", "stored", "effect"] };

/// What is written on a variant.
pub(crate) struct CaseAttr {
    pub(crate) kind: Option<Ident>,
    pub(crate) message: Option<LitStr>,
    settings: Vec<Setting>,
}

impl CaseAttr {
    /// Reads the attribute of a variant: the kind, the message, then settings.
    pub(crate) fn read(variant: &Variant, sink: &Sink<'_>) -> Option<Self> {
        let mut lists = lists(&variant.attrs, "tool_error", sink);
        let (_, tokens) = lists.pop()?;
        if let Some((earlier, _)) = lists.pop() {
            sink.push(messages::attr_repeated(earlier, "tool_error"));
        }
        let (mut kind, mut message, mut rest) = (None, None, Vec::new());
        for part in split(tokens) {
            let mut tokens = part.clone().into_iter();
            match (tokens.next(), tokens.next()) {
                (Some(TokenTree::Ident(word)), None) if kind.is_none() => kind = Some(word),
                (Some(TokenTree::Literal(_)), None) if message.is_none() => {
                    message = sink.take(
                        syn::parse2(part.clone())
                            .map_err(|_| messages::err_no_message(&part, &variant.ident))
                            .and_then(super::visible),
                    );
                }
                _ => rest.push(part),
            }
        }
        Some(CaseAttr { kind, message, settings: settings(rest, &CASE, sink) })
    }

    /// The setting of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }
}

/// Whether a field goes to operators only.
pub(crate) fn is_detail(attrs: &[Attribute]) -> bool {
    super::has(attrs, "detail")
}
