#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
}

struct App;

/// Reads.
#[safe_tool(effect = read, scope = LAB)]
async fn look(app: &App) -> Result<Done, LabError> {
    let _ = app;
    Ok(Done)
}

fn main() {}
