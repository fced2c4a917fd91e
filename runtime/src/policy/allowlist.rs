//! Allowlists by role and target, in a TOML file.

use super::{Action, Decision, Policy};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Who may do what to which targets; what no rule allows is denied.
///
/// Targets are compared in their canonical text (see [`Format`](crate::input::Format)): `WEB-*` lists no host name, `web-*` does.
///
/// ```toml
/// [roles.responder]
/// agents = ["triage-agent"]      # and, where given, only for these users
/// users  = ["ann", "bob"]
///
/// [[allow]]
/// role    = "responder"
/// tools   = ["isolate_host", "release_host"]
/// targets = ["web-*"]            # `*` stands for any rest; left out: any target
/// ```
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowlist {
    roles: BTreeMap<String, Role>,
    #[serde(default)]
    allow: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    agents: Vec<String>,
    users: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    role: String,
    tools: Vec<String>,
    targets: Option<Vec<String>>,
}

/// Why an allowlist cannot be used; the server does not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AllowlistError(String);

impl Allowlist {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or as [`Allowlist::parse`] has it.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, AllowlistError> {
        let path = path.as_ref();
        let text =
            std::fs::read_to_string(path).map_err(|error| AllowlistError(format!("{}: {error}", path.display())))?;
        Self::parse(&text).map_err(|error| AllowlistError(format!("{}: {error}", path.display())))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// When it is not TOML, holds an unknown key, names a role that is not there, or has a `*` that is not last.
    pub fn parse(text: &str) -> Result<Self, AllowlistError> {
        let list: Allowlist = toml::from_str(text).map_err(|error| AllowlistError(error.to_string()))?;
        for rule in &list.allow {
            if !list.roles.contains_key(&rule.role) {
                return Err(AllowlistError(format!(
                    "an `allow` rule names the role `{}`, which is not defined",
                    rule.role
                )));
            }
            for target in rule.targets.iter().flatten() {
                if target.trim_end_matches('*').contains('*') || target.ends_with("**") {
                    return Err(AllowlistError(format!("target `{target}`: `*` stands only at the end")));
                }
            }
        }
        Ok(list)
    }
}

impl Policy for Allowlist {
    fn decide(&self, action: &Action<'_>) -> Decision {
        let allowed = self.allow.iter().any(|rule| {
            self.roles.get(&rule.role).is_some_and(|role| plays(role, action))
                && rule.tools.iter().any(|tool| tool == action.tool)
                && hits(rule, action)
        });
        if allowed { Decision::Allow } else { Decision::Deny }
    }

    fn tools_named(&self) -> Vec<String> {
        self.allow.iter().flat_map(|rule| rule.tools.clone()).collect()
    }
}

fn plays(role: &Role, action: &Action<'_>) -> bool {
    let principal = action.principal;
    role.agents.iter().any(|agent| agent == principal.agent_name())
        && role.users.as_ref().is_none_or(|users| users.iter().any(|user| Some(user.as_str()) == principal.user()))
}

/// Every target must be listed; a rule with targets says nothing of a call without one.
fn hits(rule: &Rule, action: &Action<'_>) -> bool {
    let Some(patterns) = &rule.targets else { return true };
    let listed = |text: &str| {
        patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => text.starts_with(prefix),
            None => text == pattern,
        })
    };
    !action.targets.is_empty() && action.targets.iter().all(|target| listed(&target.text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Target;
    use super::*;
    use crate::identity::Principal;
    use crate::tool::Effect;

    const LIST: &str = r#"
        [roles.responder]
        agents = ["triage"]
        users = ["ann"]
        [roles.reader]
        agents = ["triage", "watch"]
        [[allow]]
        role = "responder"
        tools = ["isolate_host"]
        targets = ["web-*", "db-01"]
        [[allow]]
        role = "reader"
        tools = ["find_host"]
    "#;

    fn decide(principal: &Principal, tool: &str, targets: &[&str]) -> Decision {
        let targets: Vec<Target> =
            targets.iter().map(|text| Target { name: "host_id", text: (*text).to_owned() }).collect();
        Allowlist::parse(LIST).unwrap().decide(&Action { principal, tool, effect: Effect::Write, targets: &targets })
    }

    #[test]
    fn only_what_is_listed_is_allowed() {
        let ann = Principal::agent("triage").on_behalf_of("ann");
        assert_eq!(decide(&ann, "isolate_host", &["web-01"]), Decision::Allow);
        assert_eq!(decide(&ann, "isolate_host", &["db-01"]), Decision::Allow);
        assert_eq!(decide(&ann, "isolate_host", &["db-011"]), Decision::Deny);
        assert_eq!(decide(&ann, "isolate_host", &["web-01", "dc-01"]), Decision::Deny);
        assert_eq!(decide(&ann, "isolate_host", &[]), Decision::Deny);
        assert_eq!(decide(&ann, "release_host", &["web-01"]), Decision::Deny);
        assert_eq!(decide(&ann, "find_host", &["dc-01"]), Decision::Allow);
        let nobody = Principal::agent("triage");
        assert_eq!(decide(&nobody, "isolate_host", &["web-01"]), Decision::Deny);
        assert_eq!(decide(&Principal::agent("other").on_behalf_of("ann"), "find_host", &[]), Decision::Deny);
    }

    #[test]
    fn a_mistake_in_the_file_keeps_the_server_from_starting() {
        for (text, word) in [
            ("[roles.a]\nagents = []\nagent = []", "unknown field"),
            ("[roles.a]\nagents = []\n[[allow]]\nrole = \"b\"\ntools = []", "`b`"),
            ("[roles.a]\nagents = []\n[[allow]]\nrole = \"a\"\ntools = []\ntargets = [\"*-01\"]", "only at the end"),
            ("roles", "TOML"),
        ] {
            assert!(Allowlist::parse(text).unwrap_err().to_string().contains(word), "{text}");
        }
    }
}
