//! The thread that does ahead of time what a write would have to wait for: fills segments, and makes the next one.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::segment::SegmentFile;

/// The file that becomes the next segment. Its name is none of a segment.
pub(super) const NEXT: &str = "next.filled";

/// The next segment, once it is made.
pub(super) struct Next {
    path: PathBuf,
    made: Mutex<Option<Arc<SegmentFile>>>,
}

impl Next {
    fn made(&self) -> MutexGuard<'_, Option<Arc<SegmentFile>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next segment; makes it if need be.
    pub(super) fn get(&self) -> io::Result<Arc<SegmentFile>> {
        let mut made = self.made();
        match &*made {
            Some(made) => Ok(Arc::clone(made)),
            None => {
                let segment = Arc::new(SegmentFile::create(&self.path)?);
                *made = Some(Arc::clone(&segment));
                Ok(segment)
            }
        }
    }

    /// Gives the next segment to `rename`; it is no longer the next one if that succeeds.
    pub(super) fn become_segment(&self, rename: impl FnOnce() -> io::Result<()>) -> io::Result<Arc<SegmentFile>> {
        let segment = self.get()?;
        let mut made = self.made();
        rename()?;
        *made = None;
        Ok(segment)
    }
}

/// What there is to do.
enum Task {
    /// A segment is to be filled up to this byte.
    Fill(Arc<SegmentFile>, u64),
    /// The next segment is to be made, and filled up to this byte.
    Next(u64),
}

/// The thread; it ends when this is dropped.
pub(super) struct Filler {
    next: Arc<Next>,
    /// Taken when dropped.
    tasks: Option<SyncSender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl Filler {
    /// Makes the next segment in `directory` and starts the thread.
    pub(super) fn start(directory: PathBuf) -> io::Result<Filler> {
        let next = Arc::new(Next { path: directory.join(NEXT), made: Mutex::new(None) });
        next.get()?;
        // A task that finds no place is asked for again with the next batch.
        let (tasks, waiting) = sync_channel(2);
        let thread = {
            let next = Arc::clone(&next);
            Builder::new().name("ledger-fill".to_owned()).spawn(move || run(&waiting, &next))?
        };
        Ok(Filler { next, tasks: Some(tasks), thread: Some(thread) })
    }

    /// The next segment.
    pub(super) fn next(&self) -> &Next {
        &self.next
    }

    /// Has `segment` filled up to `to`, soon.
    pub(super) fn fill(&self, segment: &Arc<SegmentFile>, to: u64) {
        self.ask(Task::Fill(Arc::clone(segment), to));
    }

    /// Has the next segment made and filled up to `to`, soon; `false` when it has to be asked for again.
    pub(super) fn prepare(&self, to: u64) -> bool {
        self.ask(Task::Next(to))
    }

    fn ask(&self, task: Task) -> bool {
        self.tasks.as_ref().is_some_and(|tasks| tasks.try_send(task).is_ok())
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(next) = &*self.next.made() {
            next.seal();
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that fills the journal ahead panicked");
        }
        if self.next.made().take().is_some()
            && let Err(error) = fs::remove_file(&self.next.path)
        {
            // The next server makes it anew.
            tracing::debug!(error = error.to_string(), "the segment that was prepared and is not needed stays");
        }
    }
}

fn run(tasks: &Receiver<Task>, next: &Next) {
    while let Ok(task) = tasks.recv() {
        let done = match task {
            Task::Fill(segment, to) => segment.fill(to),
            Task::Next(to) => next.get().and_then(|segment| segment.fill(to)),
        };
        if let Err(error) = done {
            tracing::warn!(
                error = error.to_string(),
                "the journal could not be filled ahead: it goes on, and writes take longer"
            );
        }
    }
}
