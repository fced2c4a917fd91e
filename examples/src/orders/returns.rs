//! A return: three steps in two databases, and no transaction spans them.
//!
//! Each step is idempotent by itself: it is keyed by the order, under a unique constraint of its own database, so whoever comes
//! to it again finds it done. After a crash anywhere in between the action is in doubt. `reconcile` looks at every step: all
//! of them done is `Applied`, and anything less `NotApplied`, which lets the next call run the body again. It does what is missing.

use super::Shop;
use super::order::order;
use super::words::{OrderId, OrdersError, TicketId};
use super::{refunds, tickets};
use rusqlite::{Connection, OptionalExtension, Transaction};
use safe_tool::prelude::*;

const ORDERS_RETURN: Scope = Scope::new("orders:return");

/// An order that came back.
#[derive(ToolOutput)]
pub struct Return {
    /// What was paid back, in cents.
    cents: u32,
    /// Pieces that are back in stock.
    pieces: u32,
    /// The ticket under which a person inspects them.
    ticket: TicketId,
}

/// Takes an order back: refunds what is left of it, puts its pieces back in stock, and opens a ticket to inspect them.
#[safe_tool(
    effect = write,
    scope = ORDERS_RETURN,
    key(order_id),
    undo = by_hand("charge the customer again, take the pieces out of stock, close the ticket"),
    reconcile = find_return,
    timeout = "20s",
)]
pub async fn return_order(
    call: Call<Shop>,
    /// The order.
    #[arg(target)]
    order_id: OrderId,
) -> Result<Return, OrdersError> {
    let Shop { orders, warehouse } = call.state();
    // The steps are the order's and not the call's: any call for this return goes on where the last one stopped.
    let step = step(&order_id);

    let (id, key) = (order_id.clone(), step.clone());
    let (cents, order) = orders
        .change(&call, move |shop| {
            let order = order(shop, &id)?;
            Ok((refunds::pay_back(shop, &key, &id, order.left_cents)?.cents(), order))
        })
        .await?;

    // From here on something has happened, so no error may say that nothing did.
    let id = order_id.clone();
    let pieces = order.pieces;
    warehouse
        .change(&call, move |stock| restock(stock, &id, &order.item, pieces))
        .await
        .map_err(OrdersError::midway)?;

    let ticket =
        orders.change(&call, move |shop| inspect(shop, &step, &order_id)).await.map_err(OrdersError::midway)?;
    Ok(Return { cents, pieces, ticket })
}

/// Looks up what each step left behind.
async fn find_return(call: Call<Shop>, order_id: OrderId) -> Result<Reconciled<Return>, OrdersError> {
    let Shop { orders, warehouse } = call.state();
    let step = step(&order_id);
    let booked =
        orders.look(&call, move |shop| Ok((refunds::refund_of(shop, &step)?, ticket_of(shop, &step)?))).await?;
    let stocked = warehouse.look(&call, move |stock| restocked(stock, &order_id)).await?;
    Ok(match (booked, stocked) {
        ((Some(refund), Some(ticket)), Some(pieces)) => {
            Reconciled::Applied(Return { cents: refund.cents(), pieces, ticket })
        }
        _ => Reconciled::NotApplied,
    })
}

fn step(order_id: &OrderId) -> String {
    format!("return of {order_id}")
}

fn restock(stock: &Transaction<'_>, order_id: &OrderId, item: &str, pieces: u32) -> Result<(), OrdersError> {
    let once = "INSERT INTO restocked (order_id, pieces) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    if stock.execute(once, (order_id.as_str(), pieces))? == 1 {
        stock.execute("UPDATE stock SET pieces = pieces + ?1 WHERE item = ?2", (pieces, item))?;
    }
    Ok(())
}

fn restocked(stock: &Connection, order_id: &OrderId) -> Result<Option<u32>, OrdersError> {
    let pieces = "SELECT pieces FROM restocked WHERE order_id = ?1";
    Ok(stock.query_row(pieces, [order_id.as_str()], |row| row.get(0)).optional()?)
}

fn inspect(shop: &Transaction<'_>, step: &str, order_id: &OrderId) -> Result<TicketId, OrdersError> {
    match ticket_of(shop, step)? {
        Some(ticket) => Ok(ticket),
        None => tickets::open(shop, step, order_id, "return"),
    }
}

/// The ticket of a return, which a person may have closed by now.
fn ticket_of(shop: &Connection, step: &str) -> Result<Option<TicketId>, OrdersError> {
    let ticket = "SELECT id FROM tickets WHERE action = ?1";
    Ok(shop.query_row(ticket, [step], |row| row.get(0).map(TicketId)).optional()?)
}
