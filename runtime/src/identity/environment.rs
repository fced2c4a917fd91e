//! The identity of a stdio server: its environment, as MCP has it.

use super::Principal;

/// What is missing in the environment; the server does not start without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct EnvironmentError {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Reads `SAFE_TOOL_AGENT`, `SAFE_TOOL_USER`, `SAFE_TOOL_TENANT` and `SAFE_TOOL_SCOPES`.
pub(crate) fn from_environment(read: impl Fn(&str) -> Option<String>) -> Result<Principal, EnvironmentError> {
    let value = |name: &'static str| match read(name) {
        Some(text) if text.trim().is_empty() => Err(EnvironmentError { variable: name, problem: "is empty" }),
        Some(text) if text.chars().any(char::is_control) => {
            Err(EnvironmentError { variable: name, problem: "holds a control character" })
        }
        other => Ok(other.map(|text| text.trim().to_owned())),
    };
    let missing = |variable| EnvironmentError { variable, problem: "is not set" };
    let agent = value("SAFE_TOOL_AGENT")?.ok_or_else(|| missing("SAFE_TOOL_AGENT"))?;
    let scopes = value("SAFE_TOOL_SCOPES")?.ok_or_else(|| missing("SAFE_TOOL_SCOPES"))?;
    let mut principal = Principal::agent(agent);
    if let Some(user) = value("SAFE_TOOL_USER")? {
        principal = principal.on_behalf_of(user);
    }
    if let Some(tenant) = value("SAFE_TOOL_TENANT")? {
        principal = principal.in_tenant(tenant);
    }
    Ok(scopes
        .split([' ', ','])
        .filter(|scope| !scope.is_empty())
        .fold(principal, |principal, scope| principal.with_scope(scope)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Principal, EnvironmentError> {
        from_environment(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn names_the_variable_that_is_missing() {
        assert_eq!(read(&[]).unwrap_err().variable, "SAFE_TOOL_AGENT");
        assert_eq!(read(&[("SAFE_TOOL_AGENT", "triage")]).unwrap_err().variable, "SAFE_TOOL_SCOPES");
        let empty = read(&[("SAFE_TOOL_AGENT", " "), ("SAFE_TOOL_SCOPES", "a")]).unwrap_err();
        assert_eq!(empty.to_string(), "SAFE_TOOL_AGENT is empty");
    }

    #[test]
    fn scopes_are_separated_by_space_or_comma() {
        let principal = read(&[
            ("SAFE_TOOL_AGENT", "triage"),
            ("SAFE_TOOL_USER", "ann"),
            ("SAFE_TOOL_TENANT", "acme"),
            ("SAFE_TOOL_SCOPES", "a:b, c:d e:f"),
        ])
        .unwrap();
        for scope in ["a:b", "c:d", "e:f"] {
            assert!(principal.scopes.contains(scope));
        }
        assert_eq!((principal.agent_name(), principal.user(), principal.tenant()), ("triage", Some("ann"), "acme"));
    }
}
