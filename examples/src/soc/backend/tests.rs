//! The backend over HTTP, as its clients meet it.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Backend, BackendConfig, Scope, Tokens};

struct Bench {
    backend: Backend,
    client: Client,
    dir: TempDir,
}

/// Gives up in the end: a request that is held for ever fails its test instead of stopping the run.
fn client() -> Client {
    Client::builder().timeout(Duration::from_secs(30)).build().unwrap()
}

async fn started(state: &Path) -> Backend {
    let tokens = Tokens::default()
        .grant("enrich", [Scope::SiemRead, Scope::EdrRead])
        .grant("contain", [Scope::EdrContain])
        .grant("accounts", [Scope::IdpAccounts]);
    let listen = "127.0.0.1:0".parse().unwrap();
    Backend::start(BackendConfig { listen, state: state.to_owned(), tokens }).await.unwrap()
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let backend = started(&dir.path().join("effects")).await;
        Self { backend, client: client(), dir }
    }

    async fn restart(self) -> Self {
        self.backend.stop().await.unwrap();
        let backend = started(&self.dir.path().join("effects")).await;
        Self { backend, client: client(), dir: self.dir }
    }

    fn request(&self, method: Method, path: &str, token: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.backend.url())).bearer_auth(token)
    }

    async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path, token)).await
    }

    async fn post(&self, path: &str, token: &str) -> (u16, Value) {
        answer(self.request(Method::POST, path, token)).await
    }

    async fn isolate(&self) -> (u16, Value) {
        self.post("/edr/hosts/web-01/isolate", "contain").await
    }

    async fn fault(&self, fault: Value) -> StatusCode {
        let url = format!("{}/faults", self.backend.url());
        self.client.put(url).json(&fault).send().await.unwrap().status()
    }

    async fn clear_faults(&self) {
        let url = format!("{}/faults", self.backend.url());
        self.client.delete(url).send().await.unwrap().error_for_status().unwrap();
    }

    async fn witness(&self) -> Value {
        self.client.get(format!("{}/effects", self.backend.url())).send().await.unwrap().json().await.unwrap()
    }

    /// Waits for the state, not for a time: the limit only ends a run that will never get there.
    async fn until_held(&self, held: u64) {
        let reached = async {
            while self.witness().await["held"] != held {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reached).await.unwrap();
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn error(status: u16, code: &str) -> (u16, Value) {
    (status, json!({ "error": code }))
}

#[tokio::test]
async fn a_request_without_a_known_token_is_401() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("/edr/hosts/web-01", "guess").await, error(401, "unauthenticated"));
    let bare = bench.client.get(format!("{}/edr/hosts/web-01", bench.backend.url()));
    assert_eq!(answer(bare).await, error(401, "unauthenticated"));
    let basic = bench.client.get(format!("{}/edr/hosts/web-01", bench.backend.url()));
    assert_eq!(answer(basic.basic_auth("enrich", None::<&str>)).await, error(401, "unauthenticated"));
}

#[tokio::test]
async fn every_route_refuses_a_token_without_its_scope() {
    let bench = Bench::new().await;
    let refused = error(403, "missing_scope");
    assert_eq!(bench.get("/siem/logins?user=alice", "contain").await, refused);
    assert_eq!(bench.get("/edr/hosts/web-01", "contain").await, refused);
    for change in ["isolate", "release"] {
        assert_eq!(bench.post(&format!("/edr/hosts/web-01/{change}"), "enrich").await, refused);
        assert_eq!(bench.post(&format!("/edr/hosts/web-01/{change}"), "accounts").await, refused);
    }
    for change in ["disable", "enable"] {
        assert_eq!(bench.post(&format!("/idp/accounts/bob/{change}"), "contain").await, refused);
    }
    assert_eq!(bench.witness().await["total"], 0);
}

#[tokio::test]
async fn unknown_targets_are_404_and_have_no_effect() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("/edr/hosts/web-99", "enrich").await, error(404, "no_such_host"));
    assert_eq!(bench.get("/siem/logins?user=mallory", "enrich").await, error(404, "no_such_user"));
    assert_eq!(bench.post("/edr/hosts/web-99/isolate", "contain").await, error(404, "no_such_host"));
    assert_eq!(bench.post("/idp/accounts/mallory/disable", "accounts").await, error(404, "no_such_user"));
    assert_eq!(bench.witness().await["total"], 0);
}

#[tokio::test]
async fn logins_are_windowed_and_capped_and_empty_is_not_an_error() {
    let bench = Bench::new().await;
    let (status, day) = bench.get("/siem/logins?user=alice", "enrich").await;
    assert_eq!((status, day["logins"].as_array().map(Vec::len), &day["truncated"]), (200, Some(5), &json!(false)));
    let (_, capped) = bench.get("/siem/logins?user=alice&since_hours=72&limit=2", "enrich").await;
    assert_eq!((capped["logins"].as_array().map(Vec::len), &capped["truncated"]), (Some(2), &json!(true)));
    let (_, exact) = bench.get("/siem/logins?user=alice&since_hours=72&limit=6", "enrich").await;
    assert_eq!((exact["logins"].as_array().map(Vec::len), &exact["truncated"]), (Some(6), &json!(false)));
    let none = (200, json!({ "logins": [], "truncated": false }));
    assert_eq!(bench.get("/siem/logins?user=carol&since_hours=720", "enrich").await, none);
    assert_eq!(bench.get("/siem/logins?user=alice&since=1", "enrich").await, error(400, "malformed"));
}

#[tokio::test]
async fn every_post_is_one_more_effect_and_they_outlive_a_restart() {
    let bench = Bench::new().await;
    assert_eq!(bench.isolate().await, (200, json!({ "host_id": "web-01", "isolated": true, "effect": 1 })));
    assert_eq!(bench.isolate().await.1["effect"], 2);
    assert_eq!(
        bench.post("/idp/accounts/bob/disable", "accounts").await,
        (200, json!({ "user": "bob", "disabled": true, "effect": 3 }))
    );
    let counted = json!({
        "total": 3,
        "kinds": { "isolate": 2, "disable": 1 },
        "targets": { "web-01": { "isolate": 2 }, "bob": { "disable": 1 } },
        "held": 0,
    });
    assert_eq!(bench.witness().await, counted);
    let bench = bench.restart().await;
    assert_eq!(bench.witness().await, counted);
    assert_eq!(bench.get("/edr/hosts/web-01", "enrich").await.1["isolated"], true);
    let (_, released) = bench.post("/edr/hosts/web-01/release", "contain").await;
    assert_eq!(released, json!({ "host_id": "web-01", "isolated": false, "effect": 4 }));
    assert_eq!(bench.get("/edr/hosts/web-01", "enrich").await.1["isolated"], false);
    assert_eq!(
        bench.post("/idp/accounts/bob/enable", "accounts").await.1,
        json!({ "user": "bob", "disabled": false, "effect": 5 })
    );
}

#[tokio::test]
async fn a_status_fault_has_no_effect_and_ends_after_its_times() {
    let bench = Bench::new().await;
    assert_eq!(bench.fault(json!({ "route": "isolate", "status": 500, "times": 2 })).await, 204);
    assert_eq!(bench.isolate().await, error(500, "fault"));
    assert_eq!(bench.post("/edr/hosts/web-01/release", "contain").await.0, 200);
    assert_eq!(bench.isolate().await, error(500, "fault"));
    assert_eq!(bench.witness().await["kinds"], json!({ "release": 1 }));
    assert_eq!(bench.isolate().await.0, 200);
}

#[tokio::test]
async fn a_refused_request_uses_up_no_fault() {
    let bench = Bench::new().await;
    bench.fault(json!({ "route": "isolate", "status": 503, "times": 1 })).await;
    assert_eq!(bench.post("/edr/hosts/web-01/isolate", "enrich").await.0, 403);
    assert_eq!(bench.isolate().await, error(503, "fault"));
}

#[tokio::test]
async fn a_fault_without_times_lasts_until_it_is_cleared() {
    let bench = Bench::new().await;
    bench.fault(json!({ "route": "logins", "status": 500 })).await;
    for _ in 0..3 {
        assert_eq!(bench.get("/siem/logins?user=bob", "enrich").await, error(500, "fault"));
    }
    bench.clear_faults().await;
    assert_eq!(bench.get("/siem/logins?user=bob", "enrich").await.0, 200);
}

#[tokio::test]
async fn latency_delays_the_answer_and_nothing_else() {
    let bench = Bench::new().await;
    // An hour: only the caller's patience can end this request, so no answer here proves the delay.
    bench.fault(json!({ "route": "isolate", "latency_ms": 3_600_000 })).await;
    let impatient = bench.request(Method::POST, "/edr/hosts/web-01/isolate", "contain");
    assert!(impatient.timeout(Duration::from_millis(200)).send().await.unwrap_err().is_timeout());
    assert_eq!(bench.witness().await["total"], 0);
    bench.fault(json!({ "route": "isolate", "latency_ms": 1 })).await;
    assert_eq!(bench.isolate().await.0, 200);
}

#[tokio::test]
async fn hang_before_effect_holds_the_request_until_the_faults_are_cleared() {
    let bench = Bench::new().await;
    bench.fault(json!({ "route": "isolate", "hang_before_effect": true })).await;
    let script = async {
        bench.until_held(1).await;
        assert_eq!(bench.witness().await["total"], 0);
        bench.clear_faults().await;
    };
    let (answer, ()) = tokio::join!(bench.isolate(), script);
    assert_eq!(answer.0, 200);
    assert_eq!(bench.witness().await["total"], 1);
}

#[tokio::test]
async fn hang_after_effect_holds_the_answer_of_a_durable_effect() {
    let bench = Bench::new().await;
    bench.fault(json!({ "route": "isolate", "hang_after_effect": true, "times": 1 })).await;
    let script = async {
        bench.until_held(1).await;
        assert_eq!(bench.witness().await["total"], 1);
        // The fault was for one request: the next is answered while the first is still held.
        assert_eq!(bench.isolate().await.1["effect"], 2);
        bench.clear_faults().await;
    };
    let (answer, ()) = tokio::join!(bench.isolate(), script);
    assert_eq!(answer, (200, json!({ "host_id": "web-01", "isolated": true, "effect": 1 })));
}

#[tokio::test]
async fn a_caller_who_leaves_is_no_longer_held_and_the_effect_stays() {
    let bench = Bench::new().await;
    bench.fault(json!({ "route": "isolate", "hang_after_effect": true })).await;
    {
        let call = bench.isolate();
        tokio::pin!(call);
        tokio::select! {
            _ = &mut call => unreachable!("the answer is held"),
            () = bench.until_held(1) => {}
        }
    }
    bench.until_held(0).await;
    let bench = bench.restart().await;
    assert_eq!(bench.witness().await["total"], 1);
}

#[tokio::test]
async fn stopping_answers_what_is_held_without_an_effect() {
    let bench = Bench::new().await;
    bench.fault(json!({ "route": "isolate", "hang_before_effect": true })).await;
    let request = bench.request(Method::POST, "/edr/hosts/web-01/isolate", "contain");
    let held = tokio::spawn(answer(request));
    bench.until_held(1).await;
    let bench = bench.restart().await;
    assert_eq!(held.await.unwrap(), error(503, "stopping"));
    assert_eq!(bench.witness().await["total"], 0);
}

#[tokio::test]
async fn a_fault_that_means_nothing_is_refused() {
    let bench = Bench::new().await;
    for fault in [
        json!({ "route": "reboot", "status": 500 }),
        json!({ "route": "isolate", "status": 200 }),
        json!({ "route": "isolate", "status": 500, "times": 0 }),
        json!({ "route": "isolate", "hang": true }),
    ] {
        assert_eq!(bench.fault(fault).await, StatusCode::BAD_REQUEST);
    }
    assert_eq!(bench.isolate().await.0, 200);
}

#[tokio::test]
async fn an_address_others_can_reach_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = BackendConfig {
        listen: "0.0.0.0:0".parse().unwrap(),
        state: dir.path().join("effects"),
        tokens: Tokens::default(),
    };
    assert!(Backend::start(config).await.is_err());
}
