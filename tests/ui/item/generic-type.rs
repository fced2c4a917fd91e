#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
struct Window<T> {
    /// Value.
    value: T,
}

fn main() {}
