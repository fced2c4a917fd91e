//! One attribute makes a function safe to hand to an AI agent over MCP.
#![forbid(unsafe_code)]

mod action;
pub mod call;
pub mod credential;
mod envelope;
pub mod error;
pub mod identity;
pub mod input;
pub mod ledger;
pub mod output;
mod pipeline;
pub mod policy;
mod server;
pub mod tool;
pub mod writer;

#[doc(hidden)]
pub mod __private;

pub use call::Call;
pub use credential::{Credential, CredentialBroker, CredentialError, Secret};
pub use error::{EffectKnown, Kind, ToolError};
pub use identity::{Identity, Principal, Scope, StaticBearer};
pub use input::{KeyPart, ToolInput};
pub use ledger::{Ledger, LedgerError};
pub use output::{Done, Page, ToolOutput};
pub use policy::{Allowlist, Policy};
pub use safe_tool_macros::{Credential, ToolError, ToolInput, ToolOutput, safe_tool};
pub use secrecy::SecretString;
pub use server::{InProcess, ReadServer, ServeError, Server, Takes, WriteServer};

/// Everything a tool needs: `use safe_tool::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Call, Credential, Done, Page, Scope, Secret, ServeError, Server, ToolError, ToolInput, ToolOutput, safe_tool,
    };
}
