#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

/// Reads.
#[safe_tool(effect = read, scope = LAB, timeout = "1s", timeout = "2s")]
async fn look(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key = client, undo = by_hand("undo it"), reconcile = find, reconcile = find)]
async fn write() -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
