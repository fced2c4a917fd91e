#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
#[text(format = uuid)]
struct Window {
    /// Open.
    open: bool,
}

fn main() {}
