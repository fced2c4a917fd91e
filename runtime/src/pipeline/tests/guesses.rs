use super::call;
use crate::clock::BootClock;
use crate::prelude::*;
use crate::{Identity, InProcess, Ledger, Principal};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};

const WRITE: Scope = Scope::new("lab:write");

/// Marks a thing.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = by_hand("unmark it"))]
async fn mark(
    /// The thing.
    #[arg(pattern = "^[a-z]{1,9}$")]
    thing: String,
) -> Result<Done, Infallible> {
    let _ = thing;
    Ok(Done)
}

/// Ann, or Bob once somebody says so.
struct Who(std::sync::Arc<AtomicBool>);

impl Identity for Who {
    fn authenticate(&self, _: Option<&str>) -> Option<Principal> {
        let user = if self.0.load(Ordering::SeqCst) { "bob" } else { "ann" };
        Some(Principal::agent("a").on_behalf_of(user).with_scope("lab:write"))
    }
}

async fn kind(server: &InProcess, thing: &str) -> String {
    let answer = call(server, "mark", thing).await;
    answer["error"]["kind"].as_str().unwrap_or("ok").to_owned()
}

#[tokio::test]
async fn refused_calls_have_a_rate_of_their_own() {
    let (clock, ms) = BootClock::set();
    let bob = std::sync::Arc::default();
    let server = Server::write("lab", ()).tool::<mark>().ledger(Ledger::open("memory:").unwrap()).clock(clock);
    let server = server.in_process_as(Who(std::sync::Arc::clone(&bob))).await.unwrap();
    for _ in 0..120 {
        assert_eq!(kind(&server, "*").await, "invalid_arguments");
    }
    // A guess that is right tells no more than one that is wrong.
    for thing in ["*", "lamp"] {
        let answer = call(&server, "mark", thing).await;
        assert_eq!((&answer["error"]["kind"], &answer["error"]["effect"]), (&"rate_limited".into(), &"none".into()));
        assert_eq!(answer["error"]["retry_after_ms"], 501);
        assert!(answer["error"].get("violations").is_none_or(|told| told.as_array().is_none_or(Vec::is_empty)));
    }
    bob.store(true, Ordering::SeqCst);
    assert_eq!(kind(&server, "lamp").await, "ok", "it is another's rate");
    bob.store(false, Ordering::SeqCst);
    ms.store(499, Ordering::SeqCst);
    assert_eq!(kind(&server, "*").await, "rate_limited");
    ms.store(500, Ordering::SeqCst);
    assert_eq!(kind(&server, "*").await, "invalid_arguments");
    assert_eq!(kind(&server, "fan").await, "rate_limited");
    ms.store(61_000, Ordering::SeqCst);
    assert_eq!(kind(&server, "fan").await, "ok");
}

/// An agent that works pays nothing, however much it does.
#[tokio::test]
async fn what_is_not_refused_does_not_count() {
    let server = Server::write("lab", ()).tool::<mark>().ledger(Ledger::open("memory:").unwrap());
    let server = server.clock(BootClock::set().0).in_process_as(Who(std::sync::Arc::default())).await.unwrap();
    for _ in 0..300 {
        assert_eq!(kind(&server, "lamp").await, "ok");
    }
}
