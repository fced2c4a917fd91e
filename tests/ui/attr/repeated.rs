#![allow(unused_variables)]
use safe_tool::prelude::*;

const LAB: Scope = Scope::new("lab");

#[derive(ToolError)]
enum LabError {
    #[tool_error(not_found, "no such thing")]
    #[tool_error(denied, "not yours")]
    Missing,
}

fn main() {}
