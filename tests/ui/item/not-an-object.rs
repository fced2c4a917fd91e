#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
struct Window(u32, u32);

fn main() {}
