#![allow(unused_variables)]
use safe_tool::prelude::*;

#[safe_tool(effect = raed, timeout = "soon", rtry = 3, key = natrual("why"), name = "Look!")]
fn look<T>(
    host: &str,
    /// Text.
    text: String,
    (a, b): (bool, bool),
) {
}

fn main() {}
