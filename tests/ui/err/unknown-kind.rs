#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolError)]
enum LabError {
    #[tool_error(notfound, "no such thing")]
    Missing,
}

fn main() {}
