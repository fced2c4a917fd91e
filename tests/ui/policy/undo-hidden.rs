#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

/// Takes it back.
#[safe_tool(effect = write, scope = LAB, key = natural("it stays back"), undo = by_hand("do it again"))]
async fn release(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
    /// Remarks.
    #[arg(max_items = 3, each(free_text, max_len = 9))]
    notes: Vec<String>,
) -> Result<Done, LabError> {
    let _ = (host, notes);
    Ok(Done)
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(number), undo = release(host = code, notes))]
async fn look(
    /// Number.
    #[arg(min = 1, max = 9)]
    number: u8,
    /// Code.
    #[arg(pattern = "^[a-z]{1,9}$", sensitive)]
    code: String,
    /// Remarks.
    #[arg(max_items = 3, each(free_text, max_len = 9))]
    notes: Vec<String>,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
