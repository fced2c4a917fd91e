//! Gate 1: the identity of the agent, and of the user it acts for.

use super::flow::Flow;
use super::refusal::Refusal;
use crate::error::Kind;

pub(super) fn pass(flow: &mut Flow) -> Result<(), Refusal> {
    flow.principal = flow.pipeline.identity.authenticate(flow.request.bearer.as_deref());
    match flow.principal {
        Some(_) => Ok(()),
        None => Err(Refusal::new("authenticate", Kind::Unauthenticated, "the caller did not prove who it is")),
    }
}
