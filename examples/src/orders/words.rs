//! The words that the tools share.

use safe_tool::prelude::*;

/// An order of the shop.
#[derive(ToolInput, ToolOutput, Clone)]
#[text(pattern = "^ord-[0-9]{1,9}$", example = "ord-1001")]
pub struct OrderId(String);

/// A ticket of the support desk.
#[derive(ToolInput, ToolOutput, Clone, Copy)]
#[number(min = 1, max = 4_294_967_295, example = 7)]
pub struct TicketId(pub(super) u32);

/// A note in a person's words.
#[derive(ToolInput)]
#[text(free_text, max_len = 500)]
pub struct Note(String);

/// Why nothing was done, or why it is not known.
#[derive(ToolError)]
pub enum OrdersError {
    /// The order is not there.
    #[tool_error(not_found, "there is no order of this id")]
    NoOrder,
    /// The ticket is not there.
    #[tool_error(not_found, "there is no ticket of this id")]
    NoTicket,
    /// More than an agent may refund.
    #[tool_error(
        rejected,
        "a refund of {cents} cents is over the limit of {limit} cents {per}",
        suggest = "route_to_human_approval",
        stored
    )]
    RefundExceedsLimit {
        /// What was asked for.
        cents: u32,
        /// What may be refunded.
        limit: u32,
        /// Counted how.
        per: &'static str,
    },
    /// More than the customer paid.
    #[tool_error(rejected, "of this order, {left} cents are left to refund")]
    RefundExceedsPayment {
        /// What is left.
        left: u32,
    },
    /// Nothing was changed.
    #[tool_error(unavailable, "the database takes no changes now", effect = none, retry_after = "2s")]
    Unavailable {
        /// What SQLite says.
        #[detail]
        cause: rusqlite::Error,
    },
    /// A change may have happened, or a part of it.
    #[tool_error(transient, "the database failed while it made the change", effect = unknown)]
    Lost {
        /// What is known.
        #[detail]
        cause: String,
    },
}

impl OrdersError {
    /// From here on nobody knows whether it happened.
    pub(super) fn lost(cause: impl std::fmt::Display) -> Self {
        OrdersError::Lost { cause: cause.to_string() }
    }

    /// The error of a step behind another: what did not happen here is not all of it.
    pub(super) fn midway(self) -> Self {
        match self {
            OrdersError::Unavailable { cause } => OrdersError::lost(cause),
            other => other,
        }
    }
}

/// Before the commit: the transaction is rolled back.
impl From<rusqlite::Error> for OrdersError {
    fn from(cause: rusqlite::Error) -> Self {
        OrdersError::Unavailable { cause }
    }
}
