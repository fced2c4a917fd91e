//! Whether a principal may do this to this target: decided on the typed call, after validation.

mod allowlist;

pub use allowlist::{Allowlist, AllowlistError};

use crate::identity::Principal;
use crate::tool::Effect;

/// What a policy decides on.
#[derive(Debug)]
pub struct Action<'a> {
    /// Who calls.
    pub principal: &'a Principal,
    /// The tool.
    pub tool: &'a str,
    /// What the tool does to the world.
    pub effect: Effect,
    /// The arguments that the effect hits; an absent optional one is not in the list.
    pub targets: &'a [Target],
}

/// One argument that the effect hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The argument's name on the wire.
    pub name: &'static str,
    /// Its value: text in its one spelling (see [`Format`](crate::input::Format)), anything else as JSON.
    pub text: String,
}

/// What a policy says. There is no third answer: a policy that cannot decide denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The call may go on.
    Allow,
    /// The call stops with `denied`.
    Deny,
}

/// Decides on calls.
pub trait Policy: Send + Sync + 'static {
    /// Whether the call may go on.
    fn decide(&self, action: &Action<'_>) -> Decision;

    /// Tools that the policy names, so that a misspelt one keeps the server from starting.
    fn tools_named(&self) -> Vec<String> {
        Vec::new()
    }
}
