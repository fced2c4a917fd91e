//! Gate 9: the secret for the backend, minted for this call.

use super::flow::Flow;
use super::refusal::Refusal;
use crate::error::Kind;
use secrecy::SecretString;

pub(super) async fn pass(flow: &Flow) -> Result<Option<SecretString>, Refusal> {
    let (Some(spec), Some(principal)) = (flow.tool().credential, &flow.principal) else { return Ok(None) };
    match flow.pipeline.broker.mint(spec, principal).await {
        Ok(secret) => Ok(Some(secret)),
        Err(error) => {
            tracing::error!(call = flow.id, tool = flow.tool().name, %error, "no credential");
            Err(Refusal::new(
                "credential",
                Kind::Unavailable,
                "the server has no access to the backend for now; nothing ran",
            )
            .code("credential_unavailable"))
        }
    }
}
