//! The pipeline's face as an rmcp server handler, the same on every transport.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, header::AUTHORIZATION, request::Parts};
use rmcp::{
    RoleServer, ServerHandler,
    model::{
        CallToolRequestMethod, CallToolRequestParams, CallToolResponse, CallToolResult,
        ConstString, ContentBlock, CustomRequest, CustomResult, DiscoverRequestMethod, ErrorCode,
        ErrorData, Implementation, InitializeResultMethod, ListToolsRequestMethod, ListToolsResult,
        MetaObject, PaginatedRequestParams, PingRequestMethod, ServerCapabilities, ServerConfig,
        ServerJsonRpcMessage, ServerResult, Tool, ToolAnnotations,
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
        Self {
            card: Arc::new(Card {
                config,
                tools,
                server_info,
            }),
            face,
            reached,
        }
    }

    /// Has the pipeline refuse a call whose arguments break gate 0.
    pub(crate) async fn refuse(&self, bad: BadArguments, caller: Caller) -> ServerJsonRpcMessage {
        let BadArguments {
            id,
            tool,
            spots,
            modern,
        } = bad;
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
    async fn answered(
        &self,
        reply: BoxFuture<'_, Option<Reply>>,
    ) -> Result<CallToolResult, ErrorData> {
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
            Some(arguments) => {
                serde_json::to_vec(&arguments).map_err(|_| bad_params())?
            }
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
            InitializeResultMethod::VALUE
            | DiscoverRequestMethod::VALUE
            | PingRequestMethod::VALUE
            | ListToolsRequestMethod::VALUE
            | CallToolRequestMethod::VALUE => bad_params(),
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
