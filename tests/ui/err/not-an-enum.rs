#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolError)]
struct LabError;

fn main() {}
