//! Gate 4: the policy's decision on the principal, the tool and its targets.

use super::flow::Flow;
use super::refusal::Refusal;
use crate::error::Kind;
use crate::policy::{Action, Decision, Target};

pub(super) fn pass(flow: &Flow) -> Result<(), Refusal> {
    let Some(policy) = &flow.pipeline.policy else { return Ok(()) };
    let tool = flow.tool();
    let denied = || {
        Refusal::new("policy", Kind::Denied, "policy does not let this principal do this to this target")
            .code("policy_denied")
            .suggest("do not call again with these arguments; a person can change the policy")
    };
    let Some(principal) = &flow.principal else { return Err(denied()) };
    let targets: Vec<Target> = tool
        .targets
        .iter()
        .filter_map(|target| {
            let name = tool.arguments.get(target.argument)?.name;
            let text = target_text(flow, target.argument)?;
            Some(Target { name, text })
        })
        .collect();
    match policy.decide(&Action { principal, tool: tool.name, effect: tool.effect, targets: &targets }) {
        Decision::Allow => Ok(()),
        Decision::Deny => Err(denied()),
    }
}

/// The text of a target for the policy: a string without its quotes, anything else as JSON.
fn target_text(flow: &Flow, index: usize) -> Option<String> {
    let arguments = flow.arguments.as_deref()?;
    let mut present = false;
    let bytes = crate::writer::plain(|writer| present = arguments.encode(index, writer));
    let text = String::from_utf8(bytes).ok().filter(|_| present)?;
    Some(serde_json::from_str::<String>(&text).unwrap_or(text))
}
