//! Gate 7: has somebody agreed who must?

use super::flow::Flow;
use super::refusal::Refusal;
use crate::error::Kind;
use crate::tool::Approve;

/// Nobody can be asked yet, so a tool that must ask is refused.
pub(super) fn pass(flow: &Flow) -> Result<(), Refusal> {
    match flow.tool().approve {
        Approve::None(_) => Ok(()),
        Approve::Operator | Approve::User => Err(Refusal::new(
            "approval",
            Kind::Denied,
            "this tool needs an approval, and this server has nobody to ask",
        )
        .code("approval_unavailable")
        .suggest("hand the task to a person")),
    }
}
