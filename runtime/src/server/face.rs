//! What the transports need of the pipeline.

use crate::tool::BoxFuture;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What clients are told about a tool's behaviour.
pub(crate) struct ToolAnnotations {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}

/// A tool as `tools/list` shows it.
pub(crate) struct Tool {
    pub name: &'static str,
    pub title: Option<&'static str>,
    pub description: &'static str,
    pub input_schema: Arc<Map<String, Value>>,
    pub output_schema: Arc<Map<String, Value>>,
    pub annotations: ToolAnnotations,
    pub meta: Map<String, Value>,
}

/// One `tools/call` as a transport read it.
pub(crate) struct Request {
    pub tool: String,
    /// JSON text of an object.
    pub arguments: Vec<u8>,
    /// The wire's `_meta`.
    pub meta: Map<String, Value>,
    /// The header `Idempotency-Key`.
    pub idempotency_header: Option<String>,
    pub caller: Caller,
}

/// What a request proves about its sender.
pub(crate) enum Caller {
    /// The process at the other end of the pipe.
    Stdio,
    /// The bearer token of an HTTP request, if it has one.
    Bearer(Option<String>),
}

/// What gate 0 found in the arguments of a call.
pub(crate) struct Fault {
    /// JSON pointer inside the arguments.
    pub path: String,
    pub rule: &'static str,
}

/// The answer to one call.
pub(crate) struct Reply {
    /// The envelope as JSON text.
    pub body: String,
    pub is_error: bool,
    pub meta: Map<String, Value>,
}

/// What a server says of itself.
pub(crate) struct ServerInfo {
    pub name: String,
    pub version: String,
    pub instructions: String,
}

/// The pipeline as the transports see it.
pub(crate) trait Face: Send + Sync + 'static {
    fn info(&self) -> &ServerInfo;
    fn tools(&self) -> &[Tool];
    /// `None`: no such tool.
    fn call(&self, request: Request) -> BoxFuture<'_, Option<Reply>>;
    /// Gate 0 stopped a call that could be read; the answer is an envelope with violations.
    fn refuse_wire(&self, tool: &str, faults: Vec<Fault>, caller: Caller) -> BoxFuture<'_, Option<Reply>>;
    /// Whether the sender is known; HTTP asks for every request.
    fn authenticate(&self, caller: &Caller) -> Result<(), ()>;
}
