//! What is running in this server right now, by intent: a duplicate waits on it instead of running.

use crate::envelope::Body;
use crate::ledger::{ArgumentDigest, Hash};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What a running call came to, for those who wait on it.
#[derive(Debug)]
pub(crate) enum Landed {
    /// It was answered.
    Answered { body: Body, call: String },
    /// Its deadline passed and its body goes on: what it comes to is not known yet.
    Late,
}

/// A running call of one intent.
#[derive(Clone)]
pub(crate) struct Flying {
    pub(crate) call: String,
    pub(crate) arguments: Arc<[ArgumentDigest]>,
    landed: watch::Receiver<Option<Arc<Landed>>>,
}

impl Flying {
    /// Waits until it is over: with its answer, or without one when it was stopped before its effect.
    pub(crate) async fn landed(mut self) -> Option<Arc<Landed>> {
        match self.landed.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone(),
            Err(_) => None,
        }
    }
}

/// All running calls, by intent.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<Hash, Flying>>>);

/// The right to run one intent; given back when dropped.
pub(crate) struct Lead {
    flights: Flights,
    intent: Hash,
    landed: watch::Sender<Option<Arc<Landed>>>,
}

impl Flights {
    /// Takes the lead, or answers with the call that has it.
    pub(crate) fn board(&self, intent: Hash, call: &str, arguments: &[ArgumentDigest]) -> Result<Lead, Flying> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match flights.entry(intent) {
            Entry::Occupied(flying) => Err(flying.get().clone()),
            Entry::Vacant(place) => {
                let (landed, waiting) = watch::channel(None);
                place.insert(Flying { call: call.to_owned(), arguments: arguments.into(), landed: waiting });
                Ok(Lead { flights: self.clone(), intent, landed })
            }
        }
    }
}

impl Lead {
    /// Tells those who wait what it came to.
    pub(crate) fn land(&self, body: &Body, call: &str) {
        self.tell(Landed::Answered { body: body.clone(), call: call.to_owned() });
    }

    /// Tells them that they are not told in time.
    pub(crate) fn late(&self) {
        self.tell(Landed::Late);
    }

    fn tell(&self, landed: Landed) {
        self.landed.send_replace(Some(Arc::new(landed)));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flights.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.intent);
    }
}
