//! Throttles the records of refusals and replays: up to a rate each has a record of its own, beyond it they are summed up, so that
//! nobody can fill the disk with them.

use super::entry;
use super::flow::{Flow, Replay};
use super::refusal::Refusal;
use crate::clock::{Boot, BootClock};
use crate::ledger::{Entry, Hash, Ledger, LedgerError, NoteEvent};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Records of one kind beyond this many a second are summed up.
const ALIKE_A_SECOND: u32 = 20;

/// Time that one sum covers. While a kind is summed up, none of its records is written singly.
const SUM: Duration = Duration::from_secs(60);

/// Kinds that are counted separately at a time. Calls of further kinds are counted by gate only, without a principal.
const KINDS: usize = 1_024;

/// Records of unauthenticated calls: a burst of this many, then one in each [`NOBODY_EVERY`], sums included. A record takes less
/// than 1,300 bytes with the checkpoint that it may cause, so a day of them stays below 1 MiB.
const NOBODY_AT_ONCE: u32 = 60;
const NOBODY_EVERY: Duration = Duration::from_secs(120);

/// Records that a gate stopped a call.
pub(super) fn refused(flow: &Flow, refusal: &Refusal) {
    let what = What::Refused { code: refusal.error.code.clone(), gate: refusal.gate };
    note(flow, what, "");
}

/// Records a call that found its approval pending, as a refusal of that gate.
pub(super) fn asked_after(flow: &Flow) {
    note(flow, What::Refused { code: Cow::Borrowed("pending"), gate: "approval" }, "");
}

/// Records that a call was given an earlier answer.
pub(super) fn replayed(flow: &Flow, replay: &Replay) {
    note(flow, What::Replayed { code: replay.body.code() }, &replay.first_call);
}

fn note(flow: &Flow, what: What, first_call: &str) {
    let (throttle, ledger) = (&flow.pipeline.throttle, &flow.pipeline.ledger);
    match flow.principal {
        Some(_) => throttle.note(ledger, flow.entry(), what, first_call),
        // The investigation is text of any length by an unknown sender, so it is not recorded.
        None => throttle.note_nobody(ledger, Entry { investigation: None, ..flow.entry() }, what),
    }
}

/// The part of an event that is the same in all events of one kind.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum What {
    Refused { code: Cow<'static, str>, gate: &'static str },
    Replayed { code: Cow<'static, str> },
}

impl What {
    fn event(&self, times: u64, first_call: &str) -> NoteEvent {
        match self.clone() {
            What::Refused { code, gate } => NoteEvent::Refused { code, gate, times },
            What::Replayed { code } => NoteEvent::Replayed { first_call: first_call.to_owned(), code, times },
        }
    }

    /// The same with `other` as its code, for kinds that are not counted separately.
    fn other(self) -> What {
        let code = Cow::Borrowed("other");
        match self {
            What::Refused { gate, .. } => What::Refused { code, gate },
            What::Replayed { .. } => What::Replayed { code },
        }
    }
}

/// A kind of records: those that agree in all of this are summed up together.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    tenant: String,
    agent: String,
    user: Option<String>,
    tool: Cow<'static, str>,
    what: What,
}

impl Kind {
    fn of(entry: &Entry, what: What) -> Kind {
        let Entry { tenant, agent, user, tool, .. } = entry;
        Kind { tenant: tenant.clone(), agent: agent.clone(), user: user.clone(), tool: tool.clone(), what }
    }

    fn of_nobody(what: What) -> Kind {
        Kind { tenant: String::new(), agent: String::new(), user: None, tool: Cow::Borrowed(""), what }
    }
}

/// Many events of one kind, for one record.
struct Sum {
    since: Boot,
    times: u64,
    /// The last call.
    call: String,
    /// The action, if it was the same for all.
    action: Option<(Hash, Option<Hash>)>,
    /// The call whose answer was replayed, if it was the same for all; otherwise empty.
    first_call: String,
}

impl Sum {
    /// Adds one event.
    fn add(sum: &mut Option<Sum>, now: Boot, entry: &Entry, first_call: &str) {
        let action = entry.key.map(|key| (key, entry.digest));
        match sum {
            Some(sum) => {
                sum.times += 1;
                sum.call.clone_from(&entry.call);
                sum.action = sum.action.filter(|held| Some(*held) == action);
                if sum.first_call != first_call {
                    sum.first_call.clear();
                }
            }
            None => {
                let (call, first_call) = (entry.call.clone(), first_call.to_owned());
                *sum = Some(Sum { since: now, times: 1, call, action, first_call });
            }
        }
    }

    fn write(&self, ledger: &Ledger, kind: &Kind) -> Result<(), LedgerError> {
        let entry = Entry {
            call: self.call.clone(),
            tenant: kind.tenant.clone(),
            agent: kind.agent.clone(),
            user: kind.user.clone(),
            investigation: None,
            tool: kind.tool.clone(),
            key: self.action.map(|(key, _)| key),
            digest: self.action.and_then(|(_, digest)| digest),
            arguments: None,
        };
        ledger.note(entry, kind.what.event(self.times, &self.first_call))
    }
}

/// The records of one kind in the current second, and its sum.
struct Count {
    second: Boot,
    written: u32,
    sum: Option<Sum>,
}

/// Unauthenticated calls of all kinds: a token bucket, and a sum.
struct Nobody {
    /// Tokens: records that may be written now.
    left: u32,
    /// The moment from which the next token is earned.
    since: Boot,
    sum: Option<Sum>,
}

impl Nobody {
    fn may_write(&mut self, now: Boot) -> bool {
        while self.left < NOBODY_AT_ONCE && now.since(self.since) >= NOBODY_EVERY {
            self.left += 1;
            self.since = self.since.plus(NOBODY_EVERY);
        }
        if self.left == NOBODY_AT_ONCE {
            self.since = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

struct Counts {
    kinds: HashMap<Kind, Count>,
    nobody: Nobody,
    /// The last time at which due sums and idle kinds were looked for.
    looked: Boot,
}

/// Writes refusals and replays into the ledger, one by one or summed up.
pub(crate) struct Throttle {
    clock: BootClock,
    counts: Mutex<Counts>,
}

impl Throttle {
    pub(crate) fn new(clock: BootClock) -> Throttle {
        let now = clock.now();
        let nobody = Nobody { left: NOBODY_AT_ONCE, since: now, sum: None };
        Throttle { clock, counts: Mutex::new(Counts { kinds: HashMap::new(), nobody, looked: now }) }
    }

    /// Records an unauthenticated request that was not read.
    pub(crate) fn unauthenticated(&self, ledger: &Ledger) {
        self.note_nobody(ledger, entry::of_nobody(), unauthenticated());
    }

    pub(super) fn note(&self, ledger: &Ledger, entry: Entry, what: What, first_call: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let mut kind = Kind::of(&entry, what);
        if counts.kinds.len() >= KINDS && now.since(counts.looked) >= SECOND {
            counts.flush_kinds(ledger, now, false);
        }
        if counts.kinds.len() >= KINDS && !counts.kinds.contains_key(&kind) {
            kind = Kind::of_nobody(kind.what.other());
        }
        let new = Count { second: now, written: 0, sum: None };
        let what = kind.what.clone();
        let count = counts.kinds.entry(kind.clone()).or_insert(new);
        if count.sum.as_ref().is_some_and(|sum| now.since(sum.since) >= SUM && said(sum.write(ledger, &kind))) {
            count.sum = None;
        }
        if now.since(count.second) >= SECOND {
            (count.second, count.written) = (now, 0);
        }
        if count.sum.is_none() && count.written < ALIKE_A_SECOND {
            count.written += 1;
            if ledger.note(entry.clone(), what.event(1, first_call)).is_ok() {
                return;
            }
            // The ledger has no room: it is written with the next sum.
        }
        Sum::add(&mut count.sum, now, &entry, first_call);
    }

    fn note_nobody(&self, ledger: &Ledger, entry: Entry, what: What) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let nobody = &mut counts.nobody;
        if nobody.sum.is_none() && nobody.may_write(now) && ledger.note(entry.clone(), what.event(1, "")).is_ok() {
            return;
        }
        Sum::add(&mut nobody.sum, now, &entry, "");
    }

    /// Writes the sums whose minute is over, or all of them; true if none of these is left. The server calls it once a second and
    /// when it ends.
    pub(crate) fn flush(&self, ledger: &Ledger, all: bool) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let written = counts.flush_kinds(ledger, now, all);
        let nobody = &mut counts.nobody;
        let due = nobody.sum.as_ref().is_some_and(|sum| all || now.since(sum.since) >= SUM);
        // A token is spent even if the ledger has no room for the record: there will be another token.
        if due && (all || nobody.may_write(now)) {
            let kind = Kind::of_nobody(unauthenticated());
            nobody.sum = nobody.sum.take().filter(|sum| !said(sum.write(ledger, &kind)));
            return written && nobody.sum.is_none();
        }
        written
    }
}

impl Counts {
    /// Writes the sums that are due and removes idle kinds; false when the ledger did not take a sum.
    fn flush_kinds(&mut self, ledger: &Ledger, now: Boot, all: bool) -> bool {
        self.looked = now;
        let mut room = true;
        self.kinds.retain(|kind, count| {
            let due = count.sum.as_ref().filter(|sum| all || now.since(sum.since) >= SUM);
            if let Some(sum) = due
                && room
            {
                room = said(sum.write(ledger, kind));
                if room {
                    count.sum = None;
                }
            }
            count.sum.is_some() || now.since(count.second) < SECOND
        });
        room
    }
}

fn unauthenticated() -> What {
    What::Refused { code: Cow::Borrowed("unauthenticated"), gate: "authenticate" }
}

/// True if a sum was written; otherwise logs the error, and the sum is kept.
fn said(written: Result<(), LedgerError>) -> bool {
    if let Err(error) = &written {
        // Those calls were refused or replayed: nothing ran that is not recorded.
        tracing::warn!(error = error.to_string(), "a sum of refusals or replays was not recorded; it is tried again");
    }
    written.is_ok()
}
