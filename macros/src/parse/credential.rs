//! `#[credential(..)]` on a unit struct.

use super::{Form, Grammar, Setting, lists, settings, split};
use crate::messages;
use crate::sink::Sink;
use syn::{Attribute, LitStr};

const GRAMMAR: Grammar = Grammar { attribute: "credential", keys: &["audience", "scopes", "env", "crate"] };

/// What is written on a credential.
#[derive(Default)]
pub(crate) struct CredentialAttr {
    pub(crate) audience: Option<LitStr>,
    pub(crate) scopes: Vec<LitStr>,
    pub(crate) env: Option<LitStr>,
    pub(crate) krate: Option<Setting>,
}

impl CredentialAttr {
    /// Reads the attribute.
    pub(crate) fn read(attrs: &[Attribute], sink: &Sink<'_>) -> Self {
        let parts = lists(attrs, "credential", sink).into_iter().flat_map(|(_, tokens)| split(tokens)).collect();
        let mut read = CredentialAttr::default();
        for setting in settings(parts, &GRAMMAR, sink) {
            match setting.key.to_string().as_str() {
                "audience" => {
                    read.audience =
                        sink.take(super::text(&setting, "a string literal such as `\"https://edr.example\"`"))
                }
                "env" => {
                    read.env =
                        sink.take(super::text(&setting, "the name of an environment variable as a string literal"))
                }
                "scopes" => read.scopes = sink.take(scopes(&setting)).unwrap_or_default(),
                _ => read.krate = Some(setting),
            }
        }
        read
    }
}

fn scopes(setting: &Setting) -> syn::Result<Vec<LitStr>> {
    let expected = "string literals in parentheses: `scopes(\"host:contain\")`";
    let Form::List(group) = &setting.form else {
        return Err(messages::attr_wrong_value(&setting.key, &setting.key, expected));
    };
    split(group.stream())
        .into_iter()
        .map(|part| syn::parse2(part.clone()).map_err(|_| messages::attr_wrong_value(&part, &setting.key, expected)))
        .collect()
}
