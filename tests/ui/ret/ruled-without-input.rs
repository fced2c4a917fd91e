#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(ToolOutput)]
#[text(format = uuid)]
struct Id(String);

fn main() {}
