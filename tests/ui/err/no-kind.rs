#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolError)]
enum LabError {
    Missing,
}

fn main() {}
