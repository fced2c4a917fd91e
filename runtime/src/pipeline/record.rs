//! What the ledger hears of a call beside its intent and its outcome.

use super::flow::{Flow, Replay};
use super::refusal::Refusal;
use crate::ledger::{Entry, Ledger, NoteEvent};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Records alike beyond this many a second are summed up.
const MOST_ALIKE: u64 = 20;
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn entry(flow: &Flow) -> Entry {
    let principal = flow.principal.as_ref();
    Entry {
        call: flow.id.clone(),
        tenant: principal.map_or_else(String::new, |principal| principal.tenant().to_owned()),
        agent: principal.map_or_else(String::new, |principal| principal.agent_name().to_owned()),
        user: principal.and_then(|principal| principal.user().map(str::to_owned)),
        investigation: flow.request.investigation.clone(),
        tool: Cow::Borrowed(flow.tool().name),
        key: flow.names.as_ref().map(|names| names.key),
        digest: flow.names.as_ref().map(|names| names.digest),
        arguments: flow.redacted.clone(),
    }
}

pub(super) fn refused(flow: &Flow, refusal: &Refusal) {
    let event = Alike::Refused { code: refusal.error.code.clone(), gate: refusal.gate };
    flow.pipeline.recorder.note(&flow.pipeline.ledger, flow.entry(), event);
}

/// A call that asks after an approval stops there as any refused call does.
pub(super) fn asked_after(flow: &Flow) {
    let event = Alike::Refused { code: Cow::Borrowed("pending"), gate: "approval" };
    flow.pipeline.recorder.note(&flow.pipeline.ledger, flow.entry(), event);
}

pub(super) fn replayed(flow: &Flow, replay: &Replay) {
    let event = Alike::Replayed { first_call: replay.first_call.clone(), code: replay.body.code() };
    flow.pipeline.recorder.note(&flow.pipeline.ledger, flow.entry(), event);
}

/// What can come so often that it must not fill the disk.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Alike {
    Refused { code: Cow<'static, str>, gate: &'static str },
    Replayed { first_call: String, code: Cow<'static, str> },
}

impl Alike {
    fn event(&self, times: u64) -> NoteEvent {
        match self.clone() {
            Alike::Refused { code, gate } => NoteEvent::Refused { code, gate, times },
            Alike::Replayed { first_call, code } => NoteEvent::Replayed { first_call, code, times },
        }
    }
}

/// Who, what, how: what makes two records alike.
type Same = (String, String, Option<String>, String, Alike);

struct Second {
    since: Instant,
    count: u64,
    /// The last one that was not written, with how many there are like it.
    summed: Option<(Entry, u64)>,
}

/// Notes refusals and replays, at most 20 alike a second one by one, the rest as a sum.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<HashMap<Same, Second>>);

impl Recorder {
    fn note(&self, ledger: &Ledger, entry: Entry, what: Alike) {
        let same =
            (entry.tenant.clone(), entry.agent.clone(), entry.user.clone(), entry.tool.to_string(), what.clone());
        let mut seconds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let second = seconds.entry(same).or_insert_with(|| Second { since: Instant::now(), count: 0, summed: None });
        if second.since.elapsed() >= SECOND {
            flush(ledger, &what, second);
            *second = Second { since: Instant::now(), count: 0, summed: None };
        }
        second.count += 1;
        if second.count <= MOST_ALIKE {
            write(ledger, entry, what.event(1));
        } else {
            let times = second.summed.as_ref().map_or(0, |(_, times)| *times) + 1;
            second.summed = Some((entry, times));
        }
    }

    /// Writes the sums of seconds that are over (all of them when `now`); the server calls it once a second and at its end.
    pub(crate) fn sweep(&self, ledger: &Ledger, now: bool) {
        let mut seconds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seconds.retain(|(_, _, _, _, what), second| {
            let over = now || second.since.elapsed() >= SECOND;
            if over {
                flush(ledger, what, second);
            }
            !over
        });
    }

    /// A request whose sender is not known, before it was read.
    pub(crate) fn unauthenticated(&self, ledger: &Ledger) {
        let entry = Entry {
            call: ulid::Ulid::generate().to_string(),
            tenant: String::new(),
            agent: String::new(),
            user: None,
            investigation: None,
            tool: Cow::Borrowed(""),
            key: None,
            digest: None,
            arguments: None,
        };
        self.note(ledger, entry, Alike::Refused { code: Cow::Borrowed("unauthenticated"), gate: "authenticate" });
    }
}

fn flush(ledger: &Ledger, what: &Alike, second: &mut Second) {
    if let Some((entry, times)) = second.summed.take() {
        write(ledger, entry, what.event(times));
    }
}

fn write(ledger: &Ledger, entry: Entry, event: NoteEvent) {
    if let Err(error) = ledger.note(entry, event) {
        // The call is refused or replayed either way: nothing runs that is not recorded.
        tracing::error!(%error, "a refusal or replay was not recorded");
    }
}
