//! Where an identity comes from.

use super::Principal;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// Turns what a request proves into a principal. Anything else than a proof is no principal.
pub trait Identity: Send + Sync + 'static {
    /// The principal behind a request; `bearer` is the token of an HTTP request and `None` on stdio.
    fn authenticate(&self, bearer: Option<&str>) -> Option<Principal>;
}

/// One principal for the whole server: who started it (stdio).
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) Principal);

impl Identity for Fixed {
    fn authenticate(&self, _bearer: Option<&str>) -> Option<Principal> {
        Some(self.0.clone())
    }
}

/// One principal behind one static bearer token, compared in constant time.
///
/// ```
/// use safe_tool::{Identity, Principal, StaticBearer};
/// let identity = StaticBearer::new("a-long-random-token-of-at-least-32-bytes", Principal::agent("triage")).unwrap();
/// assert!(identity.authenticate(Some("a-long-random-token-of-at-least-32-bytes")).is_some());
/// assert!(identity.authenticate(Some("guess")).is_none());
/// assert!(identity.authenticate(None).is_none());
/// ```
pub struct StaticBearer {
    token: SecretString,
    principal: Principal,
}

impl std::fmt::Debug for StaticBearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaticBearer").field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl StaticBearer {
    /// The least length of a token in bytes: shorter ones can be guessed.
    pub const LEAST: usize = 32;

    /// `None` when the token is shorter than [`StaticBearer::LEAST`].
    pub fn new(token: impl Into<String>, principal: Principal) -> Option<Self> {
        let token = token.into();
        (token.len() >= Self::LEAST).then(|| StaticBearer { token: token.into(), principal })
    }
}

impl Identity for StaticBearer {
    fn authenticate(&self, bearer: Option<&str>) -> Option<Principal> {
        let same = self.token.expose_secret().as_bytes().ct_eq(bearer?.as_bytes());
        bool::from(same).then(|| self.principal.clone())
    }
}
