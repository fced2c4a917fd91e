//! Shipping status: a value that is set. Setting it again is harmless, so its key is natural.

use super::Shop;
use super::words::{OrderId, OrdersError};
use safe_tool::prelude::*;

const ORDERS_SHIP: Scope = Scope::new("orders:ship");

/// Where an order is.
#[derive(ToolInput, ToolOutput, Clone, Copy)]
pub enum Shipping {
    /// In the warehouse, ready to go.
    Packed,
    /// On its way.
    Shipped,
    /// With the customer.
    Delivered,
}

impl Shipping {
    fn word(self) -> &'static str {
        match self {
            Shipping::Packed => "packed",
            Shipping::Shipped => "shipped",
            Shipping::Delivered => "delivered",
        }
    }
}

/// Sets where an order is.
#[safe_tool(
    effect = write,
    scope = ORDERS_SHIP,
    key = natural("it sets a value, and setting it again changes nothing"),
    undo = by_hand("set the status that the parcel service reports"),
)]
pub async fn set_shipping_status(
    call: Call<Shop>,
    /// The order.
    #[arg(target)]
    order_id: OrderId,
    /// Where it is.
    status: Shipping,
) -> Result<Done, OrdersError> {
    let set = "UPDATE orders SET shipping = ?1 WHERE id = ?2";
    let orders = &call.state().orders;
    let changed = orders.change(&call, move |shop| Ok(shop.execute(set, (status.word(), order_id.as_str()))?)).await?;
    if changed == 0 { Err(OrdersError::NoOrder) } else { Ok(Done) }
}
