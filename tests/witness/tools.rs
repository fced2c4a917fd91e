//! Tools with an undo each, with a natural key, and with every kind of failure.

use super::{Verdict, Witness};
use safe_tool::prelude::*;
use std::sync::Arc;

pub(super) const ITEMS_CHANGE: Scope = Scope::new("items:change");

/// What the tools reach: the witness.
pub struct World(Arc<dyn Witness>);

impl World {
    /// A world seen by `witness`.
    pub fn new(witness: impl Witness) -> World {
        World(Arc::new(witness))
    }
}

/// An item as it is now.
#[derive(ToolOutput)]
pub(super) struct Item {
    /// Number of the effect.
    serial: u64,
    /// What is stored; made of the number, so that no two effects have the same.
    body: String,
}

/// A level as it is now.
#[derive(ToolOutput)]
pub(super) struct Level {
    /// Number of the effect.
    serial: u64,
}

#[derive(ToolError)]
pub(super) enum ItemError {
    #[tool_error(transient, "not now", effect = none)]
    NotNow,
    #[tool_error(transient, "no answer", effect = unknown)]
    Lost,
    #[tool_error(rejected, "never", stored)]
    Refused,
}

fn change(call: &Call<World>, tool: &str, id: &str) -> Result<u64, ItemError> {
    match call.state().0.effect(call.id(), tool, id) {
        Ok(Verdict::Done(serial)) => Ok(serial),
        Ok(Verdict::NotNow) => Err(ItemError::NotNow),
        Ok(Verdict::Refused) => Err(ItemError::Refused),
        Ok(Verdict::Lost) | Err(_) => Err(ItemError::Lost),
    }
}

fn item(serial: u64, bytes: u32) -> Item {
    let word = format!("{serial:016x}");
    Item { serial, body: word.chars().cycle().take(bytes as usize).collect() }
}

/// Puts an item.
#[safe_tool(effect = write, scope = ITEMS_CHANGE, key(id), undo = drop_item(id, bytes), timeout = "60s")]
pub(super) async fn put_item(
    call: Call<World>,
    /// The item.
    #[arg(target, pattern = "^[a-z0-9-]{1,40}$", example = "a-1")]
    id: String,
    /// Length of its body.
    #[arg(min = 1, max = 102400)]
    bytes: u32,
) -> Result<Item, ItemError> {
    change(&call, "put_item", &id).map(|serial| item(serial, bytes))
}

/// Drops an item.
#[safe_tool(effect = write, scope = ITEMS_CHANGE, key(id), undo = put_item(id, bytes), timeout = "60s")]
pub(super) async fn drop_item(
    call: Call<World>,
    /// The item.
    #[arg(target, pattern = "^[a-z0-9-]{1,40}$", example = "a-1")]
    id: String,
    /// Length of its body.
    #[arg(min = 1, max = 102400)]
    bytes: u32,
) -> Result<Item, ItemError> {
    change(&call, "drop_item", &id).map(|serial| item(serial, bytes))
}

/// Sets a level.
#[safe_tool(
    effect = write,
    scope = ITEMS_CHANGE,
    key = natural("it sets a value"),
    undo = by_hand("set the old value"),
    timeout = "60s",
)]
pub(super) async fn set_level(
    call: Call<World>,
    /// What has the level.
    #[arg(target, pattern = "^[a-z0-9-]{1,40}$", example = "a-1")]
    id: String,
    /// The level.
    #[arg(min = 0, max = 100)]
    level: u32,
) -> Result<Level, ItemError> {
    let _for_the_witness_alone = level;
    change(&call, "set_level", &id).map(|serial| Level { serial })
}
