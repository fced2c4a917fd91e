//! What the shop knows of an order.

use super::words::{OrderId, OrdersError};
use rusqlite::{Connection, OptionalExtension};

/// A row of `orders`.
pub(super) struct Order {
    /// What was paid and not paid back yet, in cents.
    pub(super) left_cents: u32,
    pub(super) item: String,
    pub(super) pieces: u32,
}

/// The order of an id.
pub(super) fn order(shop: &Connection, id: &OrderId) -> Result<Order, OrdersError> {
    let order =
        "SELECT paid_cents - (SELECT coalesce(sum(cents), 0) FROM refunds WHERE order_id = orders.id), item, pieces
                 FROM orders WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok(Order { left_cents: row.get(0)?, item: row.get(1)?, pieces: row.get(2)? });
    shop.query_row(order, [id.as_str()], read).optional()?.ok_or(OrdersError::NoOrder)
}
