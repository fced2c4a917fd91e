//! The server that looks: logins and hosts. It holds no credential that could change anything.

use super::client::{Client, Failure};
use super::words::{HostId, User};
use super::{Reached, serve};
use safe_tool::prelude::*;
use serde::Deserialize;

const LOGINS_READ: Scope = Scope::new("logins:read");
const HOSTS_READ: Scope = Scope::new("hosts:read");

/// Reads logins from the SIEM.
#[derive(Credential)]
#[credential(audience = "https://siem.example", scopes("siem:read"), env = "SIEM_READ_TOKEN")]
struct SiemRead;

/// Reads hosts from the EDR.
#[derive(Credential)]
#[credential(audience = "https://edr.example", scopes("edr:read"), env = "EDR_READ_TOKEN")]
struct EdrRead;

/// How a login ended.
#[derive(ToolInput, ToolOutput, Clone, Copy, PartialEq)]
enum LoginOutcome {
    /// The user got in.
    Success,
    /// The user did not.
    Failure,
}

/// One login.
#[derive(ToolOutput)]
struct Login {
    /// Host it was for.
    host_id: String,
    /// Address it came from.
    address: String,
    /// How it ended.
    outcome: LoginOutcome,
    /// Age in hours.
    hours_ago: u32,
}

/// Logins of one user, newest first.
#[derive(ToolOutput)]
struct Logins {
    /// The logins.
    logins: Page<Login>,
}

/// A host as the EDR knows it.
#[derive(ToolOutput)]
struct Host {
    /// Its id, as `isolate_host` takes it.
    host_id: String,
    /// Operating system.
    platform: String,
    /// Address in the network.
    address: String,
    /// Team or person it belongs to.
    owner: String,
    /// Whether it is cut off from the network.
    isolated: bool,
}

#[derive(ToolError)]
enum LookError {
    #[tool_error(not_found, "no host of this id is enrolled", suggest = "check the spelling; ids look like `web-01`")]
    NoHost,
    #[tool_error(not_found, "no user of this name is known")]
    NoUser,
    #[tool_error(unavailable, "the backend refuses this server", effect = none)]
    Refused,
    #[tool_error(transient, "the backend did not answer; this says nothing about what it would have found", effect = none, retry_after = "2s")]
    Down {
        #[detail]
        cause: Failure,
    },
}

#[derive(Deserialize)]
struct SentLogins {
    logins: Vec<SentLogin>,
    truncated: bool,
}

#[derive(Deserialize)]
struct SentLogin {
    host_id: String,
    address: String,
    outcome: SentOutcome,
    hours_ago: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SentOutcome {
    Success,
    Failure,
}

#[derive(Deserialize)]
struct SentHost {
    host_id: String,
    platform: String,
    address: String,
    owner: String,
    isolated: bool,
}

/// Finds logins of one user in the SIEM, newest first.
///
/// Use it to see where an account was used. An empty answer means that there were none; an error means that it
/// is not known.
#[safe_tool(effect = read, scope = LOGINS_READ, timeout = "5s", retry = 2, source = "siem", rate(principal = "120/minute"))]
async fn search_logins(
    call: Call<Client, SiemRead>,
    /// User whose logins to find.
    #[arg(target)]
    user: User,
    /// How far back to look.
    #[arg(min = 1, max = 168, unit = "hours")]
    since_hours: u32,
    /// The most logins to answer with.
    #[arg(min = 1, max = 100)]
    limit: u32,
    /// Only logins that ended this way.
    outcome: Option<LoginOutcome>,
) -> Result<Logins, LookError> {
    let query = [("user", user.to_string()), ("since_hours", since_hours.to_string()), ("limit", limit.to_string())];
    let sent: SentLogins = call.state().get("/siem/logins", &query, call.credential().expose()).await.map_err(
        |failure| match failure {
            Failure::NotFound => LookError::NoUser,
            other => down(other),
        },
    )?;
    let logins = sent.logins.into_iter().map(|login| Login {
        host_id: login.host_id,
        address: login.address,
        outcome: match login.outcome {
            SentOutcome::Success => LoginOutcome::Success,
            SentOutcome::Failure => LoginOutcome::Failure,
        },
        hours_ago: login.hours_ago,
    });
    let wanted = logins.filter(|login| outcome.is_none_or(|outcome| outcome == login.outcome));
    Ok(Logins { logins: Page::capped(wanted, 100).and_more(sent.truncated) })
}

/// Finds a host in the EDR: what it is, whose it is, and whether it is isolated.
#[safe_tool(effect = read, scope = HOSTS_READ, timeout = "5s", retry = 2, source = "edr")]
async fn find_host(
    call: Call<Client, EdrRead>,
    /// Host to find.
    #[arg(target)]
    host_id: HostId,
) -> Result<Host, LookError> {
    plant_a_bug(&host_id);
    let path = format!("/edr/hosts/{host_id}");
    let sent: SentHost =
        call.state().get(&path, &[], call.credential().expose()).await.map_err(|failure| match failure {
            Failure::NotFound => LookError::NoHost,
            other => down(other),
        })?;
    Ok(Host {
        host_id: sent.host_id,
        platform: sent.platform,
        address: sent.address,
        owner: sent.owner,
        isolated: sent.isolated,
    })
}

fn down(failure: Failure) -> LookError {
    match failure {
        Failure::Refused => LookError::Refused,
        cause => LookError::Down { cause },
    }
}

/// The tour shows what becomes of a tool with a bug: with `SOC_PLANT_BUG=web-03` this one panics on that host.
#[allow(clippy::panic, reason = "the bug that the tour plants")]
fn plant_a_bug(host_id: &HostId) {
    if std::env::var("SOC_PLANT_BUG").is_ok_and(|host| host == host_id.as_str()) {
        panic!("index out of bounds: secret /etc/soc/keys.toml");
    }
}

/// Serves `search_logins` and `find_host`.
///
/// # Errors
/// When the server does not start, or its transport fails.
pub async fn run(reached: Reached) -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::read("soc-enrich", Client::from_env()?).tool::<search_logins>().tool::<find_host>();
    Ok(serve(server, reached).await?)
}
