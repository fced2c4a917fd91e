//! One server of the pair in a process of its own, and rmcp's client at its pipe.

use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use serde_json::Value;
use std::borrow::Cow;
use std::process::{ExitStatus, Stdio};
use tokio::process::{Child, Command};

/// Any failure of the stage itself.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A running server and the client that talks to it.
pub struct Connected {
    child: Child,
    client: RunningService<RoleClient, ()>,
}

impl Connected {
    /// Starts a server and shakes hands with it.
    ///
    /// # Errors
    /// When it does not start or does not speak MCP.
    pub async fn start(mut command: Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
            return Err("the server has no pipes".into());
        };
        let client = ().serve((output, input)).await?;
        Ok(Connected { child, client })
    }

    /// Calls a tool; the answer is its envelope.
    ///
    /// # Errors
    /// As [`call`].
    pub async fn call(&self, tool: impl Into<Cow<'static, str>>, arguments: &Value) -> Result<Value, Failure> {
        call(self.client.peer(), tool, arguments).await
    }

    /// A handle for calls beside this one.
    pub fn peer(&self) -> rmcp::Peer<RoleClient> {
        self.client.peer().clone()
    }

    /// The id of the process; `None` when it has ended.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When the process is not there.
    pub async fn kill(mut self) -> Result<(), Failure> {
        self.child.kill().await?;
        Ok(())
    }

    /// Closes the pipe and waits until the server has ended by itself; the answer is how.
    ///
    /// # Errors
    /// When the process is not there.
    pub async fn hang_up(mut self) -> Result<ExitStatus, Failure> {
        self.client.cancel().await?;
        Ok(self.child.wait().await?)
    }

    /// The same for a server that has to end well.
    ///
    /// # Errors
    /// When it ended with a failure.
    pub async fn close(self) -> Result<(), Failure> {
        let status = self.hang_up().await?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }
}

/// Calls a tool through a handle.
///
/// # Errors
/// When there is no answer, or it is a JSON-RPC error.
pub async fn call(
    peer: &rmcp::Peer<RoleClient>,
    tool: impl Into<Cow<'static, str>>,
    arguments: &Value,
) -> Result<Value, Failure> {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let result = peer.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await?;
    result.structured_content.ok_or_else(|| "an answer without structuredContent".into())
}
