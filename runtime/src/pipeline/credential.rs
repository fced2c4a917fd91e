//! Gate 9: the secret for the backend, minted for this call within a deadline.

use super::flow::Flow;
use super::lease::CREDENTIAL_DEADLINE;
use super::refusal::Refusal;
use crate::credential::CredentialError;
use crate::error::Kind;
use futures_util::FutureExt;
use secrecy::SecretString;
use std::panic::AssertUnwindSafe;

pub(super) async fn pass(flow: &Flow) -> Result<Option<SecretString>, Refusal> {
    let (Some(spec), Some(principal)) = (flow.tool().credential, &flow.principal) else { return Ok(None) };
    // A broker is the server author's code. If it panics, nothing has run yet, and the answer says so.
    let minted = AssertUnwindSafe(async { flow.pipeline.broker.mint(spec, principal).await }).catch_unwind();
    let minted = match tokio::time::timeout(CREDENTIAL_DEADLINE, minted).await {
        Ok(Ok(minted)) => minted,
        Ok(Err(_)) => Err(CredentialError("the broker panicked".to_owned())),
        Err(_) => {
            let seconds = CREDENTIAL_DEADLINE.as_secs();
            Err(CredentialError(format!("the broker gave no answer within {seconds} s")))
        }
    };
    match minted {
        Ok(secret) => Ok(Some(secret)),
        Err(error) => {
            tracing::error!(call = flow.id, tool = flow.tool().name, error = error.to_string(), "no credential");
            Err(Refusal::new(
                "credential",
                Kind::Unavailable,
                "the server has no access to the backend for now; nothing ran",
            )
            .code("credential_unavailable"))
        }
    }
}
