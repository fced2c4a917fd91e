//! An MCP server of safe tools: put together, checked, served.

mod builder;
mod door;
mod error;
mod face;
mod in_process;
mod instructions;

pub use builder::{ReadServer, Server, Takes, WriteServer};
pub use error::ServeError;
pub use in_process::InProcess;
