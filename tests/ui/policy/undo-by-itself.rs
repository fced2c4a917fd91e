#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(host), undo = look(host))]
async fn look(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

/// What was there before.
#[derive(ToolOutput)]
struct Before {
    /// Size.
    size: u8,
}

/// Scales.
#[safe_tool(effect = write, scope = LAB, key(host, size), undo = self::scale(host, size))]
async fn scale(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
    /// Size.
    #[arg(min = 1, max = 9)]
    size: u8,
) -> Result<Before, LabError> {
    Ok(Before { size: 1 })
}

/// Scales, and can go back.
#[safe_tool(effect = write, scope = LAB, key(host, size), undo = self::resize(host, size = out.size))]
async fn resize(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
    /// Size.
    #[arg(min = 1, max = 9)]
    size: u8,
) -> Result<Before, LabError> {
    Ok(Before { size: 1 })
}

fn main() {}
