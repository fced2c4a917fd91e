//! What the tour and the tests play on: a backend, a policy, two servers, all in one temporary directory.

use super::backend::{Backend, BackendConfig, Scope, Tokens};
use super::connected::{Connected, Failure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// The bearer token of a server that is reached over HTTP.
pub const HTTP_TOKEN: &str = "stage-token-0123456789abcdef0123456789abcdef";

const SIEM_TOKEN: &str = "tour-siem-read";
const EDR_READ_TOKEN: &str = "tour-edr-read";
const EDR_TOKEN: &str = "tour-edr-contain";
const IDP_TOKEN: &str = "tour-idp-accounts";

const POLICY: &str = r#"
[roles.responder]
agents = ["triage-agent"]

[[allow]]
role    = "responder"
tools   = ["isolate_host", "release_host"]
targets = ["web-*", "laptop-*"]
"#;

/// The stage.
pub struct Stage {
    program: PathBuf,
    directory: tempfile::TempDir,
    backend: Backend,
    http: reqwest::Client,
}

impl Stage {
    /// Starts the backend. `program ROLE` is what serves as `soc-enrich` and `soc-contain` over stdio.
    ///
    /// # Errors
    /// When the backend does not start.
    pub async fn set(program: PathBuf) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let tokens = Tokens::default()
            .grant(SIEM_TOKEN, [Scope::SiemRead])
            .grant(EDR_READ_TOKEN, [Scope::EdrRead])
            .grant(EDR_TOKEN, [Scope::EdrContain])
            .grant(IDP_TOKEN, [Scope::IdpAccounts]);
        let config =
            BackendConfig { listen: ([127, 0, 0, 1], 0).into(), state: directory.path().join("effects.jsonl"), tokens };
        let backend = Backend::start(config).await?;
        std::fs::write(directory.path().join("policy.toml"), POLICY)?;
        Ok(Stage { program, directory, backend, http: reqwest::Client::new() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where the write server keeps its ledger.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.path("soc-contain")
    }

    /// The command line of a server, with everything that it needs in its environment.
    ///
    /// # Errors
    /// When the log beside the ledger cannot be written.
    pub fn server(&self, role: &str) -> Result<Command, Failure> {
        let mut command = Command::new(&self.program);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path(&format!("{role}.log")))?;
        command
            .arg(role)
            .stderr(Stdio::from(log))
            .env("SAFE_TOOL_AGENT", "triage-agent")
            .env("SAFE_TOOL_USER", "ann")
            .env("SAFE_TOOL_TOKEN", HTTP_TOKEN)
            .env("SAFE_TOOL_SCOPES", "logins:read hosts:read hosts:isolate")
            .env("SAFE_TOOL_LEDGER", self.path(role))
            .env("SOC_BACKEND_URL", self.backend.url());
        match role {
            "soc-enrich" => command
                .env("SIEM_READ_TOKEN", SIEM_TOKEN)
                .env("EDR_READ_TOKEN", EDR_READ_TOKEN)
                .env("SOC_PLANT_BUG", "web-03"),
            _ => command
                .env("EDR_CONTAIN_TOKEN", EDR_TOKEN)
                .env("IDP_ACCOUNTS_TOKEN", IDP_TOKEN)
                .env("SOC_POLICY", self.path("policy.toml")),
        };
        Ok(command)
    }

    /// Starts the read server and a client.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn enrich(&self) -> Result<Connected, Failure> {
        Connected::start(self.server("soc-enrich")?).await
    }

    /// Starts the write server and a client.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn contain(&self) -> Result<Connected, Failure> {
        Connected::start(self.server("soc-contain")?).await
    }

    /// What the backend counts: the independent witness.
    ///
    /// # Errors
    /// When the backend does not answer.
    pub async fn effects(&self) -> Result<Value, Failure> {
        let text = self.http.get(format!("{}/effects", self.backend.url())).send().await?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// How often the backend isolated a host.
    ///
    /// # Errors
    /// When the backend does not answer.
    pub async fn isolations(&self, host: &str) -> Result<u64, Failure> {
        let effects = self.effects().await?;
        Ok(effects.pointer(&format!("/targets/{host}/isolate")).and_then(Value::as_u64).unwrap_or(0))
    }

    /// How many requests the backend holds back.
    ///
    /// # Errors
    /// When the backend does not answer.
    pub async fn held(&self) -> Result<u64, Failure> {
        Ok(self.effects().await?.get("held").and_then(Value::as_u64).unwrap_or(0))
    }

    /// Switches a fault on.
    ///
    /// # Errors
    /// When the backend does not answer.
    pub async fn fault(&self, fault: &Value) -> Result<(), Failure> {
        self.http.put(format!("{}/faults", self.backend.url())).json(fault).send().await?.error_for_status()?;
        Ok(())
    }

    /// Switches all faults off.
    ///
    /// # Errors
    /// When the backend does not answer.
    pub async fn heal(&self) -> Result<(), Failure> {
        self.http.delete(format!("{}/faults", self.backend.url())).send().await?.error_for_status()?;
        Ok(())
    }

    /// Waits until the backend holds a request back, so that its effect has happened and its answer has not.
    ///
    /// # Errors
    /// When it holds none within ten seconds, or does not answer.
    pub async fn until_held(&self) -> Result<(), Failure> {
        let patience = Instant::now() + Duration::from_secs(10);
        while self.held().await? == 0 {
            if Instant::now() > patience {
                return Err("the effect never reached the backend".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Ends the backend.
    ///
    /// # Errors
    /// When it had failed.
    pub async fn strike(self) -> Result<(), Failure> {
        Ok(self.backend.stop().await?)
    }
}

/// Flips one bit in the middle of a journal; the answer is the file.
///
/// # Errors
/// When there is no journal, or it cannot be written.
pub fn flip_a_bit(ledger: &Path) -> Result<PathBuf, Failure> {
    let segment = std::fs::read_dir(ledger.join("journal"))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .min()
        .ok_or("the ledger has no journal")?;
    let mut bytes = std::fs::read(&segment)?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    std::fs::write(&segment, bytes)?;
    Ok(segment)
}
