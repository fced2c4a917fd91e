use crate::prelude::*;
use crate::tool::BoxFuture;
use crate::{CredentialBroker, CredentialError, Ledger, Principal, SecretString};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const READ: Scope = Scope::new("lab:read");

/// The key of a box.
#[derive(Credential)]
#[credential(audience = "https://box.example", env = "BOX_TOKEN")]
struct BoxKey;

/// Looks into a box.
#[safe_tool(effect = read, scope = READ)]
async fn look(call: Call<(), BoxKey>) -> Result<Done, Infallible> {
    let _ = call;
    Ok(Done)
}

struct Broker(Arc<AtomicU32>);

impl CredentialBroker for Broker {
    fn mint<'a>(
        &'a self,
        _: &'static crate::credential::CredentialSpec,
        _: &'a Principal,
    ) -> BoxFuture<'a, Result<SecretString, CredentialError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }
}

/// Holes E4: 50 credentials, 0 records.
#[tokio::test]
async fn a_read_whose_caller_leaves_while_its_credential_is_minted_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path().join("ledger").to_str().unwrap()).unwrap();
    let minted = Arc::default();
    let server = Server::read("lab", ()).tool::<look>().credentials(Broker(Arc::clone(&minted))).ledger(ledger);
    let server = server.in_process(Principal::agent("a").with_scope("lab:read")).await.unwrap();
    {
        let mut reading = Box::pin(server.call("look", "{}"));
        assert!(futures_util::poll!(reading.as_mut()).is_pending());
        assert_eq!(minted.load(Ordering::SeqCst), 1);
    }
    server.close().await.unwrap();
    let text = std::fs::read_to_string(directory.path().join("ledger/journal/00000000000000000001.jsonl")).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let reads: Vec<Value> = records.filter(|record| record["event"] == "read").collect();
    assert!(matches!(reads.as_slice(), [read] if read["code"] == "cancelled" && read["tool"] == "look"), "{reads:?}");
}
