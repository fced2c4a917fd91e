#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
enum Target {
    /// Host.
    Host {
        /// Kind.
        kind: bool,
    },
}

fn main() {}
