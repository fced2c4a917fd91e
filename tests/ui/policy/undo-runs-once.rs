#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

/// Takes it back.
#[safe_tool(effect = write, scope = LAB, key(host), undo = by_hand("do it again"))]
async fn release(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

/// Takes it back, once an hour.
#[safe_tool(effect = write, scope = LAB, key(host, every = "1h"), undo = by_hand("do it again"))]
async fn unlock(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(host), undo = release(host))]
async fn look(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(host), undo = unlock(host))]
async fn lock(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
