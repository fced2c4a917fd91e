//! Single-flight: the calls that run in this server, by intent. A duplicate waits for the running call instead of running.

use crate::action::Names;
use crate::envelope::Body;
use crate::ledger::{ArgumentDigest, Hash};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The end of a running call, for the duplicates that wait for it.
#[derive(Debug)]
pub(crate) enum Landed {
    /// It was answered.
    Answered { body: Body, call: String },
    /// Its deadline passed and its body still runs: its outcome is not known yet.
    Late,
}

/// A running call of one intent.
#[derive(Clone)]
pub(crate) struct Flying {
    pub(crate) call: String,
    pub(crate) arguments: Arc<[ArgumentDigest]>,
    pub(crate) digest: Hash,
    pub(crate) owner: Option<String>,
    pub(crate) again_after: Option<String>,
    landed: watch::Receiver<Option<Arc<Landed>>>,
}

impl Flying {
    /// Waits for the end of the call; `None` when it was stopped before its effect.
    pub(crate) async fn landed(&self) -> Option<Arc<Landed>> {
        match self.landed.clone().wait_for(Option::is_some).await {
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
    /// Takes the lead of an intent, or returns the call that has it.
    pub(crate) fn board(
        &self,
        names: &Names,
        call: &str,
        owner: Option<&str>,
        again_after: Option<&str>,
    ) -> Result<Lead, Box<Flying>> {
        let intent = names.key;
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match flights.entry(intent) {
            Entry::Occupied(flying) => Err(Box::new(flying.get().clone())),
            Entry::Vacant(place) => {
                let (landed, waiting) = watch::channel(None);
                place.insert(Flying {
                    call: call.to_owned(),
                    arguments: names.arguments.as_slice().into(),
                    digest: names.digest,
                    owner: owner.map(str::to_owned),
                    again_after: again_after.map(str::to_owned),
                    landed: waiting,
                });
                Ok(Lead { flights: self.clone(), intent, landed })
            }
        }
    }
}

impl Lead {
    /// Gives the answer to the waiting duplicates.
    pub(crate) fn land(&self, body: &Body, call: &str) {
        self.tell(Landed::Answered { body: body.clone(), call: call.to_owned() });
    }

    /// Releases the waiting duplicates with a timeout.
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
