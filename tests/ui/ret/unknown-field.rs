#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolOutput)]
#[output(empty_when = host)]
struct Found {
    /// Hosts.
    hosts: Page<String>,
}

fn main() {}
