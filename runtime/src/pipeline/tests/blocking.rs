use super::call;
use crate::clock::BootClock;
use crate::ledger::Listed;
use crate::prelude::*;
use crate::{InProcess, Ledger, Principal};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

const WRITE: Scope = Scope::new("lab:write");

/// What blocking work waits on and does.
#[derive(Clone)]
struct Lab(Arc<Inner>);

struct Inner {
    effects: AtomicU32,
    asked: AtomicU32,
    started: Semaphore,
    go_on: Mutex<Receiver<()>>,
}

impl Lab {
    fn new() -> (Lab, Sender<()>) {
        let (sender, receiver) = channel();
        let started = Semaphore::new(0);
        let (effects, asked) = (AtomicU32::new(0), AtomicU32::new(0));
        (Lab(Arc::new(Inner { effects, asked, started, go_on: Mutex::new(receiver) })), sender)
    }

    fn effects(&self) -> u32 {
        self.0.effects.load(Ordering::SeqCst)
    }

    fn asked(&self) -> u32 {
        self.0.asked.load(Ordering::SeqCst)
    }
}

/// Presses a button by means of a library that blocks.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = by_hand("none"), timeout = "20ms", reconcile = find_press)]
async fn press(
    call: Call<Lab>,
    /// The button.
    #[arg(pattern = "^[a-z]{1,9}$")]
    thing: String,
) -> Result<Done, Infallible> {
    let lab = call.state().0.clone();
    let work = call.blocking(move || {
        lab.started.add_permits(1);
        lab.go_on.lock().unwrap().recv().unwrap();
        lab.effects.fetch_add(1, Ordering::SeqCst);
    });
    if thing == "dropped" {
        // The body goes on without its work.
        tokio::select! {
            () = work => {}
            permit = call.state().0.started.acquire() => permit.unwrap().forget(),
        }
        call.state().0.started.add_permits(1);
    } else {
        work.await;
    }
    Ok(Done)
}

/// Breaks down while it blocks.
#[safe_tool(effect = write, scope = WRITE, key(thing), undo = by_hand("none"))]
async fn break_down(
    call: Call<Lab>,
    /// The thing.
    #[arg(pattern = "^[a-z]{1,9}$")]
    thing: String,
) -> Result<Done, Infallible> {
    call.blocking(move || panic!("secret of the lab: {thing}")).await
}

async fn find_press(call: Call<Lab>, _: String) -> Result<Reconciled<Done>, Infallible> {
    call.state().0.asked.fetch_add(1, Ordering::SeqCst);
    let pressed = call.state().effects() > 0;
    Ok(if pressed { Reconciled::Applied(Done) } else { Reconciled::NotApplied })
}

async fn server(lab: &Lab, ledger: &Ledger, clock: BootClock) -> InProcess {
    let server =
        Server::write("lab", lab.clone()).tool::<press>().tool::<break_down>().ledger(ledger.clone()).clock(clock);
    server.in_process(Principal::agent("a").with_scope("lab:write")).await.unwrap()
}

async fn ended(ledger: &Ledger) -> bool {
    match ledger.list(Listed::InDoubt, None, 9).await.unwrap().as_slice() {
        [action] => ledger.ended(action).await.unwrap(),
        _ => panic!("not one doubt"),
    }
}

/// Holes A6: the body is cut at twice its timeout and its thread goes on.
#[tokio::test]
async fn nobody_is_asked_and_nothing_runs_beside_blocking_work_that_outlives_its_body() {
    let ((lab, go_on), ledger) = (Lab::new(), Ledger::open("memory:").unwrap());
    let server = server(&lab, &ledger, BootClock::default()).await;
    assert_eq!(call(&server, "press", "red").await["error"]["code"], "timeout");
    lab.0.started.acquire().await.unwrap().forget();
    // Each call finds it running and waits for its own timeout; many of them are far more than the body's second one.
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        assert_eq!(call(&server, "press", "red").await["error"]["kind"], "in_doubt");
        assert!(!ended(&ledger).await, "its thread still runs");
    }
    assert_eq!((lab.asked(), lab.effects()), (0, 0));
    go_on.send(()).unwrap();
    let answer = loop {
        let answer = call(&server, "press", "red").await;
        if answer["error"]["kind"] != "in_doubt" {
            break answer;
        }
    };
    assert_eq!((&answer["status"], &answer["replayed"]), (&"ok".into(), &true.into()), "{answer}");
    assert_eq!((lab.asked(), lab.effects()), (1, 1));
}

/// The body has ended, its work has not: the outcome waits for it.
#[tokio::test]
async fn an_outcome_waits_for_work_that_its_body_let_go_of() {
    let ((lab, go_on), ledger) = (Lab::new(), Ledger::open("memory:").unwrap());
    let server = server(&lab, &ledger, BootClock::default()).await;
    assert_eq!(call(&server, "press", "dropped").await["error"]["code"], "timeout");
    assert!(!ended(&ledger).await);
    go_on.send(()).unwrap();
    server.close().await.unwrap();
    assert_eq!((lab.asked(), lab.effects()), (0, 1));
}

#[tokio::test]
async fn a_panic_of_the_work_is_a_panic_of_the_body() {
    let ((lab, _), ledger) = (Lab::new(), Ledger::open("memory:").unwrap());
    let server = server(&lab, &ledger, BootClock::default()).await;
    let answer = call(&server, "break_down", "lamp").await;
    assert_eq!((&answer["error"]["kind"], &answer["error"]["code"]), (&"in_doubt".into(), &"internal".into()));
    assert!(!answer.to_string().contains("secret"));
}

/// Work that waits for a thread while the machine stands still must not begin afterwards.
#[test]
fn work_that_has_not_begun_by_the_end_of_the_lease_never_begins() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let (clock, ms) = BootClock::set();
    let blocking = crate::blocking::Blocking::under(crate::clock::Lease::of(&clock, std::time::Duration::from_secs(1)));
    let begun = Arc::new(AtomicU32::new(0));
    runtime.block_on(async {
        let (free, taken) = channel::<()>();
        let thread = tokio::task::spawn_blocking(move || taken.recv());
        let count = begun.clone();
        let mut work = Box::pin(blocking.run(move || count.fetch_add(1, Ordering::SeqCst)));
        assert!(futures_util::poll!(work.as_mut()).is_pending());
        ms.store(1_000, Ordering::SeqCst);
        free.send(()).unwrap();
        thread.await.unwrap().unwrap();
        blocking.joined().await;
        assert!(futures_util::poll!(work.as_mut()).is_pending());
    });
    assert_eq!(begun.load(Ordering::SeqCst), 0);
}

/// A body that is cut takes back the work that still waits for a thread.
#[test]
fn work_that_has_not_begun_when_its_body_is_dropped_never_begins() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let blocking = crate::blocking::Blocking::default();
    let begun = Arc::new(AtomicU32::new(0));
    runtime.block_on(async {
        let (free, taken) = channel::<()>();
        let thread = tokio::task::spawn_blocking(move || taken.recv());
        let count = begun.clone();
        let mut work = Box::pin(blocking.run(move || count.fetch_add(1, Ordering::SeqCst)));
        assert!(futures_util::poll!(work.as_mut()).is_pending());
        drop(work);
        free.send(()).unwrap();
        thread.await.unwrap().unwrap();
        blocking.joined().await;
    });
    assert_eq!(begun.load(Ordering::SeqCst), 0);
}
