//! The thread that writes the index down, behind the journal. Nobody waits for it, and what it fails to write is in the
//! journal: the next start reads more of that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::super::sync::threads::{Receiver, RecvTimeoutError};
use super::Index;
use super::blocks::Blocks;

/// How often it is looked how much waits.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many changes are worth a block,
const WORTH: usize = 4096;
/// and fewer when they have waited for so long: the next start reads all of the last segment of the journal in any case.
const WAITS: Duration = Duration::from_secs(60);

/// Writes what changes in `index` until nobody can tell it to end any more; then all that waits.
pub(in crate::ledger) fn run(mut blocks: Blocks, index: &Arc<Index>, stop: &Receiver<()>) {
    let mut written = Instant::now();
    loop {
        let ends = !matches!(stop.recv_timeout(LOOK_EVERY), Err(RecvTimeoutError::Timeout));
        let (waiting, all) = index.waiting();
        if ends || all || waiting >= WORTH || written.elapsed() >= WAITS {
            if let Err(error) = blocks.write(index) {
                tracing::warn!(
                    error = error.to_string(),
                    "the index of the ledger cannot be written; the next start takes longer, as it reads more of the journal"
                );
                index.note_no_more();
                return;
            }
            written = Instant::now();
        }
        if ends {
            return;
        }
    }
}

/// Lets `index` note what changes for [`run`].
pub(in crate::ledger) fn begin(blocks: &Blocks, index: &Index) {
    index.note(blocks.is_anew());
}
