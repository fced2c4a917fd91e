//! MCP over HTTP: the gates in front of rmcp's service, in the order in which they stop a request.
//!
//! Every request stands for itself, also those of revisions that know sessions: such a client is simply given none. A
//! session id would be a secret that is not bound to its principal, a session's call would outlive its caller's
//! connection, and its answer could be cut off by a shutdown.

mod allowed;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::any,
};
use futures_util::StreamExt;
use http::{
    HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE},
};
use rmcp::transport::{
    StreamableHttpServerConfig, StreamableHttpService, streamable_http_server::session::never::NeverSessionManager,
};
use serde::Serialize;
use tokio::{net::TcpListener, time};
use tokio_util::sync::CancellationToken;

use self::allowed::Allowed;
use super::{
    face::{Caller, Face},
    mcp::{Handler, IDEMPOTENCY_KEY, Reached, bearer},
    wire::{self, Limits, Refusal, Verdict},
};

/// How long a client may take to send one request.
const BODY_TIME: Duration = Duration::from_secs(30);

/// How much of a body that is too long is still read, in multiples of the limit: a client that is cut off while it
/// sends does not get to see the answer.
const READ_ON: usize = 8;

/// Who may reach the server, and where.
#[derive(Debug, Clone)]
pub(crate) struct HttpConfig {
    /// Path of the endpoint.
    pub path: String,
    /// Values of `Host` that are served, as `name` (any port) or `name:port`.
    pub allowed_hosts: Vec<String>,
    /// Values of `Origin` that are served, as `scheme://name`, `scheme://name:port` or `scheme://name:*` (any port).
    /// Requests without `Origin` do not come from a browser and are served.
    pub allowed_origins: Vec<String>,
}

impl Default for HttpConfig {
    /// The endpoint is `/mcp`; hosts and origins are this machine's own.
    fn default() -> Self {
        let owned = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        Self {
            path: "/mcp".to_owned(),
            allowed_hosts: owned(&["localhost", "127.0.0.1", "[::1]"]),
            allowed_origins: owned(&[
                "http://localhost:*",
                "http://127.0.0.1:*",
                "http://[::1]:*",
                "https://localhost:*",
                "https://127.0.0.1:*",
                "https://[::1]:*",
            ]),
        }
    }
}

/// Serves HTTP until `shutdown` is cancelled; then takes no more requests, answers those under way and returns.
///
/// # Errors
/// When `config` cannot be understood, or the listener fails.
pub(crate) async fn serve_http(
    listener: TcpListener,
    face: Arc<dyn Face>,
    config: &HttpConfig,
    shutdown: CancellationToken,
) -> io::Result<()> {
    axum::serve(listener, router(face, config)?).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// The endpoint.
///
/// # Errors
/// When `config` cannot be understood.
pub(crate) fn router(face: Arc<dyn Face>, config: &HttpConfig) -> io::Result<Router> {
    let limits = Limits::default();
    let handler = Handler::new(face.clone(), Reached::Http);
    let shared = handler.clone();
    let settings = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(limits.max_bytes)
        // `Allowed` has looked at hosts and origins.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    let endpoint = Endpoint {
        allowed: Allowed::parse(&config.allowed_hosts, &config.allowed_origins)?,
        limits,
        face,
        handler,
        service: StreamableHttpService::new(
            move || Ok(shared.clone()),
            Arc::new(NeverSessionManager::default()),
            settings,
        ),
    };
    let serve = |State(endpoint): State<Arc<Endpoint>>, request: Request| async move {
        endpoint.serve(request).await.unwrap_or_else(|refused| *refused)
    };
    Ok(Router::new().route(&config.path, any(serve)).with_state(Arc::new(endpoint)))
}

struct Endpoint {
    allowed: Allowed,
    limits: Limits,
    face: Arc<dyn Face>,
    handler: Handler,
    service: StreamableHttpService<Handler, NeverSessionManager>,
}

impl Endpoint {
    /// Answers one request; `Err` is the answer of the gate that stopped it.
    async fn serve(&self, request: Request) -> Result<Response, Box<Response>> {
        let (parts, body) = request.into_parts();
        if !self.allowed.admits(&parts.uri, &parts.headers) {
            let message = "the host or the origin is not allowed";
            return Err(refused(StatusCode::FORBIDDEN, Refusal::invalid(None, message)));
        }
        let body = self.read(body).await?;
        let caller = Caller::Bearer(bearer(&parts.headers));
        if self.face.authenticate(&caller).is_err() {
            return Err(unauthenticated(&parts.headers));
        }
        if !readable_key(&parts.headers) {
            let message = "there is more than one idempotency key, or it is not text";
            return Err(refused(StatusCode::BAD_REQUEST, Refusal::invalid(None, message)));
        }
        if parts.method == Method::POST {
            match wire::scan(&body, &self.limits) {
                Verdict::Refused(refusal) => {
                    return Err(refused(StatusCode::BAD_REQUEST, refusal));
                }
                Verdict::BadArguments(bad) => {
                    return Ok(json(StatusCode::OK, &self.handler.refuse(bad, caller).await));
                }
                // rmcp has a type for every request, but quotes the body when it has none for a response.
                Verdict::Sound { request: None } => {
                    wire::read(&body, None).map_err(|refusal| refused(StatusCode::BAD_REQUEST, refusal))?;
                }
                Verdict::Sound { request: Some(_) } => {}
            }
        }
        let request = Request::from_parts(parts, Body::from(body));
        Ok(self.service.handle(request).await.map(Body::new))
    }

    /// The body of a request.
    async fn read(&self, body: Body) -> Result<Vec<u8>, Box<Response>> {
        let max_bytes = self.limits.max_bytes;
        let read = async {
            let mut pieces = body.into_data_stream();
            let mut bytes = Vec::new();
            let mut length = 0_usize;
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|_| {
                    let refusal = Refusal::unreadable(None, "the body ends too early");
                    refused(StatusCode::BAD_REQUEST, refusal)
                })?;
                length = length.saturating_add(piece.len());
                if length <= max_bytes {
                    bytes.extend_from_slice(&piece);
                } else if length > max_bytes.saturating_mul(READ_ON) {
                    break;
                }
            }
            if length > max_bytes {
                let refusal = Refusal::too_long(None);
                return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, refusal));
            }
            Ok(bytes)
        };
        time::timeout(BODY_TIME, read).await.unwrap_or_else(|_| {
            let refusal = Refusal::unreadable(None, "the body takes too long");
            Err(refused(StatusCode::REQUEST_TIMEOUT, refusal))
        })
    }
}

fn readable_key(headers: &HeaderMap) -> bool {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    keys.next().is_none_or(|key| key.to_str().is_ok()) && keys.next().is_none()
}

fn unauthenticated(headers: &HeaderMap) -> Box<Response> {
    let refusal = Refusal::invalid(None, "a valid bearer token is required");
    let mut response = refused(StatusCode::UNAUTHORIZED, refusal);
    // RFC 6750: no error code for a request that did not try.
    let challenge = if headers.contains_key(AUTHORIZATION) { "Bearer error=\"invalid_token\"" } else { "Bearer" };
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

fn refused(status: StatusCode, refusal: Refusal) -> Box<Response> {
    Box::new(json(status, &refusal.into_error()))
}

fn json(status: StatusCode, message: &impl Serialize) -> Response {
    let mut response = Response::default();
    match serde_json::to_vec(message) {
        Ok(body) => {
            *response.status_mut() = status;
            *response.body_mut() = Body::from(body);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::SocketAddr;

    use serde_json::{Value, json};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        task::JoinHandle,
    };

    use super::{
        super::mcp::fake::{FakeFace, TOKEN},
        *,
    };

    struct Server {
        face: Arc<FakeFace>,
        address: SocketAddr,
        shutdown: CancellationToken,
        task: JoinHandle<io::Result<()>>,
    }

    struct Answer {
        status: u16,
        head: String,
        body: String,
    }

    impl Answer {
        fn json(&self) -> Value {
            assert!(self.head.contains("content-type: application/json"), "{}", self.head);
            serde_json::from_str(&self.body).unwrap()
        }
    }

    /// What an ordinary client sends.
    const HEADERS: &[(&str, &str)] = &[
        ("host", "localhost"),
        ("authorization", "Bearer good-token"),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
    ];

    fn with(changed: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        let kept = HEADERS.iter().filter(|(name, _)| changed.iter().all(|(other, _)| name != other));
        kept.chain(changed.iter().filter(|(_, value)| !value.is_empty())).copied().collect()
    }

    impl Server {
        async fn start() -> Self {
            let face = FakeFace::new();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let shutdown = CancellationToken::new();
            let (served, until) = (face.clone(), shutdown.clone());
            let task = tokio::spawn(async move { serve_http(listener, served, &HttpConfig::default(), until).await });
            Self { face, address, shutdown, task }
        }

        async fn send(&self, method: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let mut head = format!("{method} /mcp HTTP/1.1\r\nconnection: close\r\n");
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            head += &format!("content-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body).await.unwrap();
            stream
        }

        async fn request(&self, method: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
            answer(self.send(method, headers, body).await).await
        }

        async fn post(&self, body: &str) -> Answer {
            self.request("POST", HEADERS, body.as_bytes()).await
        }

        async fn still_serves(&self) {
            let answer = self.post(&call("echo", &json!({}), &json!({}))).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.json()["result"]["isError"], false);
        }
    }

    async fn answer(mut stream: TcpStream) -> Answer {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn call(tool: &str, arguments: &Value, meta: &Value) -> String {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params }).to_string()
    }

    #[tokio::test]
    async fn the_newest_revision_is_served() {
        let server = Server::start().await;
        let headers = with(&[
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "echo"),
            ("idempotency-key", "k-1"),
        ]);
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "dev.safe-tool/turn": "t1",
        });
        let body = call("echo", &json!({ "host_id": "web-01" }), &meta);
        let answer = server.request("POST", &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let result = &answer.json()["result"];
        assert_eq!(result["resultType"], "complete");
        let told = &result["structuredContent"];
        assert_eq!(told["arguments"], json!({ "host_id": "web-01" }));
        assert_eq!(told["caller"], json!({ "token": TOKEN }));
        assert_eq!(told["header"], "k-1");
        assert_eq!(told["meta"]["dev.safe-tool/turn"], "t1");

        let bad = body.replace(r#""host_id":"web-01""#, r#""host_id":"a","host_id":"b""#);
        let answer = server.request("POST", &headers, bad.as_bytes()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["result"]["resultType"], "complete");
        assert_eq!(server.face.refused(), ["echo:  unique_names"]);
    }

    #[tokio::test]
    async fn older_revisions_are_served_without_a_session() {
        let server = Server::start().await;
        let initialize = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "t", "version": "1" },
            },
        });
        let answer = server.post(&initialize.to_string()).await;
        assert_eq!(answer.json()["result"]["protocolVersion"], "2025-11-25");
        assert!(!answer.head.contains("mcp-session-id"), "{}", answer.head);

        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(server.post(initialized).await.status, 202);

        let headers = with(&[("mcp-protocol-version", "2025-11-25")]);
        let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
        let answer = server.request("POST", &headers, list.as_bytes()).await;
        assert_eq!(answer.json()["result"]["tools"][0]["name"], "echo");
        let body = call("echo", &json!({}), &json!({}));
        let answer = server.request("POST", &headers, body.as_bytes()).await;
        let result = &answer.json()["result"];
        assert_eq!(result["structuredContent"]["caller"], json!({ "token": TOKEN }));
        assert_eq!(result["resultType"], Value::Null);
        // No stream to open and no session to close.
        assert_eq!(server.request("GET", &headers, b"").await.status, 405);
        assert_eq!(server.request("DELETE", &headers, b"").await.status, 405);
    }

    #[tokio::test]
    async fn strangers_are_stopped_first() {
        let server = Server::start().await;
        let body = call("echo", &json!({}), &json!({}));
        for headers in [
            with(&[("host", "evil.example")]),
            with(&[("origin", "http://evil.example")]),
            with(&[("host", "evil.example"), ("authorization", "")]),
        ] {
            for method in ["POST", "GET", "DELETE", "OPTIONS"] {
                let answer = server.request(method, &headers, body.as_bytes()).await;
                assert_eq!(answer.status, 403, "{method} {headers:?}");
            }
        }
        for (headers, challenge) in [
            (with(&[("authorization", "")]), "www-authenticate: bearer\r\n"),
            (with(&[("authorization", "Bearer wrong")]), "www-authenticate: bearer error=\"invalid_token\""),
            (with(&[("authorization", "Basic good-token")]), "www-authenticate: bearer error=\"invalid_token\""),
        ] {
            // Also what is not a call, and what cannot be read.
            for (method, body) in [("POST", &*body), ("POST", "{"), ("GET", ""), ("DELETE", "")] {
                let answer = server.request(method, &headers, body.as_bytes()).await;
                assert_eq!(answer.status, 401, "{method} {headers:?}");
                assert!((answer.head.clone() + "\r\n").contains(challenge), "{}", answer.head);
                assert!(!answer.body.contains("wrong"));
            }
        }
        let twice = [HEADERS, &[("authorization", "Bearer good-token")]].concat();
        assert_eq!(server.request("POST", &twice, body.as_bytes()).await.status, 401);
        assert_eq!(server.face.called(), [""; 0]);

        let local = with(&[("origin", "http://localhost:3000")]);
        assert_eq!(server.request("POST", &local, body.as_bytes()).await.status, 200);
    }

    #[tokio::test]
    async fn idempotency_keys_are_never_guessed() {
        let server = Server::start().await;
        let body = call("echo", &json!({}), &json!({}));
        let twice = [HEADERS, &[("idempotency-key", "a"), ("idempotency-key", "b")]].concat();
        let strange = with(&[("idempotency-key", "ä")]);
        for headers in [twice, strange] {
            let answer = server.request("POST", &headers, body.as_bytes()).await;
            assert_eq!(answer.status, 400);
            assert_eq!(answer.json()["error"]["code"], -32600);
        }
        assert_eq!(server.face.called(), [""; 0]);
    }

    #[tokio::test]
    async fn what_cannot_be_served_is_told_in_json() {
        let server = Server::start().await;
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":9,"method":"x","params":{{"a":{}{}}}}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        let response = r#"{"jsonrpc":"2.0","id":1,"error":{"code":"steal"}}"#;
        let named = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":5}}"#;
        for (body, code, id) in [
            ("steal", -32700, Value::Null),
            ("", -32700, Value::Null),
            (r#"{"jsonrpc":"2.0","id":9,"#, -32700, json!(9)),
            ("[]", -32600, Value::Null),
            (r#"{"jsonrpc":"2.0","id":9,"method":"steal","method":"x"}"#, -32600, json!(9)),
            (r#"{"jsonrpc":"2.0","method":"x","params":{"steal":1e400}}"#, -32600, Value::Null),
            (&deep, -32600, json!(9)),
            (response, -32600, Value::Null),
            (named, -32602, json!(9)),
        ] {
            let answer = server.post(body).await;
            assert_eq!(answer.status, 400, "{body}");
            let told = answer.json();
            assert_eq!((&told["error"]["code"], &told["id"]), (&json!(code), &id), "{body}");
            assert!(!answer.body.contains("steal"));
        }
        let answer = server.post(r#"{"jsonrpc":"2.0","id":9,"method":"steal"}"#).await;
        assert_eq!(answer.json()["error"]["code"], -32601);
        assert!(!answer.body.contains("steal"));
        server.still_serves().await;
    }

    #[tokio::test]
    async fn bodies_are_limited_and_may_come_in_pieces() {
        let server = Server::start().await;
        // More than the sockets between us hold: a client that is cut off while it sends sees no answer.
        let long = "x".repeat(7 * 1024 * 1024);
        let answer = server.post(&call("echo", &json!({ "x": long }), &json!({}))).await;
        assert_eq!(answer.status, 413);
        assert_eq!(answer.json()["error"]["code"], -32600);
        let fits = "x".repeat(1024 * 1024 - 200);
        let answer = server.post(&call("echo", &json!({ "x": fits }), &json!({}))).await;
        assert_eq!(answer.status, 200);

        // Without content-length, so that only counting helps.
        let chunked = |body: &str| {
            let body = body
                .as_bytes()
                .chunks(10_000)
                .flat_map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
            let mut head = "POST /mcp HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n".to_owned();
            for (name, value) in HEADERS {
                head += &format!("{name}: {value}\r\n");
            }
            let mut bytes = (head + "\r\n").into_bytes();
            bytes.extend(body);
            bytes.extend(b"0\r\n\r\n");
            bytes
        };
        for (length, status) in [(20_000, 200), (2 * 1024 * 1024, 413)] {
            let body = call("echo", &json!({ "x": "x".repeat(length) }), &json!({}));
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(&chunked(&body)).await.unwrap();
            assert_eq!(self::answer(stream).await.status, status);
        }
        server.still_serves().await;
    }

    #[tokio::test]
    async fn a_shutdown_answers_what_is_under_way() {
        let server = Server::start().await;
        let body = call("slow", &json!({}), &json!({}));
        let stream = server.send("POST", HEADERS, body.as_bytes()).await;
        server.face.started.notified().await;
        server.shutdown.cancel();
        // Once the listener is closed nobody else gets in.
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!server.task.is_finished());
        server.face.release.notify_one();
        assert_eq!(answer(stream).await.json()["result"]["isError"], false);
        server.task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn leaving_drops_the_call() {
        let server = Server::start().await;
        let body = call("slow", &json!({}), &json!({}));
        let stream = server.send("POST", HEADERS, body.as_bytes()).await;
        server.face.started.notified().await;
        drop(stream);
        server.face.dropped.notified().await;
        server.still_serves().await;
    }

    #[tokio::test]
    async fn a_config_that_cannot_be_understood_stops_the_start() {
        let config = HttpConfig { allowed_hosts: vec!["http://a".to_owned()], ..HttpConfig::default() };
        let error = router(FakeFace::new(), &config).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
