#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
enum Zone {
    /// Offices.
    Office,
    Dmz,
}

fn main() {}
