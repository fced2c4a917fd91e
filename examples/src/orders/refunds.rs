//! Refunds: one row in one transaction, found by the action's key.

use super::Shop;
use super::words::{Note, OrderId, OrdersError};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use safe_tool::prelude::*;

const ORDERS_REFUND: Scope = Scope::new("orders:refund");

// A refusal over a limit is the answer to the order: it is `stored` under the key, so the same order with a smaller amount is
// a `conflict`, and nobody splits an amount that a person is to decide on.

/// What an agent may refund at once, in cents.
const MOST_AT_ONCE: u32 = 50_000;
/// What agents may refund within 24 hours, in cents.
const MOST_A_DAY: u32 = 100_000;

/// A refund.
#[derive(ToolOutput)]
pub struct Refund {
    /// Number of the refund in the books.
    refund: u32,
    /// What was paid back, in cents.
    cents: u32,
}

/// Pays money back to the customer of an order; once for each order.
///
/// Over the limit, a person decides: do not split the amount.
#[safe_tool(
    effect = write,
    scope = ORDERS_REFUND,
    key(order_id),
    undo = by_hand("charge the customer again, with their consent"),
    reconcile = find_refund,
    timeout = "20s",
)]
pub async fn refund_order(
    call: Call<Shop>,
    /// The order.
    #[arg(target)]
    order_id: OrderId,
    /// How much.
    #[arg(min = 1, max = 10_000_000, unit = "cents")]
    cents: u32,
    /// Why.
    note: Note,
) -> Result<Refund, OrdersError> {
    let (action, _for_the_ledger) = (call.action_key(), note);
    call.state().orders.change(&call, move |shop| pay_back(shop, &action, &order_id, cents)).await
}

/// The row that carries the key is the refund of this very action, whatever became of the call that wrote it.
async fn find_refund(call: Call<Shop>, _: OrderId, _: u32, _: Note) -> Result<Reconciled<Refund>, OrdersError> {
    let action = call.action_key();
    let found = call.state().orders.look(&call, move |shop| refund_of(shop, &action)).await?;
    Ok(found.map_or(Reconciled::NotApplied, Reconciled::Applied))
}

/// Books a refund under a key, within the limits; the one that carries the key already, if there is one.
pub(super) fn pay_back(
    shop: &Transaction<'_>,
    action: &str,
    order: &OrderId,
    cents: u32,
) -> Result<Refund, OrdersError> {
    if let Some(refund) = refund_of(shop, action)? {
        return Ok(refund);
    }
    let left = super::order::order(shop, order)?.left_cents;
    if cents > left {
        return Err(OrdersError::RefundExceedsPayment { left });
    }
    let day = "SELECT coalesce(sum(cents), 0) FROM refunds WHERE at > unixepoch() - 86400";
    let today: u32 = shop.query_row(day, [], |row| row.get(0))?;
    for (already, limit, per) in [(0, MOST_AT_ONCE, "at once"), (today, MOST_A_DAY, "within 24 hours")] {
        if already.saturating_add(cents) > limit {
            return Err(OrdersError::RefundExceedsLimit { cents, limit, per });
        }
    }
    let book = "INSERT INTO refunds (action, order_id, cents) VALUES (?1, ?2, ?3) RETURNING id, cents";
    Ok(shop.query_row(book, (action, order.as_str(), cents), Refund::read)?)
}

/// The refund that carries a key.
pub(super) fn refund_of(shop: &Connection, action: &str) -> Result<Option<Refund>, OrdersError> {
    Ok(shop.query_row("SELECT id, cents FROM refunds WHERE action = ?1", [action], Refund::read).optional()?)
}

impl Refund {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Refund { refund: row.get(0)?, cents: row.get(1)? })
    }

    /// What was paid back, in cents.
    pub(super) fn cents(&self) -> u32 {
        self.cents
    }
}
