//! `orders [--http ADDRESS]`: the shop's desk, on the databases in the directory `ORDERS_DB`.

use safe_tool_examples::orders;
use safe_tool_examples::soc::Reached;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    orders::run(Reached::from_args(std::env::args().skip(1))?).await
}
