#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

#[derive(ToolInput)]
#[text(free_text, max_len = 9)]
struct Wording(String);

/// Reads.
#[safe_tool(effect = read, scope = LAB)]
async fn look(
    /// Value.
    #[arg(target)]
    value: Wording,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
