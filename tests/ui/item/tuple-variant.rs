#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
enum Target {
    /// All.
    All,
    /// One host.
    Host(bool),
}

fn main() {}
