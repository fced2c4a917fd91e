#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

/// Reads.
#[safe_tool(effect = read, scope = LAB, reconcile = find_host)]
async fn look(
    /// Host.
    #[arg(pattern = "^[a-z]{1,9}$")]
    host: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

async fn find_host(host: String) -> Result<Reconciled<Done>, LabError> {
    Ok(Reconciled::NotApplied)
}

fn main() {}
