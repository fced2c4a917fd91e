//! A server without a transport: text in, envelope out.

use super::builder::Server;
use super::door::Door;
use super::error::ServeError;
use super::mcp::Reached;
use crate::pipeline::Request;
use serde_json::Value;
use std::sync::Arc;

/// A server that is called directly, through the same gates 1 to 11 as over MCP.
///
/// ```
/// use safe_tool::prelude::*;
/// use safe_tool::{Ledger, Principal, Server};
///
/// const CLOCK_READ: Scope = Scope::new("clock:read");
///
/// /// The time of day.
/// #[derive(ToolOutput)]
/// struct Time {
///     /// Hour of the day.
///     hour: u8,
/// }
///
/// /// Tells the time.
/// #[safe_tool(effect = read, scope = CLOCK_READ)]
/// async fn what_time(
///     /// Hours ahead of UTC.
///     #[arg(min = 0, max = 14)] ahead: u8,
/// ) -> Result<Time, std::convert::Infallible> {
///     Ok(Time { hour: ahead })
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::read("clock", ())
///     .tool::<what_time>()
///     .ledger(Ledger::open("memory:")?)
///     .in_process(Principal::agent("test").with_scope("clock:read"))
///     .await?;
/// let answer = server.call("what_time", r#"{"ahead":2}"#).await.ok_or("no such tool")?;
/// assert!(answer.starts_with(r#"{"status":"ok","data":{"hour":2}"#));
/// let refused = server.call("what_time", r#"{"ahead":15}"#).await.ok_or("no such tool")?;
/// assert!(refused.contains(r#""rule":"maximum""#));
/// # Ok(())
/// # }
/// ```
pub struct InProcess(Arc<Door>);

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}

impl InProcess {
    /// Calls a tool with arguments as JSON text; `None` when the server has no such tool.
    pub async fn call(&self, tool: &str, arguments: &str) -> Option<String> {
        self.call_with(tool, arguments, &Value::Null).await
    }

    /// Ends the server: what was summed up is recorded, and the ledger is closed.
    ///
    /// # Errors
    /// When the ledger does not close.
    pub async fn close(self) -> Result<(), ServeError> {
        self.0.close().await
    }

    /// [`call`](InProcess::call) with the `_meta` of a request.
    pub async fn call_with(&self, tool: &str, arguments: &str, meta: &Value) -> Option<String> {
        let mut request = Request { tool: tool.to_owned(), arguments: arguments.to_owned(), ..Request::default() };
        if let Some(meta) = meta.as_object() {
            request.facts(meta);
        }
        self.0.pipeline.call(request).await.map(|answer| answer.envelope)
    }
}

impl<K, S: Send + Sync + 'static> Server<K, S> {
    /// Starts the server without a transport, for a chosen principal.
    ///
    /// # Errors
    /// As every way of serving: what only the whole server can tell, and the ledger.
    pub async fn in_process(self, principal: crate::Principal) -> Result<InProcess, ServeError> {
        self.in_process_as(crate::identity::Fixed(principal)).await
    }

    /// The same for an identity provider, which is asked without a bearer token.
    ///
    /// # Errors
    /// As [`Server::in_process`].
    pub async fn in_process_as(self, identity: impl crate::Identity) -> Result<InProcess, ServeError> {
        Ok(InProcess(self.identity(identity).build(Reached::Stdio).await?))
    }
}
