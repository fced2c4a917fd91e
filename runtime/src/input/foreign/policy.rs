//! The rules of types whose author sets bounds with a policy.

use crate::input::TextRule;
use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// A `static` in a generic function is one for all its types, hence the map.
static RULES: RwLock<BTreeMap<TypeId, &'static TextRule>> = RwLock::new(BTreeMap::new());

/// The rule of `T`, of a pattern and an example that are made at its first use and kept for good, as a `static` would be.
pub(super) fn rule_of<T: 'static>(max_len: Option<u32>, make: impl FnOnce() -> (String, String)) -> &'static TextRule {
    let id = TypeId::of::<T>();
    if let Some(rule) = RULES.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return rule;
    }
    let mut rules = RULES.write().unwrap_or_else(PoisonError::into_inner);
    rules.entry(id).or_insert_with(|| {
        let (pattern, example) = make();
        Box::leak(Box::new(TextRule::new(Some(pattern.leak()), None, false, None, max_len, Some(example.leak()))))
    })
}
