//! The routes: token, then fault, then the target, then the effect.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::effects::{EffectCounts, EffectKind, EffectLog};
use super::faults::{Fault, FaultRoute, FaultSwitches};
use super::fleet::{self, Host, Login};
use super::tokens::{Scope, Tokens};

/// What every request sees.
pub(super) struct Shared {
    pub(super) tokens: Tokens,
    pub(super) log: Arc<EffectLog>,
    pub(super) faults: FaultSwitches,
}

/// The routes over `shared`.
pub(super) fn service(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/siem/logins", get(logins))
        .route("/edr/hosts/{host_id}", get(host))
        .route("/edr/hosts/{host_id}/isolate", post(isolate))
        .route("/edr/hosts/{host_id}/release", post(release))
        .route("/idp/accounts/{user}/disable", post(disable))
        .route("/idp/accounts/{user}/enable", post(enable))
        .route("/effects", get(effects))
        .route("/faults", put(set_fault).delete(clear_faults))
        .with_state(shared)
}

/// Why a request got no answer of its route.
pub(super) enum Refused {
    Unauthenticated,
    MissingScope,
    Malformed,
    NoHost,
    NoUser,
    Fault(StatusCode),
    Storage,
    Stopping,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code) = match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::MissingScope => (StatusCode::FORBIDDEN, "missing_scope"),
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed"),
            Self::NoHost => (StatusCode::NOT_FOUND, "no_such_host"),
            Self::NoUser => (StatusCode::NOT_FOUND, "no_such_user"),
            Self::Fault(status) => (status, "fault"),
            Self::Storage => (StatusCode::INTERNAL_SERVER_ERROR, "storage"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        };
        (status, Json(json!({ "error": code }))).into_response()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginQuery {
    user: String,
    #[serde(default = "LoginQuery::usual_window")]
    since_hours: u32,
    #[serde(default = "LoginQuery::usual_limit")]
    limit: usize,
}

impl LoginQuery {
    fn usual_window() -> u32 {
        24
    }

    fn usual_limit() -> usize {
        50
    }
}

#[derive(Serialize)]
struct Logins {
    logins: Vec<Login>,
    truncated: bool,
}

#[derive(Serialize)]
struct HostState {
    #[serde(flatten)]
    host: &'static Host,
    isolated: bool,
}

#[derive(Serialize)]
struct HostChanged {
    host_id: &'static str,
    isolated: bool,
    effect: u64,
}

#[derive(Serialize)]
struct AccountChanged {
    user: &'static str,
    disabled: bool,
    effect: u64,
}

#[derive(Serialize)]
struct Witness {
    #[serde(flatten)]
    counts: EffectCounts,
    held: u64,
}

impl Shared {
    /// Answers a read behind token and fault.
    async fn read<T>(
        &self,
        headers: &HeaderMap,
        scope: Scope,
        route: FaultRoute,
        answer: impl FnOnce() -> Result<T, Refused>,
    ) -> Result<Json<T>, Refused> {
        self.tokens.check(headers, scope)?;
        let mut met = self.faults.meet(route);
        met.before_effect().await?;
        let answer = answer()?;
        met.after_effect().await?;
        Ok(Json(answer))
    }

    /// Makes one effect on `target` happen behind token and fault; returns the target and the effect's number.
    async fn effect(
        &self,
        headers: &HeaderMap,
        scope: Scope,
        (route, kind): (FaultRoute, EffectKind),
        target: impl FnOnce() -> Result<&'static str, Refused>,
    ) -> Result<(&'static str, u64), Refused> {
        self.tokens.check(headers, scope)?;
        let mut met = self.faults.meet(route);
        met.before_effect().await?;
        let target = target()?;
        let log = Arc::clone(&self.log);
        // On a thread of its own the effect is completed even when its caller leaves, as in a real EDR.
        let number = tokio::task::spawn_blocking(move || log.append(kind, target))
            .await
            .map_err(|_| Refused::Storage)?
            .map_err(|_| Refused::Storage)?;
        met.after_effect().await?;
        Ok((target, number))
    }

    async fn change_host(
        &self,
        headers: &HeaderMap,
        host_id: &str,
        change: (FaultRoute, EffectKind),
    ) -> Result<Json<HostChanged>, Refused> {
        let known = || fleet::host(host_id).map(|host| host.host_id).ok_or(Refused::NoHost);
        let (host_id, effect) = self.effect(headers, Scope::EdrContain, change, known).await?;
        Ok(Json(HostChanged { host_id, isolated: change.1 == EffectKind::Isolate, effect }))
    }

    async fn change_account(
        &self,
        headers: &HeaderMap,
        user: &str,
        change: (FaultRoute, EffectKind),
    ) -> Result<Json<AccountChanged>, Refused> {
        let known = || fleet::user(user).ok_or(Refused::NoUser);
        let (user, effect) = self.effect(headers, Scope::IdpAccounts, change, known).await?;
        Ok(Json(AccountChanged { user, disabled: change.1 == EffectKind::Disable, effect }))
    }
}

async fn logins(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    query: Result<Query<LoginQuery>, QueryRejection>,
) -> Result<Json<Logins>, Refused> {
    shared
        .read(&headers, Scope::SiemRead, FaultRoute::Logins, || {
            let Query(query) = query.map_err(|_| Refused::Malformed)?;
            let user = fleet::user(&query.user).ok_or(Refused::NoUser)?;
            let mut found = fleet::logins(user, query.since_hours);
            let logins = found.by_ref().take(query.limit).collect();
            Ok(Logins { logins, truncated: found.next().is_some() })
        })
        .await
}

async fn host(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(host_id): Path<String>,
) -> Result<Json<HostState>, Refused> {
    shared
        .read(&headers, Scope::EdrRead, FaultRoute::Host, || {
            let host = fleet::host(&host_id).ok_or(Refused::NoHost)?;
            Ok(HostState { host, isolated: shared.log.is_latest(host.host_id, EffectKind::Isolate) })
        })
        .await
}

async fn isolate(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(host_id): Path<String>,
) -> Result<Json<HostChanged>, Refused> {
    shared.change_host(&headers, &host_id, (FaultRoute::Isolate, EffectKind::Isolate)).await
}

async fn release(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(host_id): Path<String>,
) -> Result<Json<HostChanged>, Refused> {
    shared.change_host(&headers, &host_id, (FaultRoute::Release, EffectKind::Release)).await
}

async fn disable(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(user): Path<String>,
) -> Result<Json<AccountChanged>, Refused> {
    shared.change_account(&headers, &user, (FaultRoute::Disable, EffectKind::Disable)).await
}

async fn enable(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(user): Path<String>,
) -> Result<Json<AccountChanged>, Refused> {
    shared.change_account(&headers, &user, (FaultRoute::Enable, EffectKind::Enable)).await
}

async fn effects(State(shared): State<Arc<Shared>>) -> Json<Witness> {
    Json(Witness { counts: shared.log.counts(), held: shared.faults.held() })
}

async fn set_fault(
    State(shared): State<Arc<Shared>>,
    fault: Result<Json<Fault>, JsonRejection>,
) -> Result<StatusCode, Refused> {
    let Json(fault) = fault.map_err(|_| Refused::Malformed)?;
    shared.faults.set(fault);
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}
