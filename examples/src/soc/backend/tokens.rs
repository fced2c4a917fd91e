//! Which bearer token may call which part of the backend.

use std::collections::HashSet;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::routes::Refused;

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `siem:read`: search logins.
    SiemRead,
    /// `edr:read`: look at hosts.
    EdrRead,
    /// `edr:contain`: isolate and release hosts.
    EdrContain,
    /// `idp:accounts`: disable and enable accounts.
    IdpAccounts,
}

impl Scope {
    /// The scope of that name, as it is written after `TOKEN=`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "siem:read" => Some(Self::SiemRead),
            "edr:read" => Some(Self::EdrRead),
            "edr:contain" => Some(Self::EdrContain),
            "idp:accounts" => Some(Self::IdpAccounts),
            _ => None,
        }
    }
}

/// The bearer tokens the backend knows. Has no `Debug`: tokens are secrets.
#[derive(Clone, Default)]
pub struct Tokens {
    grants: Vec<(String, HashSet<Scope>)>,
}

impl Tokens {
    /// Adds a token with its scopes.
    #[must_use]
    pub fn grant(mut self, token: impl Into<String>, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.grants.push((token.into(), scopes.into_iter().collect()));
        self
    }

    /// Passes a request whose bearer token holds `needed`; 401 and 403 otherwise.
    pub(super) fn check(&self, headers: &HeaderMap, needed: Scope) -> Result<(), Refused> {
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or(Refused::Unauthenticated)?;
        let (_, scopes) = self.grants.iter().find(|(known, _)| known == token).ok_or(Refused::Unauthenticated)?;
        if scopes.contains(&needed) { Ok(()) } else { Err(Refused::MissingScope) }
    }
}
