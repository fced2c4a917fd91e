#![allow(unused_variables)]
use safe_tool::prelude::*;

#[derive(Credential)]
#[credential(audience = "https://edr.example", env = "EDR_TOKEN")]
struct EdrContain {
    token: String,
}

fn main() {}
