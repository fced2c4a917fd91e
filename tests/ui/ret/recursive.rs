#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolOutput)]
struct Node {
    /// Children.
    children: Page<Node>,
}

fn main() {}
