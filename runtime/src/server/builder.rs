//! How a server is put together.

use super::door::Door;
use super::error::ServeError;
use super::face::ServerInfo;
use super::instructions;
use super::mcp::Reached;
use crate::clock::BootClock;
use crate::credential::{CredentialBroker, FromEnvironment};
use crate::identity::{Identity, Principal, StaticBearer, from_environment};
use crate::ledger::{Ledger, LedgerError};
use crate::pipeline::{Flights, Guesses, Limits, Pipeline, Served, Throttle};
use crate::policy::Policy;
use crate::tool::{Descriptor, Effect, RunsOn, SafeTool, Undo, effect};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// The kind of a server that takes read tools only.
#[derive(Debug)]
pub struct ReadServer;

/// The kind of a server that takes write and destroy tools only.
#[derive(Debug)]
pub struct WriteServer;

/// Which effects a kind of server takes: reads and changes never share a server, so that the credentials
/// and the clients of one are not those of the other.
#[diagnostic::on_unimplemented(
    message = "a tool with this effect does not belong on a `{Self}`",
    label = "`{E}` tools are for the other kind of server",
    note = "`Server::read(..)` takes `effect = read`; `Server::write(..)` takes `effect = write` and `effect = destroy`"
)]
pub trait Takes<E> {}
impl Takes<effect::Read> for ReadServer {}
impl Takes<effect::Write> for WriteServer {}
impl Takes<effect::Destroy> for WriteServer {}

/// An MCP server of safe tools, being put together.
pub struct Server<K, S> {
    name: String,
    version: String,
    state: Arc<S>,
    tools: Vec<Added>,
    identity: Option<Arc<dyn Identity>>,
    policy: Option<Arc<dyn Policy>>,
    broker: Arc<dyn CredentialBroker>,
    ledger: Option<Ledger>,
    instructions: Option<String>,
    clock: BootClock,
    kind: PhantomData<fn() -> K>,
}

/// A tool and where it stands in the code.
struct Added {
    descriptor: &'static Descriptor,
    path: &'static str,
}

impl<K, S> std::fmt::Debug for Server<K, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S: Send + Sync + 'static> Server<ReadServer, S> {
    /// A server of read tools; `state` is what every body reaches through its call.
    pub fn read(name: impl Into<String>, state: S) -> Self {
        Self::new(name.into(), state)
    }
}

impl<S: Send + Sync + 'static> Server<WriteServer, S> {
    /// A server of write and destroy tools; `state` is what every body reaches through its call.
    pub fn write(name: impl Into<String>, state: S) -> Self {
        Self::new(name.into(), state)
    }
}

impl<K, S: Send + Sync + 'static> Server<K, S> {
    fn new(name: String, state: S) -> Self {
        Server {
            name,
            version: "0.0.0".to_owned(),
            state: Arc::new(state),
            tools: Vec::new(),
            identity: None,
            policy: None,
            broker: Arc::new(FromEnvironment),
            ledger: None,
            instructions: None,
            clock: BootClock::default(),
            kind: PhantomData,
        }
    }

    /// Serves a tool: `.tool::<isolate_host>()`.
    #[must_use]
    pub fn tool<T: SafeTool + RunsOn<S>>(mut self) -> Self
    where
        K: Takes<T::Effect>,
    {
        self.tools.push(Added { descriptor: T::descriptor(), path: std::any::type_name::<T>() });
        self
    }

    /// The server's own version, as clients show it.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Who calls; without it the environment says (`SAFE_TOOL_AGENT`, `SAFE_TOOL_SCOPES`, and `SAFE_TOOL_TOKEN` for HTTP).
    #[must_use]
    pub fn identity(mut self, identity: impl Identity) -> Self {
        self.identity = Some(Arc::new(identity));
        self
    }

    /// What decides on principals and targets; without it the scopes alone decide.
    #[must_use]
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// What mints credentials; without it they come from the variables that they name.
    #[must_use]
    pub fn credentials(mut self, broker: impl CredentialBroker) -> Self {
        self.broker = Arc::new(broker);
        self
    }

    /// The ledger; without it the one in `SAFE_TOOL_LEDGER`, or `$XDG_STATE_HOME/safe-tool/<server>`. One in Postgres that is
    /// taken from there keeps its [anchors](crate::ledger::LedgerOptions::anchors) in `$XDG_STATE_HOME/safe-tool/<server>/anchors`.
    #[must_use]
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// What the model is told about the server, behind how to read its answers.
    #[must_use]
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.instructions = Some(text.into());
        self
    }

    /// The clock by which leases end.
    #[cfg(test)]
    pub(crate) fn clock(mut self, clock: BootClock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks what only the whole server can tell, opens the ledger, and begins to reconcile what is in doubt there.
    pub(super) async fn build(self, reached: Reached) -> Result<Arc<Door>, ServeError> {
        check_tools(&self.tools)?;
        if let Some(policy) = &self.policy {
            let served = |name: &String| self.tools.iter().any(|added| added.descriptor.name == name);
            if let Some(name) = policy.tools_named().into_iter().find(|name| !served(name)) {
                return Err(ServeError::PolicyNamesNoTool { name });
            }
        }
        let identity = match self.identity {
            Some(identity) => identity,
            None => identity_from_environment(reached)?,
        };
        let mut tools = Vec::new();
        for Added { descriptor, .. } in self.tools {
            let limits = Limits::of(descriptor).ok_or(ServeError::Rate { tool: descriptor.name })?;
            tools.push(Served { descriptor, limits });
        }
        let ledger = match self.ledger {
            Some(ledger) => ledger,
            None => open_default_ledger(&self.name).await?,
        };
        let pipeline = Pipeline {
            server: self.name.clone(),
            tools,
            state: self.state,
            identity,
            policy: self.policy,
            broker: self.broker,
            ledger,
            throttle: Throttle::new(self.clock.clone()),
            guesses: Guesses::new(self.clock.clone()),
            flights: Flights::default(),
            effects: TaskTracker::new(),
            clock: self.clock,
        };
        let instructions = instructions::text(self.instructions.as_deref());
        let info = ServerInfo { name: self.name, version: self.version, instructions };
        let door = Arc::new(Door::new(Arc::new(pipeline), info));
        door.reconcile();
        Ok(door)
    }
}

fn check_tools(tools: &[Added]) -> Result<(), ServeError> {
    if tools.is_empty() {
        return Err(ServeError::NoTools);
    }
    for (place, Added { descriptor: tool, path }) in tools.iter().enumerate() {
        if let Some(other) = tools.iter().take(place).find(|other| other.descriptor.name == tool.name) {
            return Err(ServeError::DuplicateTool { name: tool.name, first: other.path, second: path });
        }
        if let Undo::Tool { tool: undo, .. } = &tool.undo {
            let undo = undo();
            let served = tools.iter().any(|other| std::ptr::eq(other.descriptor, undo));
            if !served || undo.effect != Effect::Write {
                return Err(ServeError::UndoNotServed { tool: tool.name, undo: undo.name });
            }
        }
    }
    Ok(())
}

fn identity_from_environment(reached: Reached) -> Result<Arc<dyn Identity>, ServeError> {
    let read = |name: &str| std::env::var(name).ok();
    let principal: Principal = from_environment(read).map_err(ServeError::NoIdentity)?;
    match reached {
        Reached::Stdio => Ok(Arc::new(crate::identity::Fixed(principal))),
        Reached::Http => {
            let token = read("SAFE_TOOL_TOKEN").ok_or(ServeError::Token)?;
            let bearer = StaticBearer::new(token, principal).ok_or(ServeError::Token)?;
            Ok(Arc::new(bearer))
        }
    }
}

async fn open_default_ledger(server: &str) -> Result<Ledger, ServeError> {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let state = var("XDG_STATE_HOME")
        .map(|home| format!("{home}/safe-tool/{server}"))
        .or_else(|| var("HOME").map(|home| format!("{home}/.local/state/safe-tool/{server}")));
    let place = var("SAFE_TOOL_LEDGER").or_else(|| state.clone()).ok_or(ServeError::NoLedgerPlace)?;
    let anchors = state.map(|state| Path::new(&state).join("anchors"));
    // Opening reads the journal: not on a thread that serves calls.
    match tokio::task::spawn_blocking(move || open_anchored(&place, anchors)).await {
        Ok(ledger) => Ok(ledger?),
        Err(_) => Err(ServeError::Ledger(LedgerError::Unavailable)),
    }
}

/// With anchors where there is a place for them, which a container may not have. Ledgers in local files keep none.
fn open_anchored(place: &str, anchors: Option<PathBuf>) -> Result<Ledger, LedgerError> {
    let Some(anchors) = anchors else { return Ledger::open(place) };
    match Ledger::options().anchors(&anchors).open(place) {
        Err(LedgerError::Io { action: "create", path, source }) if path.starts_with(&anchors) => {
            tracing::warn!(
                path = %anchors.display(), error = %source,
                "no anchor of the ledger can be kept: a server that starts after a failover of the database will not notice what \
                 it lost. Set XDG_STATE_HOME to a directory that is kept"
            );
            Ledger::open(place)
        }
        opened => opened,
    }
}
