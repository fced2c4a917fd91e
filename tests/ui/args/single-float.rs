#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

/// Reads.
#[safe_tool(effect = read, scope = LAB)]
async fn look(
    /// Value.
    #[arg(min = 0, max = 1)]
    value: f32,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
