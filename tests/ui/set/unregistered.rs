#![deny(dead_code)]
#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

/// Reads too.
#[safe_tool(effect = read, scope = LAB)]
async fn taken() -> Result<Done, LabError> {
    Err(LabError::Missing)
}

/// Reads.
#[safe_tool(effect = read, scope = LAB)]
async fn look(
    /// Flag.
    flag: bool,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {
    drop(Server::read("lab", ()).tool::<taken>());
}
