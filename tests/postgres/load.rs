//! Callers that go on and on, and what must be true of everything that they heard.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use safe_tool_examples::soc::connected::Connected;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::servers::{said, strike};
use crate::witness::Witness;

/// Callers on two servers, two of them on each target, one at each server.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<HashMap<String, Vec<Value>>>>,
}

impl Load {
    pub(crate) fn start(servers: &Arc<[Connected; 2]>) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let callers = (0..32).map(|caller| tokio::spawn(call(caller, servers.clone(), stop.clone()))).collect();
        Load { stop, callers }
    }

    /// Waits until every caller has heard its last answer.
    pub(crate) async fn stop(self) -> Heard {
        self.stop.store(true, Ordering::SeqCst);
        let mut heard: HashMap<String, Vec<Value>> = HashMap::new();
        for caller in self.callers {
            for (target, answers) in caller.await.unwrap() {
                heard.entry(target).or_default().extend(answers);
            }
        }
        Heard(heard)
    }
}

async fn call(caller: usize, servers: Arc<[Connected; 2]>, stop: Arc<AtomicBool>) -> HashMap<String, Vec<Value>> {
    let mut heard: HashMap<String, Vec<Value>> = HashMap::new();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let target = format!("c{}-{number}", caller / 2);
        loop {
            let answer = strike(&servers[caller % 2], &target).await.unwrap().expect("no server dies");
            let again = said(&answer) == "unavailable" && !stop.load(Ordering::SeqCst);
            heard.entry(target.clone()).or_default().push(answer);
            if !again {
                break;
            }
            // As a client does that is told so.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    heard
}

/// The answers about each target.
pub(crate) struct Heard(HashMap<String, Vec<Value>>);

impl Heard {
    /// What was acknowledged once is what everybody hears from now on; what nobody heard of can be done; nothing was done twice.
    pub(crate) async fn holds(self, server: &Connected, witness: &Witness) {
        let (mut kinds, effects) = (HashMap::<String, usize>::new(), witness.all());
        for (target, answers) in self.0 {
            for answer in &answers {
                *kinds.entry(said(answer)).or_default() += 1;
            }
            let now = strike(server, &target).await.unwrap().unwrap();
            match answers.iter().find(|answer| said(answer) == "ok") {
                Some(first) => {
                    let replayed = (now["replayed"].as_bool(), &now["data"]);
                    assert_eq!(replayed, (Some(true), &first["data"]), "{target}: {now}");
                }
                None => assert!(["ok", "in_doubt"].contains(&said(&now).as_str()), "{target}: {now}"),
            }
            assert_eq!(witness.count(&target), 1, "{target}: {now}");
        }
        assert!(effects.values().all(|count| *count == 1));
        eprintln!("{} effects; answers: {kinds:?}", effects.len());
    }
}
