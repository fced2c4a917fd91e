//! One attribute makes a function safe to hand to an AI agent over MCP.
//!
//! An agent sends wrong arguments, retries after timeouts, is talked into things by text it read, and cannot tell "nothing
//! found" from "the query failed" unless it is told. With [`#[safe_tool]`](macro@safe_tool) on a function the compiler
//! refuses every signature that cannot be made safe, and the runtime puts the same gates in front of every call:
//!
//! | # | gate | stops with |
//! |---|---|---|
//! | 0 | wire: raw bytes, before any other parser | `invalid_arguments`, or a JSON-RPC error |
//! | 1 | authenticate: who is the agent, for whom does it act | `unauthenticated` |
//! | 2 | scope: may this principal use this tool at all | `denied` |
//! | 3 | validate: strict decode, every violation with its path | `invalid_arguments` |
//! | 4 | policy: may this principal do this to this target | `denied` |
//! | 5 | dedupe: is the action known already | the earlier answer, `conflict`, `in_progress`, `in_doubt` |
//! | 6 | limits | `rate_limited` |
//! | 7 | approval: has somebody agreed who must | `pending`, `denied` |
//! | 8 | intent: durable before anything runs | `unavailable` |
//! | 9 | credential: minted for this call, within 30 s | `unavailable` |
//! | 10 | execute: deadline, panic, retries | the tool's error, `in_doubt`, `internal` |
//! | 11 | outcome: durable before it is answered | `in_doubt` |
//!
//! Reads skip 5, 7 and 8; their record rides in the next batch of the ledger.
//!
//! # Where to look
//!
//! - [`#[safe_tool]`](macro@safe_tool) and the derives [`ToolInput`](macro@ToolInput), [`ToolOutput`](macro@ToolOutput),
//!   [`ToolError`](macro@ToolError), [`Credential`](macro@Credential): what a developer writes.
//! - [`Call`]: what a body sees. [`Page`] and [`Done`]: what it answers with.
//! - [`Server`]: puts tools together and serves them. [`InProcess`]: the same without a transport.
//! - [`Identity`], [`Policy`], [`CredentialBroker`]: what a server can be given instead of its environment.
//! - [`ledger`]: the record of everything, and [`ledger::verify`]. [`operate`]: what operators do with it.
//!
//! # Features
//!
//! None is on by default. `cli` builds `safe-tool`, the command line of operators; `postgres` lets several servers share one
//! ledger, see [`Ledger::open`]. Each of the others makes types of another crate arguments, results and key parts; all are
//! strings on the wire, and digests and keys are made of one canonical text for each value.
//!
//! | feature | types | schema |
//! |---|---|---|
//! | (always) | `std::net::Ipv4Addr`, `Ipv6Addr`, `IpAddr` | `ipv4`, `ipv6` or either, by exact patterns; an `IpAddr` that is IPv4 in IPv6 becomes the IPv4 address |
//! | `chrono` | `chrono::DateTime<Utc>`, `DateTime<FixedOffset>`, `NaiveDate` | RFC 3339 with offset, in the years 1000 to 8999; `date` |
//! | `ipnet` | `ipnet::IpNet` | address and prefix length by an exact pattern; becomes the network's first address |
//! | `jiff` | `jiff::Timestamp`, `jiff::civil::Date` | as `chrono` |
//! | `money` | [`input::Money`](crate::input)`<P>` | `12.50 EUR`: the policy `P` names ISO 4217 currencies and the greatest amount of each |
//! | `url` | [`input::WebUrl`](crate::input)`<P>` | `https` URL without credentials on the hosts that the policy `P` names; inner addresses and `http` only if it says so |
//! | `uuid` | `uuid::Uuid` | `uuid`, hyphenated |
#![forbid(unsafe_code)]

// Expansions name the crate as its users do.
#[cfg(test)]
extern crate self as safe_tool;

mod action;
mod blocking;
pub mod call;
mod clock;
pub mod credential;
mod envelope;
pub mod error;
pub mod identity;
pub mod input;
pub mod ledger;
pub mod operate;
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
pub use output::{Done, Page, Reconciled, ToolOutput};
pub use policy::{Allowlist, Policy};
pub use secrecy::SecretString;
pub use server::{InProcess, ReadServer, ServeError, Server, Takes, WriteServer};

#[doc(inline)]
pub use safe_tool_macros::{Credential, ToolError, ToolInput, ToolOutput};

/// Makes a function a tool.
///
/// It goes on a free `async fn`. A first parameter without a doc comment is the call context ([`Call`]); every other
/// parameter is an argument on the wire and has a doc comment, which the model reads. The function stays a function, so unit
/// tests call it; beside it stands a type of the same name, which [`Server::tool`] takes.
///
/// ```
/// use safe_tool::prelude::*;
///
/// const DIAL_SET: Scope = Scope::new("dial:set");
///
/// #[derive(ToolError)]
/// enum DialError {
///     #[tool_error(rejected, "the dial is locked", suggest = "ask a person to unlock it")]
///     Locked,
/// }
///
/// /// Sets the dial.
/// #[safe_tool(
///     effect  = write,
///     scope   = DIAL_SET,
///     key     = natural("it sets a value"),
///     undo    = by_hand("set the old value"),
///     timeout = "5s",
/// )]
/// async fn set_dial(
///     /// The value.
///     #[arg(min = 0, max = 100)] value: u8,
/// ) -> Result<Done, DialError> {
///     if value > 90 { Err(DialError::Locked) } else { Ok(Done) }
/// }
/// ```
///
/// # Arguments
///
/// | argument | needed | meaning |
/// |---|---|---|
/// | `effect = read \| write \| destroy` | always | what the tool does to the world |
/// | `scope = CONST` | always | the [`Scope`] that a principal must hold |
/// | `key(part, ..)` | write, destroy | what names the intent: arguments (`order.id` reaches inside), `call.turn`, `call.investigation`, `call.principal`; `every = "1h"` adds a bucket of time, of at least a minute and at least twice the timeout |
/// | `key = client` | instead | the caller supplies the key: `_meta`, the header `Idempotency-Key`, or the argument `idempotency_key` |
/// | `key = natural("why")` | instead | setting the same value again is harmless: a repeat runs again |
/// | `undo = tool(arg, other = out.field)` | write | the tool that takes the effect back; the answer carries the ready call, so no argument in it is sensitive or free text; that tool has `repeat = explicit` or a natural key. A setter may name itself with what was there before: `undo = scale(service, replicas = out.before)` |
/// | `undo = by_hand("what a person does")` | instead | nobody but a person can |
/// | `repeat = explicit \| never` | no | with `explicit`, a caller may do the same again on purpose, by giving the id of the latest call on the same target as the argument `again_after`; without it a known key is never run again. `explicit` unless said with `undo = tool(..)` and where an operator or the user approves, else `never`. `key = client` and `every` are `never`; a natural key takes `again_after` too |
/// | `approve = operator \| user \| none("why")` | destroy | who must agree |
/// | `reconcile = path` | no | an `async fn` that finds out whether the effect of an action in doubt happened |
/// | `timeout = "10s"` | no | deadline of the body; 30 s unless said, at most 1 h. A write goes on after it, for once its timeout again; what it started other than by [`Call::blocking`] goes on unseen after that |
/// | `retry = 3` | no | tries again, at most 10 times, what failed without effect |
/// | `rate(principal = "30/minute", arg = "2/hour", all = "100/minute")` | no | limits per caller, per value of an argument, in total |
/// | `source = "edr"` | no | named in answers; the server's name unless said |
/// | `name`, `title` | no | name on the wire, title that clients display |
/// | `crate = ::path` | no | where this crate is, if it was renamed |
///
/// # Out of doubt: `reconcile`
///
/// A crash, a timeout or an error after the effect may have happened leaves an action *in doubt*: nobody knows whether it
/// happened, and it is never run again silently. `reconcile = path` names an `async fn` that asks the backend. It takes the
/// tool's own parameters, the call context included, and returns `Result<Reconciled<T>, E>` with the tool's own `T` and `E`;
/// [`Reconciled`] has an example. It only looks: it must change nothing, and it may be asked more than once. What it is
/// asked with is what the action was asked with, except that free text may be worded otherwise; [`Call::action_key`] is the
/// same as in the body, so an effect that was stored with it is found by it. An error leaves the doubt.
///
/// It is not asked while the body runs, nor while blocking work does that was started with [`Call::blocking`]. Anything else that
/// a body leaves behind (`tokio::spawn`, `spawn_blocking`, a thread) is invisible to the runtime, and its effect may come after
/// "not applied". So may what a machine had already sent when it froze, although its body does not go on afterwards. Only a
/// backend that refuses to do the same [`Call::action_key`] twice stands both.
///
/// # On a parameter: `#[arg(..)]`
///
/// - text: `pattern = "^..$"` or `format = uuid` (`date`, `date_time`, `duration`, `email`, `hostname`, `ipv4`, `ipv6`), or
///   `free_text` with `max_len`; a format's other spellings are taken and become one text, see [`Format`](input::Format);
/// - numbers: `min` and `max`; lists: `max_items`, `min_items`, `unique`, `each(..)`;
/// - on any: `target` (what the effect hits; at most four a tool, named `target = "host"` where tools that hit the same thing
///   give it different arguments), `sensitive` (hashed in the ledger), `example`, `unit`, `name`.
#[doc(inline)]
pub use safe_tool_macros::safe_tool;

/// Everything a tool needs: `use safe_tool::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Call, Credential, Done, Page, Reconciled, Scope, Secret, ServeError, Server, ToolError, ToolInput, ToolOutput,
        safe_tool,
    };
}

/// The README's server, compiled as it stands.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
