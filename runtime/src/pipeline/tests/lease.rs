use super::call;
use crate::clock::BootClock;
use crate::ledger::{Listed, State};
use crate::prelude::*;
use crate::tool::BoxFuture;
use crate::{CredentialBroker, CredentialError, InProcess, Ledger, Principal, SecretString};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

const WRITE: Scope = Scope::new("lab:write");

/// What bodies wait on and do.
#[derive(Default)]
struct Inner {
    effects: AtomicU32,
    attempts: AtomicU32,
    go_on: Notify,
}

#[derive(Clone)]
struct Lab(Arc<Inner>, Arc<Semaphore>);

impl Default for Lab {
    fn default() -> Self {
        Lab(Arc::default(), Arc::new(Semaphore::new(0)))
    }
}

impl Lab {
    async fn has_started(&self) {
        self.1.acquire().await.unwrap().forget();
    }

    fn effects(&self) -> u32 {
        self.0.effects.load(Ordering::SeqCst)
    }
}

#[derive(ToolError)]
enum LabError {
    #[tool_error(transient, "it flickers", effect = none)]
    Flickers,
}

/// Presses a button once somebody lets it.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = by_hand("none"), timeout = "10s", retry = 1, reconcile = find_press)]
async fn press(
    call: Call<Lab>,
    /// The button.
    #[arg(pattern = "^[a-z]{1,9}$")]
    thing: String,
) -> Result<Done, LabError> {
    let lab = call.state();
    lab.1.add_permits(1);
    if thing == "flicker" && lab.0.attempts.fetch_add(1, Ordering::SeqCst) == 0 {
        return Err(LabError::Flickers);
    }
    if thing == "held" {
        lab.0.go_on.notified().await;
    }
    lab.0.effects.fetch_add(1, Ordering::SeqCst);
    Ok(Done)
}

async fn find_press(_: Call<Lab>, _: String) -> Result<Reconciled<Done>, LabError> {
    Ok(Reconciled::NotApplied)
}

/// The button of a box.
#[derive(Credential)]
#[credential(audience = "https://box.example", env = "BOX_TOKEN")]
struct BoxKey;

/// Presses a button in a box.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = by_hand("none"))]
async fn press_boxed(
    call: Call<Lab, BoxKey>,
    /// The button.
    #[arg(pattern = "^[a-z]{1,9}$")]
    thing: String,
) -> Result<Done, LabError> {
    let _ = (thing, call.credential().expose());
    call.state().0.effects.fetch_add(1, Ordering::SeqCst);
    Ok(Done)
}

/// Answers never, or moves the clock before it answers.
enum Broker {
    Hangs,
    Sleeps(Arc<AtomicU64>),
}

impl CredentialBroker for Broker {
    fn mint<'a>(
        &'a self,
        _: &'static crate::credential::CredentialSpec,
        _: &'a Principal,
    ) -> BoxFuture<'a, Result<SecretString, CredentialError>> {
        Box::pin(async move {
            match self {
                Broker::Hangs => std::future::pending().await,
                Broker::Sleeps(clock) => {
                    clock.store(DAY_MS, Ordering::SeqCst);
                    Ok("key".to_owned().into())
                }
            }
        })
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

async fn server(lab: &Lab, ledger: &Ledger, clock: BootClock, broker: Broker) -> InProcess {
    let server =
        Server::write("lab", lab.clone()).tool::<press>().tool::<press_boxed>().clock(clock).credentials(broker);
    server.ledger(ledger.clone()).in_process(Principal::agent("a").with_scope("lab:write")).await.unwrap()
}

/// The lease of `press`, as its body is held to it.
fn held_for() -> Duration {
    super::super::lease::length(<press as crate::tool::SafeTool>::descriptor()) - Duration::from_secs(30)
}

/// Holes A1: a server stood still while a body waited, and another may have taken its action for ended since.
#[tokio::test]
async fn a_body_that_wakes_after_its_lease_does_not_go_on() {
    let (lab, ledger, (clock, ms)) = (Lab::default(), Ledger::open("memory:").unwrap(), BootClock::set());
    let server = server(&lab, &ledger, clock, Broker::Hangs).await;
    let asleep = async {
        lab.has_started().await;
        ms.store(u64::try_from(held_for().as_millis()).unwrap() + 64_000, Ordering::SeqCst);
        lab.0.go_on.notify_one();
    };
    let (answer, ()) = tokio::join!(call(&server, "press", "held"), asleep);
    assert_eq!((&answer["error"]["kind"], &answer["error"]["code"]), (&"in_doubt".into(), &"lease_over".into()));
    assert_eq!((&answer["error"]["effect"], lab.effects()), (&"unknown".into(), 0));
    let [action] = ledger.list(Listed::InDoubt, None, 9).await.unwrap().try_into().unwrap();
    assert!(action.state == State::InDoubt && ledger.ended(&action).await.unwrap(), "no body runs any more");
}

#[tokio::test]
async fn a_body_that_wakes_within_its_lease_goes_on() {
    let (lab, ledger, (clock, ms)) = (Lab::default(), Ledger::open("memory:").unwrap(), BootClock::set());
    let server = server(&lab, &ledger, clock, Broker::Hangs).await;
    let asleep = async {
        lab.has_started().await;
        ms.store(u64::try_from(held_for().as_millis()).unwrap() - 1, Ordering::SeqCst);
        lab.0.go_on.notify_one();
    };
    let (answer, ()) = tokio::join!(call(&server, "press", "held"), asleep);
    assert_eq!((&answer["status"], lab.effects()), (&"ok".into(), 1), "{answer}");
}

#[tokio::test]
async fn nothing_is_tried_again_after_the_lease() {
    let (lab, ledger, (clock, ms)) = (Lab::default(), Ledger::open("memory:").unwrap(), BootClock::set());
    let server = server(&lab, &ledger, clock, Broker::Hangs).await;
    // Between two attempts.
    let asleep = async {
        lab.has_started().await;
        ms.store(DAY_MS, Ordering::SeqCst);
    };
    let (answer, ()) = tokio::join!(call(&server, "press", "flicker"), asleep);
    assert_eq!((&answer["error"]["code"], lab.effects()), (&"lease_over".into(), 0), "{answer}");
}

#[tokio::test]
async fn a_body_whose_lease_passed_before_it_began_never_begins_and_the_key_is_free() {
    let (lab, ledger, (clock, ms)) = (Lab::default(), Ledger::open("memory:").unwrap(), BootClock::set());
    let server = server(&lab, &ledger, clock, Broker::Sleeps(ms)).await;
    let answer = call(&server, "press_boxed", "red").await;
    assert_eq!((&answer["error"]["kind"], &answer["error"]["code"]), (&"transient".into(), &"lease_over".into()));
    assert_eq!((&answer["error"]["effect"], lab.effects()), (&"none".into(), 0));
    // Its own lease is counted from its own claim.
    assert_eq!(call(&server, "press_boxed", "red").await["status"], "ok");
}

/// Holes A1: the body of an action began when its lease was long over, because its credential took so long.
#[tokio::test(start_paused = true)]
async fn a_credential_is_waited_for_within_a_deadline_and_then_nothing_ran() {
    let (lab, ledger) = (Lab::default(), Ledger::open("memory:").unwrap());
    let server = server(&lab, &ledger, BootClock::default(), Broker::Hangs).await;
    let (before, answer) = (tokio::time::Instant::now(), call(&server, "press_boxed", "red").await);
    assert_eq!(before.elapsed().as_secs(), super::super::lease::CREDENTIAL_DEADLINE.as_secs());
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["effect"]),
        (&"credential_unavailable".into(), &"none".into())
    );
    assert_eq!((lab.effects(), ledger.list(Listed::InDoubt, None, 9).await.unwrap().len()), (0, 0));
}
