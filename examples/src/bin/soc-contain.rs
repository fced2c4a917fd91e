//! `soc-contain [--http ADDRESS]`: the write server of the security pair.

use safe_tool_examples::soc::{Reached, contain};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    contain::run(Reached::from_args(std::env::args().skip(1))?).await
}
