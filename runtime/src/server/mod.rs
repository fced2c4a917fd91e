//! An MCP server of safe tools: put together, checked, served.

mod builder;
mod door;
mod error;
mod face;
mod http;
mod in_process;
mod instructions;
mod mcp;
mod serve;
mod stdio;
mod transport;
mod wire;

pub use builder::{ReadServer, Server, Takes, WriteServer};
pub use error::ServeError;
pub use in_process::InProcess;
