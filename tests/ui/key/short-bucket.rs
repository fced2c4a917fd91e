#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(host, every = "59s"), undo = by_hand("undo it"))]
async fn look(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(host, every = "5m"), timeout = "3m", undo = by_hand("undo it"))]
async fn slow(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(host, every = "1m"), undo = by_hand("undo it"))]
async fn long_enough(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
