//! The rate limit for refused calls of a principal. Each violation, denial or conflict tells the caller something, so guessing
//! is limited.

use super::flow::Flow;
use super::refusal::Refusal;
use crate::clock::{Boot, BootClock};
use crate::error::Kind;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Refusals that a principal may get in a burst, and in each [`PERIOD`]. Generous: a model that corrects itself needs a few.
const REFUSED: u32 = 120;
const PERIOD: Duration = Duration::from_secs(60);

/// At this many principals, those whose refusals no longer count are removed.
const MANY: usize = 10_000;

/// Refused calls, by principal.
pub(crate) struct Guesses {
    clock: BootClock,
    /// The moment at which a principal's refusals no longer count (a leaky bucket); each one moves it by its share of [`PERIOD`].
    paid: Mutex<HashMap<String, Boot>>,
}

impl Guesses {
    pub(crate) fn new(clock: BootClock) -> Guesses {
        Guesses { clock, paid: Mutex::default() }
    }

    /// The time until a call of `who` is accepted again; `None` when it is accepted now.
    fn wait(&self, who: &str) -> Option<Duration> {
        let paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let debt = paid.get(who)?.since(self.clock.now());
        let most = PERIOD.saturating_sub(share());
        (debt > most).then(|| debt.saturating_sub(most))
    }

    fn count(&self, who: String) {
        let now = self.clock.now();
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        if paid.len() >= MANY {
            paid.retain(|_, until| *until > now);
        }
        let until = paid.entry(who).or_insert(now);
        *until = (*until).max(now).plus(share());
    }
}

/// The part of [`PERIOD`] that one refusal takes.
fn share() -> Duration {
    PERIOD / REFUSED
}

/// Stops a call of a principal with too many refusals before anything else of the call is checked.
pub(super) fn pass(flow: &Flow) -> Result<(), Refusal> {
    let Some(wait) = who(flow).and_then(|who| flow.pipeline.guesses.wait(&who)) else { return Ok(()) };
    let message =
        format!("more than {REFUSED} calls of this caller were refused in {} s; nothing ran", PERIOD.as_secs());
    Err(Refusal::new("limits", Kind::RateLimited, message)
        .suggest("read the tools' schemas and the earlier refusals before you call again")
        .retry_after_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1)))
}

/// Counts a refusal that tells the caller something: violations, denials and conflicts.
pub(super) fn refused(flow: &Flow, refusal: &Refusal) {
    if let (Kind::InvalidArguments | Kind::Denied | Kind::Conflict, Some(who)) = (refusal.error.kind, who(flow)) {
        flow.pipeline.guesses.count(who);
    }
}

fn who(flow: &Flow) -> Option<String> {
    flow.principal.as_ref().map(|principal| format!("{}\0{}", principal.tenant(), principal.who()))
}
