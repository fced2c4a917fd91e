//! A shop's desk on a real SQL database: refunds, shipping status, tickets, and a return that takes several steps.
//!
//! The pattern to copy: **the database's unique constraint carries the action's key.** The ledger sees to it that an action runs
//! once; the constraint makes the effect itself refuse to happen twice, and `reconcile` finds the effect by the same key when a
//! crash came between it and its record. In the order in which they are best read:
//!
//! - [`refunds`]: one transaction that carries [`Call::action_key`](safe_tool::Call::action_key), its `reconcile`, and a limit
//!   as an error that the model can act on;
//! - [`shipping`]: a value that is set, which needs no key but a reason;
//! - [`tickets`]: an effect with an undo, whose key is free again when it was undone;
//! - [`returns`]: steps in two databases that no transaction spans. Each is idempotent by itself, keyed by the order.

mod database;
mod order;
pub mod refunds;
pub mod returns;
pub mod shipping;
pub mod tickets;
mod words;

use crate::soc::Reached;
use database::Database;
use safe_tool::Server;
use std::path::Path;

/// The state of the server: the shop's database and the warehouse's.
pub struct Shop {
    orders: Database,
    warehouse: Database,
}

impl Shop {
    /// Opens `shop.db` and `warehouse.db` in a directory, and fills new ones with a few orders.
    ///
    /// # Errors
    /// When SQLite cannot open them.
    pub fn open(directory: &Path) -> Result<Self, rusqlite::Error> {
        Ok(Shop {
            orders: Database::open(&directory.join("shop.db"), include_str!("shop.sql"))?,
            warehouse: Database::open(&directory.join("warehouse.db"), include_str!("warehouse.sql"))?,
        })
    }
}

/// Serves the tools on the databases in the directory `ORDERS_DB`.
///
/// # Errors
/// When the server does not start, or its transport fails.
pub async fn run(reached: Reached) -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::var_os("ORDERS_DB").ok_or("ORDERS_DB is not set: the directory of the databases")?;
    std::fs::create_dir_all(&directory)?;
    let server = Server::write("orders", Shop::open(Path::new(&directory))?)
        .version(env!("CARGO_PKG_VERSION"))
        .tool::<refunds::refund_order>()
        .tool::<shipping::set_shipping_status>()
        .tool::<tickets::create_ticket>()
        .tool::<tickets::close_ticket>()
        .tool::<returns::return_order>();
    match reached {
        Reached::Stdio => server.serve_stdio().await?,
        Reached::Http(address) => server.serve_http(address).await?,
    }
    Ok(())
}
