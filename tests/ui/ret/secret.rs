#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolOutput)]
struct Login {
    /// Token.
    token: Secret<()>,
}

fn main() {}
