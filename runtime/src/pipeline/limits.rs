//! Gate 6: the rate limits, per principal, per value of an argument, and in total.

use super::flow::Flow;
use super::refusal::Refusal;
use crate::error::Kind;
use crate::tool::{Descriptor, Per, Rate};
use crate::writer;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;

/// Above this many values, those that no longer count are removed.
const MANY_VALUES: usize = 10_000;

/// The limits of one tool.
pub(crate) struct Limits {
    each: Vec<(&'static Rate, DefaultKeyedRateLimiter<String>)>,
    clock: DefaultClock,
}

impl Limits {
    /// `None` when a rate counts nothing, which the macro refuses.
    pub(crate) fn of(tool: &Descriptor) -> Option<Limits> {
        let mut each = Vec::new();
        for rate in tool.rates {
            let count = NonZeroU32::new(rate.count)?;
            let quota = Quota::with_period(rate.period / rate.count)?.allow_burst(count);
            each.push((rate, RateLimiter::keyed(quota)));
        }
        Some(Limits { each, clock: DefaultClock::default() })
    }
}

pub(super) fn pass(flow: &Flow) -> Result<(), Refusal> {
    let limits = &flow.served().limits;
    for (rate, limiter) in &limits.each {
        if let Err(not_until) = limiter.check_key(&value(flow, rate)) {
            let wait = not_until.wait_time_from(limits.clock.now());
            let per = match rate.per {
                Per::Principal => "this caller".to_owned(),
                Per::All => "this tool".to_owned(),
                Per::Argument(_, name) => format!("this `{name}`"),
            };
            let period = rate.period.as_secs();
            return Err(Refusal::new(
                "limits",
                Kind::RateLimited,
                format!("the limit of {} calls in {period} s for {per} is reached; nothing ran", rate.count),
            )
            .retry_after_ms(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1)));
        }
        if limiter.len() > MANY_VALUES {
            limiter.retain_recent();
        }
    }
    Ok(())
}

fn value(flow: &Flow, rate: &Rate) -> String {
    match (rate.per, &flow.principal, &flow.arguments) {
        (Per::Principal, Some(principal), _) => format!("{}\0{}", principal.tenant(), principal.who()),
        (Per::Argument(place, _), _, Some(arguments)) => {
            String::from_utf8(writer::plain(|writer| arguments.part(place, writer))).unwrap_or_default()
        }
        _ => String::new(),
    }
}
