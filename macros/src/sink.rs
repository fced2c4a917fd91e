//! Where refusals go: all of them at once, and known by the part of the input they are in.
//!
//! A part is built only when its own [`Sink`] is clean, so one mistake does not bring further errors about
//! values that do not exist. A sink borrows the store, so nothing is pushed after the store was collected.

use std::cell::{Cell, RefCell};
use syn::Error;

/// The refusals of one expansion; panics when dropped without [`finish`](Errors::finish).
#[derive(Default)]
pub(crate) struct Errors {
    list: RefCell<Vec<Error>>,
    finished: bool,
}

impl Errors {
    /// The sink of the whole input.
    pub(crate) fn sink(&self) -> Sink<'_> {
        Sink { errors: self, parent: None, failed: Cell::new(false) }
    }

    /// Ends the collection.
    pub(crate) fn finish(mut self) -> Vec<Error> {
        self.finished = true;
        self.list.take()
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        // Forgotten refusals would be an unsafe tool that builds.
        assert!(self.finished || std::thread::panicking(), "refusals were dropped unread");
    }
}

/// Takes the refusals of one part of the input.
pub(crate) struct Sink<'a> {
    errors: &'a Errors,
    parent: Option<&'a Sink<'a>>,
    failed: Cell<bool>,
}

impl<'a> Sink<'a> {
    /// A sink for a smaller part; what it takes counts for this one too.
    pub(crate) fn part(&'a self) -> Sink<'a> {
        Sink { errors: self.errors, parent: Some(self), failed: Cell::new(false) }
    }

    /// Takes a refusal.
    pub(crate) fn push(&self, error: Error) {
        self.errors.list.borrow_mut().push(error);
        let mut sink = Some(self);
        while let Some(part) = sink {
            part.failed.set(true);
            sink = part.parent;
        }
    }

    /// Takes the refusal of a result, if it is one.
    pub(crate) fn take<T>(&self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Whether this part holds a refusal.
    pub(crate) fn failed(&self) -> bool {
        self.failed.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    #[test]
    fn a_failed_part_fails_its_whole_and_not_its_neighbour() {
        let errors = Errors::default();
        {
            let whole = errors.sink();
            let (left, right) = (whole.part(), whole.part());
            left.push(Error::new(Span::call_site(), "no"));
            assert!(left.failed() && whole.failed() && !right.failed());
        }
        assert_eq!(errors.finish().len(), 1);
    }

    #[test]
    #[should_panic(expected = "refusals were dropped unread")]
    fn unread_refusals_are_noticed() {
        drop(Errors::default());
    }
}
