//! The server that acts: hosts and accounts. It holds no credential to read logins.

use super::client::{Client, Failure};
use super::words::{AlertId, HostId, Reason, User};
use super::{Reached, serve};
use safe_tool::Allowlist;
use safe_tool::prelude::*;
use serde::Deserialize;

const HOSTS_ISOLATE: Scope = Scope::new("hosts:isolate");
const ACCOUNTS_DISABLE: Scope = Scope::new("accounts:disable");

/// Isolates and releases hosts.
#[derive(Credential)]
#[credential(audience = "https://edr.example", scopes("edr:contain"), env = "EDR_CONTAIN_TOKEN")]
struct EdrContain;

/// Disables and enables accounts.
#[derive(Credential)]
#[credential(audience = "https://idp.example", scopes("idp:accounts"), env = "IDP_ACCOUNTS_TOKEN")]
struct IdpAccounts;

/// A change of a host.
#[derive(ToolOutput)]
struct Containment {
    /// The host.
    host_id: String,
    /// Whether it is cut off from the network now.
    isolated: bool,
    /// Number of the change in the EDR's log.
    change: u64,
}

/// A change of an account.
#[derive(ToolOutput)]
struct AccountChange {
    /// The account.
    user: String,
    /// Whether it is disabled now.
    disabled: bool,
    /// Number of the change in the identity provider's log.
    change: u64,
}

#[derive(ToolError)]
enum ContainError {
    #[tool_error(not_found, "no host of this id is enrolled", suggest = "find the host with `find_host` first")]
    NoHost,
    #[tool_error(not_found, "no user of this name is known")]
    NoUser,
    #[tool_error(unavailable, "the backend refuses this server", effect = none)]
    Refused,
    #[tool_error(unavailable, "the backend cannot be reached", effect = none, retry_after = "5s")]
    Unreachable {
        #[detail]
        cause: reqwest::Error,
    },
    #[tool_error(transient, "the backend was reached and gave no answer", effect = unknown)]
    Lost {
        #[detail]
        cause: String,
    },
}

impl ContainError {
    fn of(failure: Failure, not_found: ContainError) -> Self {
        match failure {
            Failure::NotFound => not_found,
            Failure::Refused => ContainError::Refused,
            Failure::Unreachable(cause) => ContainError::Unreachable { cause },
            Failure::Lost(cause) => ContainError::Lost { cause },
        }
    }
}

#[derive(Deserialize)]
struct SentHost {
    host_id: String,
    isolated: bool,
    effect: u64,
}

#[derive(Deserialize)]
struct SentAccount {
    user: String,
    disabled: bool,
    effect: u64,
}

async fn change_host(
    call: &Call<Client, EdrContain>,
    host_id: &HostId,
    verb: &str,
) -> Result<Containment, ContainError> {
    let path = format!("/edr/hosts/{host_id}/{verb}");
    let sent: SentHost = call
        .state()
        .post(&path, call.credential().expose())
        .await
        .map_err(|failure| ContainError::of(failure, ContainError::NoHost))?;
    Ok(Containment { host_id: sent.host_id, isolated: sent.isolated, change: sent.effect })
}

async fn change_account(
    call: &Call<Client, IdpAccounts>,
    user: &User,
    verb: &str,
) -> Result<AccountChange, ContainError> {
    let path = format!("/idp/accounts/{user}/{verb}");
    let sent: SentAccount = call
        .state()
        .post(&path, call.credential().expose())
        .await
        .map_err(|failure| ContainError::of(failure, ContainError::NoUser))?;
    Ok(AccountChange { user: sent.user, disabled: sent.disabled, change: sent.effect })
}

/// Cuts a host off from the network; only the EDR channel stays open.
///
/// Do not use it on a suspicion alone: name the alert that justifies it.
#[safe_tool(
    effect = write,
    scope = HOSTS_ISOLATE,
    key(host_id, alert_id),
    undo = release_host(host_id),
    timeout = "10s",
    source = "edr",
    rate(host_id = "20/minute", all = "600/minute"),
)]
async fn isolate_host(
    call: Call<Client, EdrContain>,
    /// Host to isolate, as `find_host` returns it.
    #[arg(target)]
    host_id: HostId,
    /// Alert that justifies the isolation.
    alert_id: AlertId,
    /// Why the host is isolated.
    reason: Reason,
    /// How long the isolation is meant to last; a person ends it.
    #[arg(min = 5, max = 1440, unit = "minutes")]
    minutes: Option<u32>,
) -> Result<Containment, ContainError> {
    // The EDR has no field for either; both stand in the ledger.
    let _for_the_ledger = (alert_id, reason, minutes);
    change_host(&call, &host_id, "isolate").await
}

/// Lets an isolated host back on the network.
#[safe_tool(
    effect = write,
    scope = HOSTS_ISOLATE,
    key(host_id),
    undo = by_hand("isolate the host again, under the alert that asks for it"),
    repeat = explicit,
    timeout = "10s",
    source = "edr",
)]
async fn release_host(
    call: Call<Client, EdrContain>,
    /// Host to release.
    #[arg(target)]
    host_id: HostId,
) -> Result<Containment, ContainError> {
    change_host(&call, &host_id, "release").await
}

/// Disables a user's account; running sessions end.
#[safe_tool(
    effect = write,
    scope = ACCOUNTS_DISABLE,
    key(user, alert_id),
    undo = enable_account(user),
    timeout = "10s",
    source = "idp",
)]
async fn disable_account(
    call: Call<Client, IdpAccounts>,
    /// Account to disable.
    #[arg(target)]
    user: User,
    /// Alert that justifies it.
    alert_id: AlertId,
    /// Why the account is disabled.
    reason: Reason,
) -> Result<AccountChange, ContainError> {
    let _for_the_ledger = (alert_id, reason);
    change_account(&call, &user, "disable").await
}

/// Enables a disabled account.
#[safe_tool(
    effect = write,
    scope = ACCOUNTS_DISABLE,
    key(user),
    undo = by_hand("disable the account again, under the alert that asks for it"),
    repeat = explicit,
    timeout = "10s",
    source = "idp",
)]
async fn enable_account(
    call: Call<Client, IdpAccounts>,
    /// Account to enable.
    #[arg(target)]
    user: User,
) -> Result<AccountChange, ContainError> {
    change_account(&call, &user, "enable").await
}

/// Serves the four tools; with `SOC_POLICY` set, under the allowlist in that file.
///
/// # Errors
/// When the server does not start, or its transport fails.
pub async fn run(reached: Reached) -> Result<(), Box<dyn std::error::Error>> {
    let mut server = Server::write("soc-contain", Client::from_env()?)
        .tool::<isolate_host>()
        .tool::<release_host>()
        .tool::<disable_account>()
        .tool::<enable_account>();
    if let Ok(path) = std::env::var("SOC_POLICY") {
        server = server.policy(Allowlist::from_file(path)?);
    }
    Ok(serve(server, reached).await?)
}
