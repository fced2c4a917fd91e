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
    /// Number.
    #[arg(min = 1, max = 9)]
    number: u8,
    /// Remark.
    #[arg(free_text, max_len = 9)]
    note: Option<String>,
) -> Result<Done, LabError> {
    let _ = (host, number, note);
    Ok(Done)
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(host), undo = release(host, number = flag))]
async fn look(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
    /// Number.
    #[arg(min = 1, max = 9)]
    number: u8,
    /// Flag.
    flag: bool,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
