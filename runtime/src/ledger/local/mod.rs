//! The ledger in local files: a journal of JSON lines and the index that is derived from it.

pub(in crate::ledger) mod catch_up;
pub(in crate::ledger) mod committer;
pub(in crate::ledger) mod compare;
pub(in crate::ledger) mod guard;
pub(in crate::ledger) mod index;
pub(in crate::ledger) mod journal;
pub(in crate::ledger) mod open;
pub(crate) mod reader;
pub(in crate::ledger) mod retention;
pub(in crate::ledger) mod store;
