#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    Missing,
    #[tool_error(denied, "not yours", code = "MISSING")]
    Denied,
}

fn main() {}
