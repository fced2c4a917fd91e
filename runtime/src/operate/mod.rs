//! What operators do: verify and read the ledger, resolve doubts, decide on approvals.
//!
//! All of it is in the command line `safe-tool` (feature `cli`). What changes an action goes through the server that has
//! the ledger open, by a socket in the ledger's directory, or opens the ledger itself when no server does.

#[cfg(feature = "cli")]
mod cef;
#[cfg(feature = "cli")]
pub mod cli;
mod desk;
#[cfg(feature = "cli")]
mod filter;
#[cfg(feature = "cli")]
mod meaning;
#[cfg(feature = "cli")]
mod ocsf;
#[cfg(feature = "cli")]
mod place;
mod request;
#[cfg(feature = "cli")]
mod row;
mod socket;
#[cfg(feature = "cli")]
mod text;

pub(crate) use socket::Desk;
