//! The ledger in a real Postgres: equal to the others, shared by servers, through every kind of outage.
//!
//! Postgres is started from the binaries that are installed. On CI they are there; elsewhere their lack is said loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "postgres/clocks.rs"]
mod clocks;
#[path = "postgres/database.rs"]
mod database;
#[path = "postgres/encrypted.rs"]
mod encrypted;
#[path = "postgres/equal.rs"]
mod equal;
#[path = "postgres/failover.rs"]
mod failover;
#[path = "postgres/figures.rs"]
mod figures;
#[path = "postgres/late.rs"]
mod late;
#[path = "postgres/life.rs"]
mod life;
#[path = "postgres/load.rs"]
mod load;
#[path = "postgres/operator.rs"]
mod operator;
#[path = "postgres/outages.rs"]
mod outages;
#[path = "postgres/proxy.rs"]
mod proxy;
#[path = "postgres/refused.rs"]
mod refused;
#[path = "operate/run.rs"]
mod run;
#[path = "postgres/servers.rs"]
mod servers;
#[path = "postgres/tamper.rs"]
mod tamper;
#[path = "postgres/unanswered.rs"]
mod unanswered;
#[path = "postgres/witness.rs"]
mod witness;
