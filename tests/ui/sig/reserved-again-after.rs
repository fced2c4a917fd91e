#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(again_after), undo = by_hand("undo it"), repeat = explicit)]
async fn look(
    /// Call.
    #[arg(pattern = "^[a-z]{1,9}$")]
    again_after: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(again_after), undo = by_hand("undo it"))]
async fn once(
    /// Call.
    #[arg(pattern = "^[a-z]{1,9}$")]
    again_after: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
