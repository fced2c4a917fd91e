#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

#[derive(ToolInput)]
#[text(free_text, max_len = 9)]
struct Remark(String);

#[derive(ToolInput)]
struct Login {
    /// Code.
    #[arg(pattern = "^[a-z]{1,9}$", sensitive)]
    code: String,
}

#[derive(ToolInput)]
struct Order {
    /// Login.
    login: Option<Login>,
}

/// Takes it back.
#[safe_tool(effect = write, scope = LAB, key = natural("it stays back"), undo = by_hand("do it again"))]
async fn release(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
    /// Remarks.
    #[arg(max_items = 3)]
    notes: Vec<Remark>,
    /// Order.
    order: Order,
) -> Result<Done, LabError> {
    let _ = (host, notes, order);
    Ok(Done)
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(host), undo = release(host, notes, order))]
async fn look(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
    /// Remarks.
    #[arg(max_items = 3)]
    notes: Vec<Remark>,
    /// Order.
    order: Order,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
