//! A server whose effects are counted outside of its process, for tests that kill it.
//!
//! A [`Witness`] does the effects and remembers what callers were told. It lives in the test, at the other end of a
//! socket, so it knows what happened whatever becomes of the server.

pub mod history;
pub mod journal;
pub mod line;
pub mod oracle;
pub mod script;
pub mod server;
mod tools;

use std::time::Duration;

pub use tools::World;

/// A server that does not answer for this long hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What became of one effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It happened; the number counts the witness's effects.
    Done(u64),
    /// It did not happen; the next attempt may.
    NotNow,
    /// It happened, and whoever asked does not hear of it.
    Lost,
    /// It did not happen and never will.
    Refused,
}

/// Does effects and counts them.
pub trait Witness: Send + Sync + 'static {
    /// Does the effect of `tool` on `id`, asked for in `call`.
    ///
    /// # Errors
    /// When the witness is gone; whether the effect happened is not known.
    fn effect(&self, call: &str, tool: &str, id: &str) -> std::io::Result<Verdict>;
}
