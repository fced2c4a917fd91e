//! The actions and results that were used last, whole: who asks again soon does not read the journal.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::super::super::action::{Action, PayloadAt};
use super::super::super::hash::Hash;

/// Settled actions.
const ACTIONS: usize = 1024;
/// Bytes of results.
const BYTES: usize = 4 * 1024 * 1024;

/// What is held leaves in the order in which it came.
#[derive(Default)]
pub(super) struct Recent {
    /// By the record that settled it.
    actions: HashMap<u64, Arc<Action>>,
    settled: VecDeque<u64>,
    /// By their hashes, with their places.
    results: HashMap<Hash, (PayloadAt, Arc<[u8]>)>,
    stored: VecDeque<Hash>,
    bytes: usize,
}

impl Recent {
    pub(super) fn action(&self, record: u64) -> Option<Arc<Action>> {
        self.actions.get(&record).cloned()
    }

    pub(super) fn keep_action(&mut self, action: Arc<Action>) {
        let record = action.moment.0;
        if self.actions.insert(record, action).is_none() {
            self.settled.push_back(record);
        }
        while self.settled.len() > ACTIONS {
            let oldest = self.settled.pop_front();
            oldest.and_then(|oldest| self.actions.remove(&oldest));
        }
    }

    pub(super) fn result(&self, at: &PayloadAt) -> Option<Arc<[u8]>> {
        self.results.get(&at.hash).filter(|(kept, _)| kept == at).map(|(_, body)| Arc::clone(body))
    }

    /// `body` has the hash that `at` names.
    pub(super) fn keep_result(&mut self, at: &PayloadAt, body: &[u8]) {
        // One alone must not take the place of all others.
        if body.len() > BYTES / 8 {
            return;
        }
        if let Some(kept) = self.results.get_mut(&at.hash) {
            kept.0 = at.clone();
            return;
        }
        self.results.insert(at.hash, (at.clone(), Arc::from(body)));
        self.stored.push_back(at.hash);
        self.bytes += body.len();
        while self.bytes > BYTES {
            let Some((_, oldest)) = self.stored.pop_front().and_then(|oldest| self.results.remove(&oldest)) else {
                break;
            };
            self.bytes -= oldest.len();
        }
    }

    /// Retention removed results.
    pub(super) fn forget_results(&mut self) {
        self.results.clear();
        self.stored.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::super::action::PayloadAt;
    use super::super::super::super::hash::Hash;
    use super::{BYTES, Recent};

    fn at(number: u8) -> PayloadAt {
        PayloadAt { segment: 1, offset: 0, length: 1, hash: Hash([number; 32]) }
    }

    #[test]
    fn results_are_bounded_in_bytes() {
        let mut recent = Recent::default();
        let body = vec![7; BYTES / 16];
        for number in 0..40 {
            recent.keep_result(&at(number), &body);
            recent.keep_result(&at(number), &body);
            assert!(recent.bytes <= BYTES && recent.bytes == recent.results.len() * body.len());
        }
        assert!(recent.result(&at(39)).is_some() && recent.result(&at(0)).is_none());
        assert!(recent.result(&PayloadAt { offset: 1, ..at(39) }).is_none());
        recent.keep_result(&at(99), &vec![7; BYTES]);
        assert!(recent.result(&at(99)).is_none());
        recent.forget_results();
        assert!(recent.result(&at(39)).is_none() && recent.bytes == 0);
    }
}
