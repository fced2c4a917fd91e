#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing", retry_after = "5s")]
    Missing,
}

fn main() {}
