#![allow(unused_variables)]
use safe_tool::prelude::*;

#[safe_tool(effect = read)]
struct Look;

fn main() {}
