//! The requests to the committer of a shared ledger, and their results.

use super::super::action::{Action, Version};
use super::super::error::LedgerError;
use super::super::front::{Answer, Operation as Asked, reply};
use super::super::hash::Hash;
use super::super::subject::{Slot, touching};
use super::super::{Asked as Approval, Claimed, Outcome, Settled};

/// A request to the committer of a shared ledger. It is kept until it is answered, because its batch may be decided again.
pub(super) type Operation = Asked<Own>;

/// A request that only a shared ledger has.
pub(super) enum Own {
    /// Looks up an action that another server had started, and puts it in doubt if that server is dead.
    Examine(Hash, Option<Answer<Option<Action>>>),
    /// Frees the key of a claim that was recorded although its caller was told that nothing runs.
    NeverRan(Hash, Version),
    /// Puts the started actions of dead servers in doubt.
    PresumeDead(Answer<()>),
}

/// The decision on an operation.
pub(super) enum Decided {
    Claimed(Result<Claimed, LedgerError>),
    Asked(Result<Approval, LedgerError>),
    Settled(Result<Settled, LedgerError>),
    Examined(Option<Box<Action>>),
    Nothing,
}

/// Collects the keys of the rows that `operation` needs.
pub(super) fn keys(operation: &Operation, keys: &mut Vec<Hash>) {
    keys.extend(operation.key());
    if let Operation::Own(Own::Examine(key, _) | Own::NeverRan(key, _)) = operation {
        keys.push(*key);
    }
}

/// Collects the slots of the subjects that `operation` names.
pub(super) fn slots(operation: &Operation, slots: &mut Vec<Slot>) {
    match operation {
        Operation::Claim(claim, _) => slots.extend(touching(&claim.subjects)),
        Operation::Ask(ask, _) => slots.extend(touching(&ask.claim.subjects)),
        Operation::Settle(settle, _) => {
            if let Outcome::Completed { subjects, .. } = &settle.outcome {
                slots.extend(touching(subjects));
            }
        }
        Operation::Decide(..) | Operation::Note(..) | Operation::Tick | Operation::Close(_) | Operation::Own(_) => {}
    }
}

/// True for an operation that must be recorded even if its caller no longer waits: it is held while there is no connection.
pub(super) fn is_held(operation: &Operation) -> bool {
    matches!(operation, Operation::Settle(..) | Operation::Note(..) | Operation::Own(Own::NeverRan(..)))
}

/// Answers the caller with the decision, which is durable now.
pub(super) fn answer(operation: Operation, decided: Decided) {
    match (operation, decided) {
        (Operation::Claim(_, answer), Decided::Claimed(claimed)) => reply(answer, claimed),
        (Operation::Ask(_, answer), Decided::Asked(asked)) => reply(answer, asked),
        (Operation::Decide(_, answer), Decided::Settled(settled))
        | (Operation::Settle(_, Some(answer)), Decided::Settled(settled)) => reply(answer, settled),
        (Operation::Own(Own::Examine(_, Some(answer))), Decided::Examined(action)) => {
            reply(answer, Ok(action.map(|action| *action)))
        }
        _ => {}
    }
}

/// Tells the caller that nothing was recorded.
pub(super) fn refuse(operation: Operation, error: LedgerError) {
    match operation {
        Operation::Claim(_, answer) => reply(answer, Err(error)),
        Operation::Ask(_, answer) => reply(answer, Err(error)),
        Operation::Decide(_, answer) | Operation::Settle(_, Some(answer)) => reply(answer, Err(error)),
        Operation::Own(Own::Examine(_, Some(answer))) => reply(answer, Err(error)),
        Operation::Own(Own::PresumeDead(answer)) | Operation::Close(answer) => reply(answer, Err(error)),
        Operation::Settle(_, None)
        | Operation::Own(Own::Examine(_, None) | Own::NeverRan(..))
        | Operation::Note(..)
        | Operation::Tick => {}
    }
}
