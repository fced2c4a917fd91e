//! What the macro emits for a tool: one static [`Descriptor`] and thin shims.
//!
//! Nothing behind a descriptor is generic, so the pipeline is compiled once and not once per tool.

use crate::call::Context;
use crate::credential::CredentialSpec;
use crate::error::{ErrorCase, ErrorReport};
use crate::identity::Scope;
use crate::input::{Decoder, Field};
use crate::writer::Writer;
use schemars::Schema;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A boxed future: the one allocation a call makes for its body.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a tool does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Changes something that can be undone.
    Write,
    /// Changes something for good.
    Destroy,
}

impl Effect {
    /// The word that the contract and the records use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Effect::Read => "read",
            Effect::Write => "write",
            Effect::Destroy => "destroy",
        }
    }

    /// Whether a call can change the world.
    pub const fn changes(self) -> bool {
        !matches!(self, Effect::Read)
    }
}

/// The effects as types, so that a server can refuse a tool when it is compiled.
pub mod effect {
    /// The tool reads.
    #[derive(Debug)]
    pub struct Read;
    /// The tool writes.
    #[derive(Debug)]
    pub struct Write;
    /// The tool destroys.
    #[derive(Debug)]
    pub struct Destroy;
}

/// A function with `#[safe_tool]`: the type of the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a safe tool",
    label = "expected a function with `#[safe_tool]`",
    note = "write `#[safe_tool(effect = .., scope = ..)]` above the function and name it here as a type: `.tool::<name>()`"
)]
pub trait SafeTool: 'static {
    /// One of [`effect`].
    type Effect;
    /// The arguments by name, for tools that name this one as their undo.
    type Arguments;
    /// The same as [`Descriptor::takes_again_after`]; a tool that names this one as its undo needs it while it is compiled.
    const TAKES_AGAIN_AFTER: bool;
    /// Everything the runtime knows of the tool.
    fn descriptor() -> &'static Descriptor;
}

/// A tool whose body takes this server state, or none.
#[diagnostic::on_unimplemented(
    message = "tool `{Self}` does not run on the state `{S}`",
    label = "this tool's `Call<..>` names another state",
    note = "all tools of a server share one state: the second argument of `Server::read` or `Server::write`"
)]
pub trait RunsOn<S>: SafeTool {}

/// What the pipeline reads of a tool.
#[derive(Debug)]
pub struct Descriptor {
    /// The name on the wire.
    pub name: &'static str,
    /// The title that clients display.
    pub title: Option<&'static str>,
    /// What a model reads about the tool.
    pub description: &'static str,
    /// What the tool does to the world.
    pub effect: Effect,
    /// What a principal must hold.
    pub scope: &'static Scope,
    /// The arguments on the wire.
    pub arguments: &'static [Field],
    /// What the effect hits: at most four.
    pub targets: &'static [Target],
    /// What names the intent.
    pub key: Key,
    /// Whether a caller may do the same again on purpose.
    pub repeat: Repeat,
    /// How the effect is undone.
    pub undo: Undo,
    /// Who must agree before an effect.
    pub approve: Approve,
    /// Whether the tool can find out what became of an action in doubt: [`Arguments::reconcile`].
    pub reconcile: bool,
    /// The deadline of the body.
    pub timeout: Duration,
    /// How often an error without effect is tried again.
    pub retry: u32,
    /// Limits; the values of rated arguments are parts behind those of the key.
    pub rates: &'static [Rate],
    /// The source named in answers; the server's name where none is given.
    pub source: Option<&'static str>,
    /// The schema of the data.
    pub output: fn() -> Schema,
    /// The errors that the body can answer with.
    pub errors: &'static [ErrorCase],
    /// The credential that the body declared.
    pub credential: Option<&'static CredentialSpec>,
    /// Strict decode; `None` where violations were noted.
    pub decode: fn(&mut Decoder<'_>) -> Option<Box<dyn Arguments>>,
}

impl Descriptor {
    /// Whether a call can name, as `again_after`, the latest action on its target, to do the same again on purpose.
    pub const fn takes_again_after(&self) -> bool {
        self.effect.changes() && (matches!(self.repeat, Repeat::Explicit) || matches!(self.key, Key::Natural(_)))
    }
}

/// One thing that an effect hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The argument that holds its value, as place in [`Descriptor::arguments`].
    pub argument: usize,
    /// What the value names, the same for every tool that hits it: the wire name unless `#[arg(target = "host")]` says so.
    pub thing: &'static str,
}

/// Whether a caller may do the same again on purpose, with the argument `again_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// A key is used once, for as long as its action is remembered.
    Never,
    /// A caller that names the latest action on the target may.
    Explicit,
}

/// The decoded arguments of one call.
pub trait Arguments: Send + Sync {
    /// Writes the canonical encoding of one argument; `false` when it is absent.
    fn encode(&self, index: usize, writer: &mut Writer<'_>) -> bool;
    /// Writes one part of the key, or one rated value.
    fn part(&self, index: usize, writer: &mut Writer<'_>);
    /// Runs the body.
    fn run(self: Box<Self>, context: Context) -> BoxFuture<'static, Finished>;
    /// Finds out whether the effect happened; `None` where the tool declares no `reconcile`.
    fn reconcile(self: Box<Self>, context: Context) -> Option<BoxFuture<'static, Reconciling>>;
}

/// What a `reconcile` function came to; its error says nothing about the effect, so the doubt stays.
pub type Reconciling = Result<Reconciliation, ErrorReport>;

/// [`Reconciled`](crate::Reconciled) with its result serialised.
#[derive(Debug)]
pub enum Reconciliation {
    /// The effect happened, and the call would have answered with this.
    Applied(Produced),
    /// The effect did not happen and will not: the action may be run again.
    NotApplied,
    /// It cannot be said.
    Unknown,
}

/// What a body came to.
pub type Finished = Result<Produced, ErrorReport>;

/// The result of a body, serialised once.
#[derive(Debug)]
pub struct Produced {
    /// The data as JSON.
    pub data: Vec<u8>,
    /// The query worked and found nothing.
    pub empty: bool,
    /// There was more than the answer holds.
    pub truncated: bool,
    /// What the undo call takes from the output, in the descriptor's order.
    pub undo: Vec<Vec<u8>>,
}

/// What names the intent of a call.
#[derive(Debug)]
pub enum Key {
    /// A read tool has none.
    None,
    /// These parts, within a bucket of time if one is given.
    Parts {
        /// The parts, in declared order.
        parts: &'static [Part],
        /// The length of the time bucket.
        every: Option<Duration>,
    },
    /// The caller supplies it.
    Client,
    /// Setting the same value again is harmless, for this reason.
    Natural(&'static str),
}

/// One part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A value from the arguments: its place among the parts and the expression it was written as.
    Argument(usize, &'static str),
    /// The agent's turn, from `_meta`.
    Turn,
    /// The investigation, from `_meta`.
    Investigation,
    /// Who calls.
    Principal,
}

/// How an effect is undone.
#[derive(Debug)]
pub enum Undo {
    /// Nothing to undo, or nothing that can be.
    None,
    /// By a tool of the same server.
    Tool {
        /// The tool.
        tool: fn() -> &'static Descriptor,
        /// Its arguments.
        arguments: &'static [UndoArgument],
    },
    /// By a person, who does this.
    ByHand(&'static str),
}

/// One argument of an undo call.
#[derive(Debug)]
pub struct UndoArgument {
    /// Its name on the wire.
    pub name: &'static str,
    /// Where its value comes from.
    pub from: UndoFrom,
}

/// Where a value of an undo call comes from.
#[derive(Debug, Clone, Copy)]
pub enum UndoFrom {
    /// An argument of the call, by place.
    Argument(usize),
    /// The output, by place in [`Produced::undo`].
    Output(usize),
}

/// Who must agree before an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approve {
    /// Nobody, for this reason; empty where none is needed.
    None(&'static str),
    /// An operator other than the requester.
    Operator,
    /// The user the agent acts for.
    User,
}

/// One limit.
#[derive(Debug)]
pub struct Rate {
    /// What is counted apart.
    pub per: Per,
    /// How many calls a period.
    pub count: u32,
    /// The period.
    pub period: Duration,
}

/// What a rate counts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Each principal.
    Principal,
    /// All calls together.
    All,
    /// Each value of an argument: its place among the parts, and its name.
    Argument(usize, &'static str),
}
