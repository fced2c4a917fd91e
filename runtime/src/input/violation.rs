//! One way in which the arguments break the contract.

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
    pub example: Option<&'static str>,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = if self.path.is_empty() { "the value" } else { &self.path };
        write!(f, "{path} breaks `{}`: expected {}", self.rule, self.expected)
    }
}

impl std::error::Error for Violation {}
