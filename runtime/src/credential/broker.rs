//! Where credentials come from.

use super::CredentialSpec;
use crate::identity::Principal;
use crate::tool::BoxFuture;
use secrecy::SecretString;

/// Mints a credential for one call.
pub trait CredentialBroker: Send + Sync + 'static {
    /// A secret for `spec`, on behalf of `principal`. It is waited for at most 30 s; then the future is dropped.
    ///
    /// # Errors
    /// Any error stops the call with `unavailable` (`credential_unavailable`), as no answer in time does; its text goes to
    /// operators. Nothing ran, and the key is free.
    fn mint<'a>(
        &'a self,
        spec: &'static CredentialSpec,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<SecretString, CredentialError>>;
}

/// Why no credential could be had; for operators, never for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CredentialError(pub String);

/// Reads the variable that the credential names, anew at every call.
#[derive(Debug)]
pub(crate) struct FromEnvironment;

impl CredentialBroker for FromEnvironment {
    fn mint<'a>(
        &'a self,
        spec: &'static CredentialSpec,
        _principal: &'a Principal,
    ) -> BoxFuture<'a, Result<SecretString, CredentialError>> {
        Box::pin(async move {
            let Some(name) = spec.env else {
                return Err(CredentialError(format!(
                    "credential `{}` names no `env`, and the server has no broker",
                    spec.name
                )));
            };
            match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(value.into()),
                _ => Err(CredentialError(format!("{name} is not set"))),
            }
        })
    }
}
