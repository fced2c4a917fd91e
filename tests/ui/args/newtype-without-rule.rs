#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolInput)]
struct HostId(String);

fn main() {}
