#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolOutput)]
struct Found {
    /// Hosts.
    hosts: Page<String>,
    /// Users.
    users: Page<String>,
}

fn main() {}
