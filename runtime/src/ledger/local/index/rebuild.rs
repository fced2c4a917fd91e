//! An action, whole, from the records that led to it: the same steps as when the journal is followed from its beginning.

use std::sync::Arc;

use super::super::super::action::{Action, Transition};
use super::super::super::error::LedgerError;
use super::super::super::record::{Parsed, parse};
use super::super::journal::{Near, Reader};

/// The action as the record `sequence` left it.
///
/// # Errors
/// The journal cannot be read; [`LedgerError::Inconsistent`] when its records do not lead to an action.
pub(super) fn rebuild(reader: &dyn Reader, sequence: u64, hint: Option<u64>) -> Result<Action, LedgerError> {
    let inconsistent = || LedgerError::Inconsistent { sequence };
    let mut steps = Vec::new();
    let mut near = Near { hint, before: None };
    let mut next = sequence;
    // What a repeat replaces counts until it ends with an effect.
    let mut replaced = true;
    loop {
        let found = reader.find(next, near).map_err(LedgerError::io("read a record of", "the journal"))?;
        let Ok(Parsed::Record(record, _)) = parse(&found.line) else { return Err(inconsistent()) };
        let supersedes = record.supersedes;
        let payload = found.payload.filter(|at| record.payload == Some(at.hash));
        let mut told = record.into_steps(payload).map_err(|_| inconsistent())?;
        let step = told.pop().filter(|_| told.is_empty()).ok_or_else(inconsistent)?;
        let began = match &step.change {
            Transition::Begin(beginning) => beginning.again_after.is_none() || !replaced,
            Transition::Complete { .. } | Transition::Fail { .. } => {
                replaced = false;
                false
            }
            Transition::Restore => {
                replaced = true;
                false
            }
            Transition::Decide(_) | Transition::Doubt { .. } => false,
            Transition::Leave => return Err(inconsistent()),
        };
        let repeats = matches!(step.change, Transition::Begin(_));
        steps.push(step);
        near = Near { hint: None, before: Some((next, found.begins)) };
        match supersedes {
            _ if began => break,
            Some(earlier) if earlier < next => next = earlier,
            // A repeat of what was known no longer.
            None if repeats => break,
            _ => return Err(inconsistent()),
        }
    }
    let mut action: Option<Arc<Action>> = None;
    for step in steps.into_iter().rev() {
        if action.as_ref().is_some_and(|action| action.key != step.key) {
            return Err(inconsistent());
        }
        action = step.apply(action)?.map(Arc::new);
    }
    action.map(Arc::unwrap_or_clone).ok_or_else(inconsistent)
}
