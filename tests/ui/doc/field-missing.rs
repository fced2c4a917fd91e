#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
struct Window {
    open: bool,
}

fn main() {}
