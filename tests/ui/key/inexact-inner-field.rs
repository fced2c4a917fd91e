#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

#[derive(ToolInput)]
struct Order {
    /// Number.
    #[arg(min = 1, max = 9)]
    number: u32,
    /// Remark.
    #[arg(free_text, max_len = 50)]
    note: String,
    /// Share.
    #[arg(min = 0, max = 1)]
    share: f64,
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(order.note), undo = by_hand("undo it"))]
async fn look(
    /// Order.
    order: Order,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
