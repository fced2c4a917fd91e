//! The pipeline's face as an rmcp server handler, the same on every transport.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, header::AUTHORIZATION, request::Parts};
use rmcp::{
    RoleServer, ServerHandler,
    model::{
        CallToolRequestMethod, CallToolRequestParams, CallToolResponse, CallToolResult, ConstString, ContentBlock,
        CustomRequest, CustomResult, ErrorCode, ErrorData, Implementation, InitializeResultMethod, ListToolsResult,
        MetaObject, PaginatedRequestParams, ServerCapabilities, ServerConfig, ServerJsonRpcMessage, ServerResult, Tool,
        ToolAnnotations,
    },
    service::RequestContext,
};
use serde_json::Value;

use super::{
    face::{self, Caller, Face, Fault, Reply, Request},
    wire::{BadArguments, paths},
};

/// Header with the caller's idempotency key.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Where the 2026-07-28 revision wants the server to name itself in every result.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// How callers reach this handler, and so what they can prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// Over a pipe of our own process: the environment says who calls.
    Stdio,
    /// Over HTTP: a bearer token says who calls, in every request.
    Http,
}

/// Answers MCP requests from a [`Face`]. Clones are cheap and share everything.
#[derive(Clone)]
pub(crate) struct Handler {
    face: Arc<dyn Face>,
    reached: Reached,
    card: Arc<Card>,
}

/// What never changes, built once.
struct Card {
    config: ServerConfig,
    tools: ListToolsResult,
    server_info: Value,
}

impl Handler {
    /// A handler for one transport.
    pub(crate) fn new(face: Arc<dyn Face>, reached: Reached) -> Self {
        let info = face.info();
        let implementation = Implementation::new(info.name.clone(), info.version.clone());
        let server_info = serde_json::json!({ "name": info.name, "version": info.version });
        let mut tools = ListToolsResult::with_all_items(face.tools().iter().map(tool).collect());
        let mut meta = MetaObject::new();
        meta.insert(SERVER_INFO.to_owned(), server_info.clone());
        tools.meta = Some(meta);
        let config = ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(implementation)
            .with_instructions(info.instructions.clone());
        Self { card: Arc::new(Card { config, tools, server_info }), face, reached }
    }

    /// Has the pipeline refuse a call whose arguments break gate 0.
    pub(crate) async fn refuse(&self, bad: BadArguments, caller: Caller) -> ServerJsonRpcMessage {
        let BadArguments { id, tool, spots, modern } = bad;
        let known = self.face.tools().iter().find(|it| it.name == tool);
        let faults = paths(&spots, known.map(|tool| &*tool.input_schema))
            .into_iter()
            .map(|(path, rule)| Fault { path, rule })
            .collect();
        let refused = async move { self.face.refuse_wire(&tool, faults, caller).await };
        match self.answered(refused.boxed()).await {
            Ok(mut result) => {
                if !modern {
                    // What rmcp does for peers whose revision does not know the field.
                    result.result_type = None;
                }
                ServerJsonRpcMessage::response(ServerResult::CallToolResult(result), id)
            }
            Err(error) => ServerJsonRpcMessage::error(error, Some(id)),
        }
    }

    /// The tool result for what the pipeline answers.
    async fn answered(&self, reply: BoxFuture<'_, Option<Reply>>) -> Result<CallToolResult, ErrorData> {
        // The pipeline catches panics of tools; one of its own would otherwise leave the caller without any answer.
        let reply = AssertUnwindSafe(reply).catch_unwind().await;
        let Some(reply) = reply.map_err(|_| unknown_outcome())? else {
            return Err(ErrorData::invalid_params("unknown tool", None));
        };
        let structured = serde_json::from_str(&reply.body).map_err(|_| unknown_outcome())?;
        let mut meta = MetaObject(reply.meta);
        meta.insert(SERVER_INFO.to_owned(), self.card.server_info.clone());
        let mut result = CallToolResult::success(vec![ContentBlock::text(reply.body)]);
        result.structured_content = Some(structured);
        result.is_error = Some(reply.is_error);
        Ok(result.with_meta(Some(meta)))
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        self.card.config.clone()
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tools = &self.card.tools.tools;
        tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // There is one page, so no cursor is ours.
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(ErrorData::invalid_params("unknown cursor", None));
        }
        Ok(self.card.tools.clone())
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = match params.arguments {
            Some(arguments) => serde_json::to_vec(&arguments).map_err(|_| bad_params())?,
            None => b"{}".to_vec(),
        };
        let headers = cx.extensions.get::<Parts>().map(|parts| &parts.headers);
        let caller = match self.reached {
            Reached::Stdio => Caller::Stdio,
            // Without headers there is no token: never the identity of the process.
            Reached::Http => Caller::Bearer(headers.and_then(bearer)),
        };
        let request = Request {
            tool: params.name.into_owned(),
            arguments,
            meta: cx.meta.0.0,
            idempotency_header: headers.and_then(idempotency_key),
            caller,
        };
        let call = async move { self.face.call(request).await };
        tokio::select! {
            // A finished call is told even if it was cancelled meanwhile.
            biased;
            result = self.answered(call.boxed()) => Ok(result?.into()),
            // Nobody reads this answer: rmcp drops it.
            () = cx.ct.cancelled() => Err(ErrorData::internal_error("cancelled", None)),
        }
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        // rmcp hands over here whatever did not fit the method's own type.
        Err(match request.method.as_str() {
            InitializeResultMethod::VALUE | CallToolRequestMethod::VALUE => bad_params(),
            _ => ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "unknown method", None),
        })
    }
}

/// The token of the one `Authorization: Bearer` header. Two headers are as good as none.
pub(super) fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = single(headers, AUTHORIZATION.as_str())?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

fn idempotency_key(headers: &HeaderMap) -> Option<String> {
    single(headers, IDEMPOTENCY_KEY).map(ToOwned::to_owned)
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn tool(tool: &face::Tool) -> Tool {
    let annotations = ToolAnnotations::new()
        .read_only(tool.annotations.read_only)
        .destructive(tool.annotations.destructive)
        .idempotent(tool.annotations.idempotent)
        .open_world(tool.annotations.open_world);
    let mut listed = Tool::new(tool.name, tool.description, tool.input_schema.clone())
        .with_raw_output_schema(tool.output_schema.clone())
        .with_annotations(annotations)
        .with_meta(MetaObject(tool.meta.clone()));
    listed.title = tool.title.map(ToOwned::to_owned);
    listed
}

fn bad_params() -> ErrorData {
    ErrorData::invalid_params("the parameters do not fit the method", None)
}

fn unknown_outcome() -> ErrorData {
    let message = "the server failed; it is not known whether the call had an effect";
    ErrorData::internal_error(message, None)
}

#[cfg(test)]
#[path = "fake_face.rs"]
pub(super) mod fake;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use http::HeaderValue;
    use rmcp::{
        RoleClient, ServiceError, ServiceExt,
        model::{CallToolRequest, ClientRequest, RequestMetaObject},
        service::{PeerRequestOptions, RunningService},
    };
    use serde_json::json;
    use tokio::task::JoinHandle;
    use tokio_util::sync::CancellationToken;

    use super::{super::transport::serve_io, fake::FakeFace, *};

    struct Setup {
        face: Arc<FakeFace>,
        client: RunningService<RoleClient, ()>,
        server: JoinHandle<std::io::Result<()>>,
    }

    async fn setup() -> Setup {
        let face = FakeFace::new();
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (reader, writer) = tokio::io::split(far);
        let served = serve_io(face.clone(), reader, writer, CancellationToken::new());
        let server = tokio::spawn(served);
        let client = ().serve(near).await.unwrap();
        Setup { face, client, server }
    }

    fn call(tool: &'static str) -> CallToolRequestParams {
        CallToolRequestParams::new(tool)
    }

    #[track_caller]
    fn code<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> ErrorCode {
        match result.unwrap_err() {
            ServiceError::McpError(error) => error.code,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_client_sees_the_server_and_its_tools() {
        let Setup { face, client, server } = setup().await;
        let info = client.peer_info().unwrap();
        assert_eq!(info.instructions.as_deref(), Some("An error is not a negative finding."));
        assert!(info.capabilities.tools.is_some());

        let tools = client.list_all_tools().await.unwrap();
        assert_eq!(tools.len(), face.tools().len());
        let tool = serde_json::to_value(&tools[0]).unwrap();
        let expected = json!({
            "name": "echo",
            "title": "A title",
            "description": "What it does.",
            "inputSchema": *face.tools()[0].input_schema,
            "outputSchema": { "type": "object" },
            "annotations": {
                "readOnlyHint": false, "destructiveHint": true, "idempotentHint": true, "openWorldHint": false,
            },
            "_meta": { "dev.safe-tool/effect": "write" },
        });
        assert_eq!(tool, expected);
        let cursor = PaginatedRequestParams::default().with_cursor(Some("next".to_owned()));
        assert_eq!(code(client.list_tools(Some(cursor)).await), ErrorCode::INVALID_PARAMS);

        client.cancel().await.unwrap();
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_call_carries_everything_both_ways() {
        let Setup { client, .. } = setup().await;
        let arguments = json!({ "host_id": "web-01", "n": 1.5 });
        let mut params = call("echo").with_arguments(arguments.as_object().unwrap().clone());
        let mut meta = RequestMetaObject::default();
        meta.insert("dev.safe-tool/turn".to_owned(), json!("t1"));
        params.meta = Some(meta);
        let result = client.call_tool(params).await.unwrap();

        let body = result.structured_content.clone().unwrap();
        assert_eq!(body["arguments"], arguments);
        assert_eq!(body["meta"]["dev.safe-tool/turn"], "t1");
        assert_eq!(body["caller"], "stdio");
        assert_eq!(body["header"], Value::Null);
        let text = &result.content[0].as_text().unwrap().text;
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), body);
        assert_eq!(result.is_error, Some(false));
        let meta = result.meta.unwrap().0;
        assert_eq!(meta["dev.safe-tool/receipt"], "r");
        assert_eq!(meta[SERVER_INFO], json!({ "name": "soc", "version": "1.2.3" }));

        let without = client.call_tool(call("echo")).await.unwrap();
        assert_eq!(without.structured_content.unwrap()["arguments"], json!({}));
        let failed = client.call_tool(call("fail")).await.unwrap();
        assert_eq!(failed.is_error, Some(true));
    }

    #[tokio::test]
    async fn what_is_not_a_call_is_an_error() {
        let Setup { face, client, .. } = setup().await;
        assert_eq!(code(client.call_tool(call("missing")).await), ErrorCode::INVALID_PARAMS);
        for (method, expected) in [
            ("secrets/steal", ErrorCode::METHOD_NOT_FOUND),
            ("initialize", ErrorCode::INVALID_PARAMS),
            ("tools/call", ErrorCode::INVALID_PARAMS),
        ] {
            let params = json!({ "name": "echo", "inputResponses": 5 });
            let request = CustomRequest::new(method, Some(params));
            let result = client.send_request(ClientRequest::CustomRequest(request)).await;
            match result.unwrap_err() {
                ServiceError::McpError(error) => {
                    assert_eq!(error.code, expected, "{method}");
                    assert!(!error.message.contains("steal"));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(face.called(), [""; 0]);
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_says_nothing() {
        let Setup { client, .. } = setup().await;
        match client.call_tool(call("panic")).await.unwrap_err() {
            ServiceError::McpError(error) => {
                assert_eq!(error.code, ErrorCode::INTERNAL_ERROR);
                assert!(!error.message.contains("secret"));
            }
            other => panic!("{other:?}"),
        }
        client.call_tool(call("echo")).await.unwrap();
    }

    #[tokio::test]
    async fn cancelling_drops_the_call() {
        let Setup { face, client, .. } = setup().await;
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(call("slow")));
        let options = PeerRequestOptions::no_options();
        let handle = client.send_cancellable_request(request, options).await.unwrap();
        face.started.notified().await;
        handle.cancel(None).await.unwrap();
        face.dropped.notified().await;
    }

    #[test]
    fn only_one_bearer_token_counts() {
        let token = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers)
        };
        assert_eq!(token(&["Bearer a.b-c"]).as_deref(), Some("a.b-c"));
        assert_eq!(token(&["bearer  a"]).as_deref(), Some("a"));
        for values in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["Basic a"],
            &["a"],
            &["Bearer a", "Bearer b"],
            &["Bearer a", "Basic b"],
        ] {
            assert_eq!(token(values), None, "{values:?}");
        }
    }
}
