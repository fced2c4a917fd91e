//! Why a server does not start, or stopped.

use crate::identity::EnvironmentError;
use crate::ledger::LedgerError;
use crate::policy::AllowlistError;

/// Why a server does not start, or stopped.
///
/// `Debug` reads like `Display`: it is what `fn main() -> Result<(), ServeError>` shows to whoever started the server.
#[non_exhaustive]
pub enum ServeError {
    /// The server has no tool.
    NoTools,
    /// Two tools have one name.
    DuplicateTool {
        /// The name.
        name: &'static str,
        /// The tool's path in the code.
        first: &'static str,
        /// The other's.
        second: &'static str,
    },
    /// The undo of a tool is not on the server, or does not write.
    UndoNotServed {
        /// The tool.
        tool: &'static str,
        /// Its undo.
        undo: &'static str,
    },
    /// A rate that counts nothing.
    Rate {
        /// The tool.
        tool: &'static str,
    },
    /// Nobody said who calls.
    NoIdentity(EnvironmentError),
    /// The static bearer token is missing or too short.
    Token,
    /// The policy names a tool that the server does not have.
    PolicyNamesNoTool {
        /// The name.
        name: String,
    },
    /// The policy file cannot be used.
    Policy(AllowlistError),
    /// The ledger does not open, or did not close.
    Ledger(LedgerError),
    /// No place for the ledger is known.
    NoLedgerPlace,
    /// A stream or listener failed.
    Io(std::io::Error),
}

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ServeError::NoTools => f.write_str("the server has no tool; add one with `.tool::<name>()`"),
            ServeError::DuplicateTool { name, first, second } => {
                write!(f, "`{first}` and `{second}` are both named `{name}`; rename one with `name = \"..\"`")
            }
            ServeError::UndoNotServed { tool, undo } => write!(
                f,
                "the undo of `{tool}` is `{undo}`, which is not a write tool of this server; add `.tool::<{undo}>()`"
            ),
            ServeError::Rate { tool } => write!(f, "a rate of `{tool}` lets nothing through"),
            ServeError::NoIdentity(error) => write!(
                f,
                "{error}: a stdio server takes its caller from the environment; set SAFE_TOOL_AGENT and SAFE_TOOL_SCOPES, or call `.identity(..)`"
            ),
            ServeError::Token => f.write_str(
                "an HTTP server needs a bearer token: set SAFE_TOOL_TOKEN to at least 32 random bytes, or call `.identity(..)`",
            ),
            ServeError::PolicyNamesNoTool { name } => {
                write!(f, "the policy names the tool `{name}`, which this server does not have")
            }
            ServeError::Policy(error) => write!(f, "the policy: {error}"),
            ServeError::Ledger(error) => write!(f, "the ledger: {error}"),
            ServeError::NoLedgerPlace => f.write_str(
                "no place for the ledger: set SAFE_TOOL_LEDGER to a directory, or XDG_STATE_HOME or HOME, or call `.ledger(..)`",
            ),
            ServeError::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::fmt::Debug for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServeError::NoIdentity(error) => Some(error),
            ServeError::Policy(error) => Some(error),
            ServeError::Ledger(error) => Some(error),
            ServeError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<LedgerError> for ServeError {
    fn from(error: LedgerError) -> Self {
        ServeError::Ledger(error)
    }
}

impl From<AllowlistError> for ServeError {
    fn from(error: AllowlistError) -> Self {
        ServeError::Policy(error)
    }
}

impl From<std::io::Error> for ServeError {
    fn from(error: std::io::Error) -> Self {
        ServeError::Io(error)
    }
}
