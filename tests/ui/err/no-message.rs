#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found)]
    Missing,
}

fn main() {}
