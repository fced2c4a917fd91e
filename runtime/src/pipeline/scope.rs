//! Gate 2: the scope that a principal must hold to use the tool.

use super::flow::Flow;
use super::refusal::Refusal;
use crate::error::Kind;

pub(super) fn pass(flow: &Flow) -> Result<(), Refusal> {
    let tool = flow.tool();
    match &flow.principal {
        Some(principal) if principal.holds(tool.scope) => Ok(()),
        _ => Err(Refusal::new("scope", Kind::Denied, format!("this tool needs the scope `{}`", tool.scope.as_str()))
            .code("scope_missing")
            .suggest("ask a person to grant the scope; calling again does not help")),
    }
}
