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
    /// A.
    #[arg(min = 10, max = 1)]
    a: u32,
    /// B.
    #[arg(free_text, min_len = 10, max_len = 1)]
    b: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
