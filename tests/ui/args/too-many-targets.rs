#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

/// Looks.
#[safe_tool(effect = read, scope = LAB)]
async fn look(
    /// One.
    #[arg(target, pattern = "^[a-z]{1,9}$")]
    tenant: String,
    /// One.
    #[arg(target, pattern = "^[a-z]{1,9}$")]
    cluster: String,
    /// One.
    #[arg(target, pattern = "^[a-z]{1,9}$")]
    namespace: String,
    /// One.
    #[arg(target, pattern = "^[a-z]{1,9}$")]
    service: String,
    /// One.
    #[arg(target, pattern = "^[a-z]{1,9}$")]
    replica: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
