//! What callers ask of the committer, and what it answers.

use super::super::action::Action;
use super::super::error::LedgerError;
use super::super::hash::Hash;
use super::super::local::committer::{Answer, reply};
use super::super::{Ask, Claim, Claimed, Decide, Entry, NoteEvent, Outcome, Receipt, Settle};

/// One request. It is kept until it is answered: a batch that others got in the way of is decided anew.
pub(super) enum Operation {
    Claim(Box<Claim>, Answer<Claimed>),
    Ask(Box<Ask>, Answer<Action>),
    Decide(Box<Decide>, Answer<Receipt>),
    /// The answer is `None` once the caller has waited long enough; the outcome is recorded all the same.
    Settle(Box<Settle>, Option<Answer<Receipt>>),
    /// How an action stands that another server had started when it was looked up.
    Examine(Hash, Option<Answer<Option<Action>>>),
    /// A claim of this version may have been recorded although its caller was told that it was not.
    NeverRan(Hash, u64),
    Note(Box<Entry>, NoteEvent),
    /// Puts in doubt what servers had started that are gone.
    Sweep(Answer<()>),
    Tick,
    Close(Answer<()>),
}

/// What was decided on an operation.
pub(super) enum Reply {
    Claimed(Result<Claimed, LedgerError>),
    Asked(Result<Action, LedgerError>),
    Recorded(Result<Receipt, LedgerError>),
    Examined(Option<Action>),
    Nothing,
}

impl Operation {
    /// The keys whose rows it is about, and those whose undone rows it is about.
    pub(super) fn keys(&self, keys: &mut Vec<Hash>, completed: &mut Vec<Hash>) {
        match self {
            Operation::Claim(claim, _) => keys.push(claim.key),
            Operation::Ask(ask, _) => keys.push(ask.claim.key),
            Operation::Decide(decide, _) => keys.push(decide.key),
            Operation::Settle(settle, _) => {
                keys.push(settle.key);
                if let Outcome::Completed { undo, .. } = &settle.outcome {
                    keys.extend(undo);
                    completed.push(settle.key);
                }
            }
            Operation::Examine(key, _) | Operation::NeverRan(key, _) => keys.push(*key),
            Operation::Note(..) | Operation::Sweep(_) | Operation::Tick | Operation::Close(_) => {}
        }
    }

    /// About how much it adds to a batch, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Operation::Settle(settle, _) => match &settle.outcome {
                Outcome::Completed { payload, .. } => payload.len(),
                _ => 0,
            },
            _ => 0,
        }
    }

    /// Tells the caller what was decided and is durable now.
    pub(super) fn answer(self, decided: Reply) {
        match (self, decided) {
            (Operation::Claim(_, answer), Reply::Claimed(claimed)) => reply(answer, claimed),
            (Operation::Ask(_, answer), Reply::Asked(asked)) => reply(answer, asked),
            (Operation::Decide(_, answer), Reply::Recorded(receipt))
            | (Operation::Settle(_, Some(answer)), Reply::Recorded(receipt)) => reply(answer, receipt),
            (Operation::Examine(_, Some(answer)), Reply::Examined(action)) => reply(answer, Ok(action)),
            _ => {}
        }
    }

    /// Tells the caller that nothing was recorded.
    pub(super) fn refuse(self, error: LedgerError) {
        match self {
            Operation::Claim(_, answer) => reply(answer, Err(error)),
            Operation::Ask(_, answer) => reply(answer, Err(error)),
            Operation::Decide(_, answer) | Operation::Settle(_, Some(answer)) => reply(answer, Err(error)),
            Operation::Examine(_, Some(answer)) => reply(answer, Err(error)),
            Operation::Sweep(answer) | Operation::Close(answer) => reply(answer, Err(error)),
            Operation::Settle(_, None)
            | Operation::Examine(_, None)
            | Operation::NeverRan(..)
            | Operation::Note(..)
            | Operation::Tick => {}
        }
    }
}
