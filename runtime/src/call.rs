//! What a body sees of the call it runs for.

use crate::blocking::Blocking;
use crate::credential::{Credential, CredentialSpec, Secret};
use crate::identity::Principal;
use crate::ledger::Hash;
use secrecy::SecretString;
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

/// The call as the pipeline hands it to a shim; [`Call`] is its typed form.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) state: Arc<dyn Any + Send + Sync>,
    pub(crate) credential: Option<SecretString>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) blocking: Blocking,
}

#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) id: String,
    pub(crate) principal: Principal,
    pub(crate) investigation: Option<String>,
    pub(crate) turn: Option<String>,
    pub(crate) deadline: Instant,
    /// The key of the action; reads have none.
    pub(crate) action: Option<Hash>,
}

/// What a body sees: the server's state, who calls, and the credential it declared.
///
/// `Call<S>` is `Call<S, ()>` and has no [`credential`](Call::credential): a body cannot reach a
/// credential that its signature does not name.
pub struct Call<S, C = ()> {
    state: Arc<S>,
    secret: Secret<C>,
    facts: Arc<Facts>,
    blocking: Blocking,
}

impl<S, C> std::fmt::Debug for Call<S, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("id", &self.facts.id).finish_non_exhaustive()
    }
}

impl<S, C> Call<S, C> {
    /// The state that the server was built with.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The id of this call; every record and log line of it carries the same.
    pub fn id(&self) -> &str {
        &self.facts.id
    }

    /// Who calls, and for whom.
    pub fn principal(&self) -> &Principal {
        &self.facts.principal
    }

    /// The investigation that the caller named in `_meta`.
    pub fn investigation(&self) -> Option<&str> {
        self.facts.investigation.as_deref()
    }

    /// The agent's turn that the caller named in `_meta`.
    pub fn turn(&self) -> Option<&str> {
        self.facts.turn.as_deref()
    }

    /// The name of the effect that this call asks for: 64 hex digits, made of the tool, its key and the tenant, and of what sets
    /// one run on purpose apart from another (the bucket of time, `again_after`).
    ///
    /// It is the same in every retry and in `reconcile`, and another one for each repeat on purpose. So an effect that carries
    /// it (as the value of a unique column, as the backend's own idempotency key) happens once whoever asks, and is found by it.
    /// A backend that refuses an effect whose key it has seen is also the only one that stands a machine which is frozen in the
    /// middle of a request. A read, which is no action, has the id of the call.
    pub fn action_key(&self) -> String {
        self.facts.action.map_or_else(|| self.facts.id.clone(), |key| key.to_string())
    }

    /// When the caller stops waiting. The body of a write tool goes on past it, for once its timeout again; then it is dropped
    /// at the point where it waits.
    pub fn deadline(&self) -> Instant {
        self.facts.deadline
    }

    /// Runs `work` on a thread where it may block, and waits for its result.
    ///
    /// Work that runs cannot be stopped: when the body is dropped, it goes on. Started here, it is waited for, and until it has
    /// ended nobody asks `reconcile` about the action and nothing runs beside it. It holds up the end of the server as long.
    /// Work that has not begun by then never begins.
    ///
    /// A task of your own (`tokio::spawn`, `spawn_blocking`, a thread) is invisible to the runtime: a body that is dropped leaves
    /// it behind, the action counts as ended, and another run may begin beside it. And nobody can call back what a machine had
    /// sent when it froze. A backend that must stand that as well refuses what it knows by [`action_key`](Call::action_key).
    ///
    /// ```
    /// use safe_tool::prelude::*;
    /// # const FILES_WRITE: Scope = Scope::new("files:write");
    /// # #[derive(ToolError)]
    /// # enum FileError {
    /// #     #[tool_error(unavailable, "the disk failed", effect = unknown)]
    /// #     Disk,
    /// # }
    ///
    /// /// Writes a mark.
    /// #[safe_tool(effect = write, scope = FILES_WRITE, key(number), undo = by_hand("delete the file"))]
    /// async fn write_mark(
    ///     call: Call<std::path::PathBuf>,
    ///     /// Its number.
    ///     #[arg(min = 0, max = 99)] number: u8,
    /// ) -> Result<Done, FileError> {
    ///     let path = call.state().join(number.to_string());
    ///     call.blocking(move || std::fs::write(path, "mark")).await.map_err(|_| FileError::Disk)?;
    ///     Ok(Done)
    /// }
    /// ```
    ///
    /// # Panics
    /// When `work` does: it is answered as a panic of the body.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.blocking.run(work).await
    }
}

impl<S, C: Credential> Call<S, C> {
    /// The short-lived secret for the backend, minted for this call.
    pub fn credential(&self) -> &Secret<C> {
        &self.secret
    }
}

/// The type of a tool's first parameter: [`Call`], under whatever name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a call context",
    label = "expected `Call<State>` or `Call<State, Credential>`",
    note = "the first parameter without a doc comment is the call context; if this is an argument, describe it: `/// ..` above it"
)]
pub trait CallContext: Sized {
    /// The server state it needs.
    type State: Send + Sync + 'static;
    /// The credential it declares.
    const CREDENTIAL: Option<&'static CredentialSpec>;
    /// Takes the call; `None` when the state is of another type, which [`RunsOn`](crate::tool::RunsOn) rules out.
    fn from_context(context: Context) -> Option<Self>;
}

impl<S: Send + Sync + 'static> CallContext for Call<S, ()> {
    type State = S;
    const CREDENTIAL: Option<&'static CredentialSpec> = None;
    fn from_context(context: Context) -> Option<Self> {
        let state = context.state.downcast::<S>().ok()?;
        Some(Call {
            state,
            secret: Secret::new(SecretString::default()),
            facts: context.facts,
            blocking: context.blocking,
        })
    }
}

impl<S: Send + Sync + 'static, C: Credential> CallContext for Call<S, C> {
    type State = S;
    const CREDENTIAL: Option<&'static CredentialSpec> = Some(C::SPEC);
    fn from_context(context: Context) -> Option<Self> {
        let state = context.state.downcast::<S>().ok()?;
        let secret = Secret::new(context.credential?);
        Some(Call { state, secret, facts: context.facts, blocking: context.blocking })
    }
}
