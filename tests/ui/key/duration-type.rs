#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

#[derive(ToolInput)]
#[text(format = duration)]
struct Length(String);

/// Writes.
#[safe_tool(effect = write, scope = LAB, key(host, length), undo = by_hand("undo it"))]
async fn look(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
    /// Length.
    length: Length,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
