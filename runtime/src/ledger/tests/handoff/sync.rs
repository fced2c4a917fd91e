//! What the ledger's threads meet at, on shuttle: at each use any thread that can may go on first.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use shuttle::sync::{Condvar, Mutex, MutexGuard};

pub(in crate::ledger) use shuttle::sync::atomic::AtomicU8;
pub(in crate::ledger) use shuttle::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub(in crate::ledger) use shuttle::thread;

/// A bounded queue with one receiver.
struct Queue<T> {
    bound: usize,
    held: Mutex<Held<T>>,
    changed: Condvar,
}

struct Held<T> {
    waiting: VecDeque<T>,
    /// Senders that have a place in the queue and have not put anything there: tokio's come to it in two steps.
    places: usize,
    senders: usize,
    closed: bool,
    wakers: Vec<Waker>,
}

impl<T> Queue<T> {
    fn new(bound: usize) -> Arc<Queue<T>> {
        let held = Held { waiting: VecDeque::new(), places: 0, senders: 1, closed: false, wakers: Vec::new() };
        Arc::new(Queue { bound, held: Mutex::new(held), changed: Condvar::new() })
    }

    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is taken any more; gives what nobody will receive.
    fn close(&self, drain: bool) -> VecDeque<T> {
        let mut held = self.held();
        held.closed = true;
        held.wakers.drain(..).for_each(Waker::wake);
        self.changed.notify_all();
        if drain { std::mem::take(&mut held.waiting) } else { VecDeque::new() }
    }

    fn leave(&self) {
        let mut held = self.held();
        held.senders -= 1;
        held.wakers.drain(..).for_each(Waker::wake);
        drop(held);
        self.changed.notify_all();
    }

    /// `None` when there is nothing now: then whether anything may come.
    fn take(&self, held: &mut Held<T>) -> Result<T, bool> {
        match held.waiting.pop_front() {
            Some(value) => {
                held.wakers.drain(..).for_each(Waker::wake);
                self.changed.notify_all();
                Ok(value)
            }
            None => Err(held.senders > 0 && !(held.closed && held.places == 0)),
        }
    }

    fn receive(&self) -> Option<T> {
        let mut held = self.held();
        loop {
            match self.take(&mut held) {
                Ok(value) => return Some(value),
                Err(false) => return None,
                Err(true) => held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// As `std::sync::mpsc`.
pub(in crate::ledger) mod threads {
    use std::sync::Arc;
    use std::time::Duration;

    use shuttle::rand::{Rng, thread_rng};

    use super::{PoisonError, Queue, thread};

    pub(in crate::ledger) use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TrySendError};

    pub(in crate::ledger) struct SyncSender<T>(Arc<Queue<T>>);
    pub(in crate::ledger) struct Receiver<T>(Arc<Queue<T>>);

    pub(in crate::ledger) fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
        let queue = Queue::new(bound);
        (SyncSender(Arc::clone(&queue)), Receiver(queue))
    }

    impl<T> SyncSender<T> {
        pub(in crate::ledger) fn send(&self, value: T) -> Result<(), SendError<T>> {
            let mut held = self.0.held();
            while !held.closed && held.waiting.len() >= self.0.bound {
                held = self.0.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
            }
            if held.closed {
                return Err(SendError(value));
            }
            held.waiting.push_back(value);
            self.0.changed.notify_all();
            Ok(())
        }

        pub(in crate::ledger) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
            let mut held = self.0.held();
            if held.closed {
                return Err(TrySendError::Disconnected(value));
            }
            if held.waiting.len() >= self.0.bound {
                return Err(TrySendError::Full(value));
            }
            held.waiting.push_back(value);
            self.0.changed.notify_all();
            Ok(())
        }
    }

    impl<T> Drop for SyncSender<T> {
        fn drop(&mut self) {
            self.0.leave();
        }
    }

    impl<T> Receiver<T> {
        pub(in crate::ledger) fn recv(&self) -> Result<T, RecvError> {
            self.0.receive().ok_or(RecvError)
        }

        /// Less than a second may be over at any time, more never is.
        pub(in crate::ledger) fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
            if timeout >= Duration::from_secs(1) {
                return self.recv().map_err(|_| RecvTimeoutError::Disconnected);
            }
            loop {
                match self.0.take(&mut self.0.held()) {
                    Ok(value) => return Ok(value),
                    Err(false) => return Err(RecvTimeoutError::Disconnected),
                    Err(true) if thread_rng().r#gen() => return Err(RecvTimeoutError::Timeout),
                    Err(true) => thread::yield_now(),
                }
            }
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            drop(self.0.close(true));
        }
    }
}

/// As `tokio::sync::mpsc`.
pub(in crate::ledger) mod tasks {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::{Poll, Waker};

    use super::Queue;

    pub(in crate::ledger) use tokio::sync::mpsc::error;

    pub(in crate::ledger) struct Sender<T>(Arc<Queue<T>>);
    pub(in crate::ledger) struct Receiver<T>(Arc<Queue<T>>);

    pub(in crate::ledger) fn channel<T>(bound: usize) -> (Sender<T>, Receiver<T>) {
        let queue = Queue::new(bound);
        (Sender(Arc::clone(&queue)), Receiver(queue))
    }

    impl<T> Sender<T> {
        pub(in crate::ledger) async fn send(&self, value: T) -> Result<(), error::SendError<T>> {
            let place = poll_fn(|context| {
                let mut held = self.0.held();
                if held.closed {
                    return Poll::Ready(false);
                }
                if held.waiting.len() + held.places >= self.0.bound {
                    held.wakers.push(context.waker().clone());
                    return Poll::Pending;
                }
                held.places += 1;
                Poll::Ready(true)
            });
            if !place.await {
                return Err(error::SendError(value));
            }
            self.put(value);
            Ok(())
        }

        pub(in crate::ledger) fn try_send(&self, value: T) -> Result<(), error::TrySendError<T>> {
            {
                let mut held = self.0.held();
                if held.closed {
                    return Err(error::TrySendError::Closed(value));
                }
                if held.waiting.len() + held.places >= self.0.bound {
                    return Err(error::TrySendError::Full(value));
                }
                held.places += 1;
            }
            self.put(value);
            Ok(())
        }

        pub(in crate::ledger) fn blocking_send(&self, value: T) -> Result<(), error::SendError<T>> {
            shuttle::future::block_on(self.send(value))
        }

        fn put(&self, value: T) {
            let mut held = self.0.held();
            held.places -= 1;
            held.waiting.push_back(value);
            held.wakers.drain(..).for_each(Waker::wake);
            self.0.changed.notify_all();
        }
    }

    impl<T> Clone for Sender<T> {
        fn clone(&self) -> Sender<T> {
            self.0.held().senders += 1;
            Sender(Arc::clone(&self.0))
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            self.0.leave();
        }
    }

    impl<T> Receiver<T> {
        pub(in crate::ledger) fn blocking_recv(&mut self) -> Option<T> {
            self.0.receive()
        }

        pub(in crate::ledger) async fn recv(&mut self) -> Option<T> {
            poll_fn(|context| {
                let mut held = self.0.held();
                match self.0.take(&mut held) {
                    Ok(value) => Poll::Ready(Some(value)),
                    Err(false) => Poll::Ready(None),
                    Err(true) => {
                        held.wakers.push(context.waker().clone());
                        Poll::Pending
                    }
                }
            })
            .await
        }

        pub(in crate::ledger) fn try_recv(&mut self) -> Result<T, bool> {
            self.0.take(&mut self.0.held())
        }

        pub(in crate::ledger) fn close(&mut self) {
            self.0.close(false);
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            drop(self.0.close(true));
        }
    }
}

/// As `tokio::sync::oneshot`.
pub(in crate::ledger) mod oneshot {
    use std::pin::Pin;
    use std::sync::{Arc, PoisonError};
    use std::task::{Context, Poll, Waker};

    use shuttle::sync::{Mutex, MutexGuard};

    struct Slot<T> {
        value: Option<T>,
        sender: bool,
        receiver: bool,
        waker: Option<Waker>,
    }

    struct Shared<T>(Mutex<Slot<T>>);

    impl<T> Shared<T> {
        fn slot(&self) -> MutexGuard<'_, Slot<T>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    pub(in crate::ledger) struct Sender<T>(Arc<Shared<T>>);
    pub(in crate::ledger) struct Receiver<T>(Arc<Shared<T>>);
    /// The sender is gone.
    #[derive(Debug)]
    pub(in crate::ledger) struct RecvError;

    pub(in crate::ledger) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let shared = Arc::new(Shared(Mutex::new(Slot { value: None, sender: true, receiver: true, waker: None })));
        (Sender(Arc::clone(&shared)), Receiver(shared))
    }

    impl<T> Sender<T> {
        pub(in crate::ledger) fn send(self, value: T) -> Result<(), T> {
            let mut slot = self.0.slot();
            if !slot.receiver {
                return Err(value);
            }
            slot.value = Some(value);
            Ok(())
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let mut slot = self.0.slot();
            slot.sender = false;
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    impl<T> Receiver<T> {
        pub(in crate::ledger) fn blocking_recv(self) -> Result<T, RecvError> {
            shuttle::future::block_on(self)
        }
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, RecvError>;

        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            let mut slot = self.0.slot();
            match slot.value.take() {
                Some(value) => Poll::Ready(Ok(value)),
                None if !slot.sender => Poll::Ready(Err(RecvError)),
                None => {
                    slot.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            self.0.slot().receiver = false;
        }
    }
}
