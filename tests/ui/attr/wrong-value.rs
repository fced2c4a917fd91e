#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

/// Reads.
#[safe_tool(effect = read, scope = LAB, timeout = 30)]
async fn look(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key = client, undo = by_hand("undo it"), reconcile = find())]
async fn called() -> Result<Done, LabError> {
    Ok(Done)
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key = client, undo = by_hand("undo it"), reconcile(find))]
async fn listed() -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
