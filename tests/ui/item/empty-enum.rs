#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
enum Target {}

fn main() {}
