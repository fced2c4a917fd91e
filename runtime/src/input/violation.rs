//! One way in which the arguments break the contract.

use serde_json::Value;
use std::borrow::Cow;

/// One broken rule: where, which, and what is expected instead; never the value that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer from the root of the arguments; the root is `""`.
    pub path: String,
    /// The JSON Schema keyword that is broken, or one of ours: `json`, `unique_names`, `unicode`, `finite`, `depth`, `differs`.
    pub rule: &'static str,
    /// The expected form.
    pub expected: Cow<'static, str>,
    /// A value that would pass, where the tool's author gave one.
    pub example: Option<Example>,
}

/// A value that would pass, as the tool's author wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Example {
    /// Text.
    Text(&'static str),
    /// A number, as JSON spells it.
    Number(&'static str),
}

impl From<Example> for Value {
    fn from(example: Example) -> Value {
        match example {
            Example::Text(text) => Value::from(text),
            Example::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = if self.path.is_empty() { "the value" } else { &self.path };
        write!(f, "{path} breaks `{}`: expected {}", self.rule, self.expected)
    }
}

impl std::error::Error for Violation {}
