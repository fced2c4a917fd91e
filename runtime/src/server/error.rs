//! Why a server does not start, or stopped.

use crate::identity::EnvironmentError;
use crate::ledger::LedgerError;
use crate::policy::AllowlistError;

/// Why a server does not start, or stopped.
///
/// `Debug` reads like `Display`: it is what `fn main() -> Result<(), ServeError>` shows to whoever started the server.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The server has no tool.
    #[error("the server has no tool; add one with `.tool::<name>()`")]
    NoTools,
    /// Two tools have one name.
    #[error("`{first}` and `{second}` are both named `{name}`; rename one with `name = \"..\"`")]
    DuplicateTool {
        /// The name.
        name: &'static str,
        /// The tool's path in the code.
        first: &'static str,
        /// The other's.
        second: &'static str,
    },
    /// The undo of a tool is not on the server, or does not write.
    #[error("the undo of `{tool}` is `{undo}`, which is not a write tool of this server; add `.tool::<{undo}>()`")]
    UndoNotServed {
        /// The tool.
        tool: &'static str,
        /// Its undo.
        undo: &'static str,
    },
    /// A rate that counts nothing.
    #[error("a rate of `{tool}` lets nothing through")]
    Rate {
        /// The tool.
        tool: &'static str,
    },
    /// Nobody said who calls.
    #[error(
        "{0}: a stdio server takes its caller from the environment; set SAFE_TOOL_AGENT and SAFE_TOOL_SCOPES, or \
        call `.identity(..)`"
    )]
    NoIdentity(#[source] EnvironmentError),
    /// The static bearer token is missing or too short.
    #[error(
        "an HTTP server needs a bearer token: set SAFE_TOOL_TOKEN to at least 32 random bytes, or call `.identity(..)`"
    )]
    Token,
    /// The policy names a tool that the server does not have.
    #[error("the policy names the tool `{name}`, which this server does not have")]
    PolicyNamesNoTool {
        /// The name.
        name: String,
    },
    /// The policy file cannot be used.
    #[error("the policy: {0}")]
    Policy(#[from] AllowlistError),
    /// The ledger does not open, or did not close.
    #[error("the ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// No place for the ledger is known.
    #[error(
        "no place for the ledger: set SAFE_TOOL_LEDGER to a directory, or XDG_STATE_HOME or HOME, or call `.ledger(..)`"
    )]
    NoLedgerPlace,
    /// A stream or listener failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl std::fmt::Debug for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
