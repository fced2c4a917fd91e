//! `safe-tool-test-server ROLE [--http ADDRESS]`: one of the security pair, the shop's desk, or the tour, for tests to start and kill.

use safe_tool_examples::orders;
use safe_tool_examples::soc::{Reached, contain, enrich};
use safe_tool_examples::tour;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let role = args.next();
    let reached = Reached::from_args(args)?;
    match role.as_deref() {
        Some("soc-enrich") => enrich::run(reached).await,
        Some("soc-contain") => contain::run(reached).await,
        Some("orders") => orders::run(reached).await,
        Some("tour") => match tour::run().await {
            Ok(true) => Ok(()),
            Ok(false) => Err("a promise was broken".into()),
            Err(error) => Err(error.to_string().into()),
        },
        _ => Err("expected `soc-enrich`, `soc-contain`, `orders` or `tour`".into()),
    }
}
