#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(Credential)]
#[credential(env = "EDR_TOKEN")]
struct EdrContain;

fn main() {}
