//! Who calls, for whom, and what they may do.

mod environment;
mod provider;

pub use environment::EnvironmentError;
pub(crate) use environment::from_environment;
pub(crate) use provider::Fixed;
pub use provider::{Identity, StaticBearer};

use std::collections::BTreeSet;

/// What a principal may do; a `const` that tools and identities name.
///
/// ```
/// use safe_tool::Scope;
/// const HOSTS_ISOLATE: Scope = Scope::new("hosts:isolate");
/// assert_eq!(HOSTS_ISOLATE.as_str(), "hosts:isolate");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope(&'static str);

impl Scope {
    /// Names a scope: OAuth's characters, without space, quote and backslash.
    ///
    /// # Panics
    /// At compile time in a `const`, when the name is empty or holds another character.
    #[must_use]
    #[allow(clippy::panic, reason = "runs in constants, where a panic is a compile error")]
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if !matches!(bytes[at], 0x21 | 0x23..=0x5B | 0x5D..=0x7E) {
                panic!("a scope holds printable ASCII without space, quote and backslash");
            }
            at += 1;
        }
        if bytes.is_empty() {
            panic!("a scope has a name");
        }
        Scope(name)
    }

    /// The name.
    pub const fn as_str(&self) -> &'static str {
        self.0
    }
}

/// Who calls: the agent, the user it acts for, their tenant, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    agent: String,
    user: Option<String>,
    tenant: String,
    scopes: BTreeSet<String>,
}

impl Principal {
    /// An agent that acts for itself in the tenant `default` and holds no scope.
    pub fn agent(agent: impl Into<String>) -> Self {
        Principal { agent: agent.into(), user: None, tenant: "default".to_owned(), scopes: BTreeSet::new() }
    }

    /// Names the user it acts for.
    #[must_use]
    pub fn on_behalf_of(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Names the tenant.
    #[must_use]
    pub fn in_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// Grants a scope.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.insert(scope.into());
        self
    }

    /// The agent.
    pub fn agent_name(&self) -> &str {
        &self.agent
    }

    /// The user the agent acts for.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Agent and user as one text, for keys and limits: two principals never have the same.
    pub(crate) fn who(&self) -> String {
        format!("{}\0{}", self.agent, self.user.as_deref().unwrap_or(""))
    }

    /// Whether it holds a scope.
    pub fn holds(&self, scope: &Scope) -> bool {
        self.scopes.contains(scope.as_str())
    }
}
