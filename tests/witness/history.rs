//! What the witness knows: the effects that happened and the answers that callers got, in order.

use super::line::Told;
use super::{Verdict, Witness};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One thing the witness saw.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A server was started.
    Started,
    /// An effect was asked for, and what became of it.
    Effect {
        /// By this call.
        call: String,
        /// Of this tool.
        tool: String,
        /// On this.
        id: String,
        /// So.
        verdict: Verdict,
    },
    /// A caller got this envelope.
    Answer(String),
}

/// All of it, over as many servers as played on one ledger.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In order.
    pub seen: Vec<Seen>,
    /// The disk had no room for once: a call that the ledger refused is not the last one.
    pub lacked_room: bool,
    attempts: HashMap<(String, String), u64>,
    serial: u64,
}

impl History {
    /// Does an effect: what an item is called says how it goes.
    pub fn effect(&mut self, call: &str, tool: &str, id: &str) -> Verdict {
        let attempts = self.attempts.entry((tool.to_owned(), id.to_owned())).or_default();
        *attempts += 1;
        let verdict = match id.split_once('-').map_or(id, |parts| parts.0) {
            "flaky" if *attempts == 1 => Verdict::NotNow,
            "second" if *attempts == 2 => Verdict::NotNow,
            "lost" if *attempts == 1 => Verdict::Lost,
            "never" => Verdict::Refused,
            _ => {
                self.serial += 1;
                Verdict::Done(self.serial)
            }
        };
        let (call, tool, id) = (call.to_owned(), tool.to_owned(), id.to_owned());
        self.seen.push(Seen::Effect { call, tool, id, verdict });
        verdict
    }

    /// Takes a message of a server; `Some` when an effect was asked for.
    pub fn take(&mut self, told: &Told) -> Option<Verdict> {
        match told {
            Told::Effect { call, tool, id } => Some(self.effect(call, tool, id)),
            Told::Answer(envelope) => {
                self.seen.push(Seen::Answer(envelope.clone()));
                None
            }
            Told::Ready | Told::Refused(_) | Told::Closed(_) => None,
        }
    }
}

/// The witness of a server in this process.
#[derive(Clone)]
pub struct Here(pub Arc<Mutex<History>>);

impl Witness for Here {
    fn effect(&self, call: &str, tool: &str, id: &str) -> std::io::Result<Verdict> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).effect(call, tool, id))
    }
}
