//! Lists: always with a greatest length.

use super::{Decoder, Shape};
use schemars::Schema;

/// How long a list may be.
#[derive(Debug)]
pub struct ListRule {
    /// The least number of items.
    pub min_items: u32,
    /// The greatest number of items.
    pub max_items: u32,
    /// Whether no item may come twice.
    pub unique: bool,
}

impl ListRule {
    /// The schema of the rule over the shape of an item.
    pub fn schema(&self, item: &Shape) -> Schema {
        let mut schema = schemars::json_schema!({
            "type": "array",
            "items": item.schema(),
            "maxItems": self.max_items,
        });
        if self.min_items > 0 {
            schema.insert("minItems".to_owned(), self.min_items.into());
        }
        if self.unique {
            schema.insert("uniqueItems".to_owned(), true.into());
        }
        schema
    }
}

/// Decodes a list under a rule; `item` decodes one, `encode` tells whether two are the same.
pub fn list<T>(
    decoder: &mut Decoder<'_>,
    rule: &'static ListRule,
    item: fn(&mut Decoder<'_>) -> Option<T>,
    encode: fn(&T, &mut crate::writer::Writer<'_>),
) -> Option<Vec<T>> {
    let mut walk = decoder.items()?;
    let mut out = Vec::new();
    let mut count = 0u32;
    while decoder.item(&mut walk) {
        count = count.saturating_add(1);
        // What is beyond the limit is counted, not built.
        if count > rule.max_items {
            decoder.skip();
        } else if let Some(value) = item(decoder) {
            out.push(value);
        }
    }
    if count > rule.max_items {
        decoder.violation("maxItems", format!("at most {} items", rule.max_items), None);
        return None;
    }
    if count < rule.min_items {
        decoder.violation("minItems", format!("at least {} items", rule.min_items), None);
        return None;
    }
    if rule.unique {
        let mut texts: Vec<Vec<u8>> = out.iter().map(|value| crate::writer::plain(|w| encode(value, w))).collect();
        texts.sort_unstable();
        if texts.windows(2).any(|pair| pair.first() == pair.last()) {
            decoder.violation("uniqueItems", "no item twice", None);
            return None;
        }
    }
    (out.len() == count as usize).then_some(out)
}
