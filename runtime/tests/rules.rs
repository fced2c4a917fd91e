//! The rules of keys, repeats, subjects, owners and undo, from the macro through the pipeline to a ledger: what a caller is
//! answered, and what happens in the world.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "rules/approval.rs"]
mod approval;
mod common;
#[path = "rules/doubt.rs"]
mod doubt;
#[path = "rules/errors.rs"]
mod errors;
#[path = "rules/lab.rs"]
mod lab;
#[path = "rules/owner.rs"]
mod owner;
#[path = "rules/repeat.rs"]
mod repeat;
#[path = "rules/undo.rs"]
mod undo;
