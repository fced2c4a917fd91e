//! `soc-enrich [--http ADDRESS]`: the read server of the security pair.

use safe_tool_examples::soc::{Reached, enrich};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    enrich::run(Reached::from_args(std::env::args().skip(1))?).await
}
