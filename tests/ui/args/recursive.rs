#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
struct Node {
    /// Children.
    #[arg(max_items = 2)]
    children: Vec<Node>,
}

fn main() {}
