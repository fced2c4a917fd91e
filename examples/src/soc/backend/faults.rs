//! Faults that a test switches on: one per route, for the next requests or until cleared.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use tokio::sync::watch;

use super::routes::Refused;

/// The routes a fault can be set on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FaultRoute {
    Logins,
    Host,
    Isolate,
    Release,
    Disable,
    Enable,
}

/// Body of `PUT /faults`: what goes wrong, in the order in which it does.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    route: FaultRoute,
    /// The request waits that long first.
    #[serde(default)]
    latency_ms: u64,
    /// The request is then held until the faults are cleared, before anything happens.
    #[serde(default)]
    hang_before_effect: bool,
    /// The request is answered with this status (400 to 599) and has no effect.
    #[serde(default)]
    status: Option<FaultStatus>,
    /// The effect happens, and its answer is held until the faults are cleared.
    #[serde(default)]
    hang_after_effect: bool,
    /// How many requests meet the fault; without it all of them, until the faults are cleared.
    #[serde(default)]
    times: Option<NonZeroU32>,
}

/// A status that says that a request failed.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u16")]
struct FaultStatus(StatusCode);

impl TryFrom<u16> for FaultStatus {
    type Error = &'static str;

    fn try_from(code: u16) -> Result<Self, Self::Error> {
        StatusCode::from_u16(code)
            .ok()
            .filter(|status| status.is_client_error() || status.is_server_error())
            .map(Self)
            .ok_or("`status` is 400 to 599")
    }
}

/// The faults that are set, and the requests they hold.
pub(super) struct FaultSwitches {
    set: Mutex<BTreeMap<FaultRoute, Fault>>,
    /// Counts the times the faults were cleared; a change lets held requests go on.
    cleared: watch::Sender<u64>,
    stopping: watch::Receiver<bool>,
    held: AtomicU64,
}

impl FaultSwitches {
    /// No faults; `stopping` ends every wait.
    pub(super) fn new(stopping: watch::Receiver<bool>) -> Self {
        Self { set: Mutex::default(), cleared: watch::Sender::new(0), stopping, held: AtomicU64::new(0) }
    }

    /// Sets a fault in place of the one its route had.
    pub(super) fn set(&self, fault: Fault) {
        self.lock().insert(fault.route, fault);
    }

    /// Removes all faults and lets the held requests go on.
    pub(super) fn clear(&self) {
        self.lock().clear();
        self.cleared.send_modify(|times| *times += 1);
    }

    /// How many requests are held now.
    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::SeqCst)
    }

    /// What this request meets, if anything; uses up one of its `times`.
    pub(super) fn meet(&self, route: FaultRoute) -> Met<'_> {
        let mut set = self.lock();
        // Taken under the lock that `clear` takes first: a request that met a fault sees every later clearing.
        let cleared = self.cleared.subscribe();
        let fault = set.get(&route).cloned();
        if let Some(times) = fault.as_ref().and_then(|fault| fault.times) {
            match NonZeroU32::new(times.get() - 1) {
                Some(left) => {
                    set.entry(route).and_modify(|fault| fault.times = Some(left));
                }
                None => {
                    set.remove(&route);
                }
            }
        }
        Met { switches: self, fault, cleared }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<FaultRoute, Fault>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn stopped(&self) -> Refused {
        super::is_set(self.stopping.clone()).await;
        Refused::Stopping
    }
}

/// What one request meets on its way.
pub(super) struct Met<'a> {
    switches: &'a FaultSwitches,
    fault: Option<Fault>,
    cleared: watch::Receiver<u64>,
}

impl Met<'_> {
    /// What goes wrong before the effect.
    ///
    /// # Errors
    /// The fault's status, or the backend stops.
    pub(super) async fn before_effect(&mut self) -> Result<(), Refused> {
        let Some(fault) = self.fault.clone() else {
            return Ok(());
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(fault.latency_ms)) => {}
            refused = self.switches.stopped() => return Err(refused),
        }
        if fault.hang_before_effect {
            self.hold().await?;
        }
        match fault.status {
            Some(FaultStatus(status)) => Err(Refused::Fault(status)),
            None => Ok(()),
        }
    }

    /// What goes wrong between the effect and its answer.
    ///
    /// # Errors
    /// The backend stops.
    pub(super) async fn after_effect(&mut self) -> Result<(), Refused> {
        match &self.fault {
            Some(fault) if fault.hang_after_effect => self.hold().await,
            _ => Ok(()),
        }
    }

    async fn hold(&mut self) -> Result<(), Refused> {
        let _held = Held::new(&self.switches.held);
        tokio::select! {
            // The sender lives in `switches`, so this ends by a clearing only.
            _ = self.cleared.changed() => Ok(()),
            refused = self.switches.stopped() => Err(refused),
        }
    }
}

/// Counts a request as held until it goes on or its caller leaves.
struct Held<'a>(&'a AtomicU64);

impl<'a> Held<'a> {
    fn new(held: &'a AtomicU64) -> Self {
        held.fetch_add(1, Ordering::SeqCst);
        Self(held)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
