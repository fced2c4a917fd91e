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
    #[arg(pattern = "[a-z]+", max_len = 9)]
    anchors: String,
    /// B.
    #[arg(pattern = "^\\d{6}$")]
    digits: String,
    /// C.
    #[arg(pattern = "^(?i)[a-z]{6}$")]
    flags: String,
    /// D.
    #[arg(pattern = "^\\p{L}{6}$")]
    unicode: String,
    /// E.
    #[arg(pattern = "^[a-z$")]
    broken: String,
) -> Result<Done, LabError> {
    Ok(Done)
}

fn main() {}
