//! Tickets: an effect with an undo. The answer to `create_ticket` carries the ready call of `close_ticket`.

use super::Shop;
use super::words::{Note, OrderId, OrdersError, TicketId};
use rusqlite::{Connection, OptionalExtension, Transaction};
use safe_tool::prelude::*;

const TICKETS_WRITE: Scope = Scope::new("tickets:write");

/// What a ticket is about.
#[derive(ToolInput, Clone, Copy)]
pub enum Topic {
    /// It did not arrive.
    Missing,
    /// It arrived broken.
    Damaged,
    /// Something else.
    Other,
}

impl Topic {
    fn word(self) -> &'static str {
        match self {
            Topic::Missing => "missing",
            Topic::Damaged => "damaged",
            Topic::Other => "other",
        }
    }
}

/// An open ticket.
#[derive(ToolOutput)]
pub struct Ticket {
    /// Number of the ticket.
    ticket: TicketId,
}

/// Opens a ticket, so that a person looks at an order.
#[safe_tool(
    effect = write,
    scope = TICKETS_WRITE,
    key(order_id, topic),
    undo = close_ticket(ticket = out.ticket),
)]
pub async fn create_ticket(
    call: Call<Shop>,
    /// The order.
    #[arg(target)]
    order_id: OrderId,
    /// What it is about.
    topic: Topic,
    /// What a person should know.
    note: Note,
) -> Result<Ticket, OrdersError> {
    let (action, _for_the_ledger) = (call.action_key(), note);
    let ticket = call.state().orders.change(&call, move |shop| open(shop, &action, &order_id, topic.word())).await?;
    Ok(Ticket { ticket })
}

/// Closes a ticket.
#[safe_tool(
    effect = write,
    scope = TICKETS_WRITE,
    key(ticket),
    undo = by_hand("open the ticket again at the support desk"),
    repeat = explicit,
)]
pub async fn close_ticket(
    call: Call<Shop>,
    /// The ticket.
    #[arg(target)]
    ticket: TicketId,
) -> Result<Done, OrdersError> {
    let close = "UPDATE tickets SET open = FALSE WHERE id = ?1";
    let changed = call.state().orders.change(&call, move |shop| Ok(shop.execute(close, [ticket.get()])?)).await?;
    if changed == 0 { Err(OrdersError::NoTicket) } else { Ok(Done) }
}

/// Opens a ticket under a key; the open one that carries the key already, if there is one.
pub(super) fn open(
    shop: &Transaction<'_>,
    action: &str,
    order: &OrderId,
    topic: &str,
) -> Result<TicketId, OrdersError> {
    if let Some(ticket) = open_ticket_of(shop, action)? {
        return Ok(ticket);
    }
    // The foreign key would refuse it too, and say less.
    super::order::order(shop, order)?;
    let add = "INSERT INTO tickets (action, order_id, topic) VALUES (?1, ?2, ?3) RETURNING id";
    Ok(shop.query_row(add, (action, order.as_str(), topic), |row| row.get(0).map(TicketId))?)
}

/// The open ticket that carries a key.
pub(super) fn open_ticket_of(shop: &Connection, action: &str) -> Result<Option<TicketId>, OrdersError> {
    let ticket = "SELECT id FROM tickets WHERE action = ?1 AND open";
    Ok(shop.query_row(ticket, [action], |row| row.get(0).map(TicketId)).optional()?)
}
