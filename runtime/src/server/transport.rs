//! MCP over lines: an rmcp transport that answers what rmcp would drop.
//!
//! rmcp never answers a line it cannot parse and drains for five seconds at most. Here every line that asks for an
//! answer gets one, and the end of input is told to rmcp only when all calls under way are answered.

use std::{collections::HashSet, future, io, sync::Arc, time::Duration};

use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, GetMeta, JsonRpcMessage, ProtocolVersion, RequestId,
        ServerJsonRpcMessage,
    },
    service::ServerInitializeError,
    transport::Transport,
};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    task::JoinError,
    time,
};
use tokio_util::sync::CancellationToken;

use super::{
    face::{Caller, Face},
    mcp::{Handler, Reached},
    wire::{BadArguments, Incoming, Inlet, Limits, Refusal},
};

/// Messages read ahead. Each may be as long as the limit.
pub(super) const INCOMING: usize = 16;

/// Answers waiting to be written. Beyond that no more is read, so a client that never reads cannot fill our memory; it
/// is large because a simple client may well write all its requests before it reads the first answer.
pub(super) const OUTGOING: usize = 16 * 1024;

/// Bytes read at once.
pub(super) const PIECE: usize = 64 * 1024;

/// Answers written at once.
pub(super) const BATCH: usize = 64;

/// How long the last answers may take to be written, once there are no more to come.
pub(super) const FLUSH: Duration = Duration::from_secs(5);

/// Serves one client over a pair of byte streams, until its input ends or `shutdown` is cancelled; then answers what is
/// under way and returns.
///
/// # Errors
/// When a stream fails. What was under way is finished all the same.
pub(crate) async fn serve_io<R, W>(
    face: Arc<dyn Face>,
    reader: R,
    writer: W,
    shutdown: CancellationToken,
) -> io::Result<()>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let (to_service, incoming) = mpsc::channel(INCOMING);
    let (outgoing, lines) = mpsc::channel(OUTGOING);
    let reading = tokio::spawn(read_all(reader, to_service));
    let writing = tokio::spawn(write_all(writer, lines));
    let served = serve_lines(face, incoming, outgoing, shutdown).await;
    reading.abort();
    let written = match time::timeout(FLUSH, writing).await {
        Ok(written) => finished(written),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    served.and(finished(reading.await)).and(written)
}

/// Runs rmcp over a reader's messages and a writer's lines.
///
/// # Errors
/// When there is no reading or writing any more before the client has opened the connection, or rmcp itself fails.
pub(super) async fn serve_lines(
    face: Arc<dyn Face>,
    incoming: mpsc::Receiver<Incoming>,
    outgoing: mpsc::Sender<Vec<u8>>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let handler = Handler::new(face, Reached::Stdio);
    let transport = Lines {
        handler: handler.clone(),
        incoming,
        outgoing,
        in_flight: HashSet::new(),
        opened: false,
        ended: false,
        shutdown,
    };
    match rmcp::serve_server(handler, transport).await {
        Ok(running) => match running.waiting().await {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("the MCP service failed")),
        },
        // The client left, or we were told to, before it had opened the connection.
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        // The error may quote messages.
        Err(_) => Err(io::Error::other("the MCP connection could not be opened")),
    }
}

/// The rmcp transport.
struct Lines {
    handler: Handler,
    incoming: mpsc::Receiver<Incoming>,
    outgoing: mpsc::Sender<Vec<u8>>,
    /// Requests rmcp has and has not answered.
    in_flight: HashSet<RequestId>,
    /// rmcp has seen the request that opens the connection.
    opened: bool,
    /// Nothing more is read.
    ended: bool,
    shutdown: CancellationToken,
}

impl Transport<RoleServer> for Lines {
    type Error = io::Error;

    fn send(&mut self, message: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        match &message {
            JsonRpcMessage::Response(response) => {
                self.in_flight.remove(&response.id);
            }
            JsonRpcMessage::Error(error) => {
                if let Some(id) = &error.id {
                    self.in_flight.remove(id);
                }
            }
            _ => {}
        }
        let line = line(&message);
        let outgoing = self.outgoing.clone();
        async move { outgoing.send(line?).await.map_err(|_| closed()) }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        while !self.ended {
            // Room for an answer is taken before a message, so that dropping this future loses neither.
            let Ok(room) = self.outgoing.clone().reserve_owned().await else {
                break;
            };
            let incoming = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => None,
                incoming = self.incoming.recv() => incoming,
            };
            match incoming {
                None => break,
                Some(Incoming::Message(message)) => match self.admit(*message) {
                    Ok(Some(message)) => return Some(message),
                    Ok(None) => {}
                    Err(refusal) => self.answer(refusal, room),
                },
                Some(Incoming::BadArguments(bad)) => self.refuse(bad, room),
                Some(Incoming::Refused(refusal)) => self.answer(refusal, room),
            }
        }
        self.ended = true;
        if !self.in_flight.is_empty() {
            // rmcp drops this future for every answer it sends and then asks again.
            future::pending::<()>().await;
        }
        None
    }

    async fn close(&mut self) -> io::Result<()> {
        self.ended = true;
        Ok(())
    }
}

impl Lines {
    /// Whether rmcp is to see this message.
    ///
    /// # Errors
    /// Refuses a request whose id is taken: of two calls with one id only one would be answered, and it would not be
    /// known which.
    fn admit(&mut self, message: ClientJsonRpcMessage) -> Result<Option<ClientJsonRpcMessage>, Refusal> {
        match &message {
            JsonRpcMessage::Request(request) => {
                if !self.in_flight.insert(request.id.clone()) {
                    return Err(Refusal::invalid(None, ID_TAKEN));
                }
                self.opened |= opens(&request.request);
                return Ok(Some(message));
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    // rmcp drops the answer of a cancelled request.
                    self.in_flight.remove(id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        // rmcp gives the connection up when anything but a request comes first.
        Ok(self.opened.then_some(message))
    }

    fn answer(&self, mut refusal: Refusal, room: Room) {
        if refusal.id.as_ref().is_some_and(|id| self.in_flight.contains(id)) {
            // The caller would take it for the answer to the call under way.
            refusal.id = None;
        }
        if refusal.answered
            && let Ok(line) = line(&refusal.into_error())
        {
            room.send(line);
        }
    }

    fn refuse(&self, bad: BadArguments, room: Room) {
        if self.in_flight.contains(&bad.id) {
            return self.answer(Refusal::invalid(None, ID_TAKEN), room);
        }
        let handler = self.handler.clone();
        tokio::spawn(async move {
            let refused = handler.refuse(bad, Caller::Stdio).await;
            if let Ok(line) = line(&refused) {
                room.send(line);
            }
        });
    }
}

/// Room for one answer. The writer does not end while there is any.
type Room = mpsc::OwnedPermit<Vec<u8>>;

const ID_TAKEN: &str = "the id belongs to a request that is under way";

/// Whether rmcp begins to serve with this request; before, it only answers.
fn opens(request: &ClientRequest) -> bool {
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
        request => {
            let meta = request.get_meta();
            let known =
                meta.protocol_version().is_some_and(|version| ProtocolVersion::KNOWN_VERSIONS.contains(&version));
            known && meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
        }
    }
}

/// A message as a line.
fn line(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

fn closed() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// What a task of ours ended with; one that was aborted had nothing left to do.
fn finished(task: Result<io::Result<()>, JoinError>) -> io::Result<()> {
    match task {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => Ok(()),
        Err(_) => Err(io::Error::other("a stream task failed")),
    }
}

async fn read_all(mut reader: impl AsyncRead + Unpin, to_service: mpsc::Sender<Incoming>) -> io::Result<()> {
    let mut inlet = Inlet::new(Limits::default());
    let mut piece = vec![0; PIECE];
    let mut read = Vec::new();
    loop {
        let count = reader.read(&mut piece).await?;
        match piece.get(..count) {
            Some(piece) if count > 0 => inlet.push(piece, &mut read),
            _ => inlet.finish(&mut read),
        }
        for incoming in read.drain(..) {
            if to_service.send(incoming).await.is_err() {
                return Ok(());
            }
        }
        if count == 0 {
            return Ok(());
        }
    }
}

async fn write_all(mut writer: impl AsyncWrite + Unpin, mut lines: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    while lines.recv_many(&mut batch, BATCH).await > 0 {
        writer.write_all(&batch.concat()).await?;
        writer.flush().await?;
        batch.clear();
    }
    writer.shutdown().await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};
    use tokio::{
        io::{BufReader, DuplexStream, Lines as TextLines, ReadHalf, WriteHalf},
        task::JoinHandle,
    };

    use super::{super::mcp::fake::FakeFace, *};

    /// A client that writes bytes.
    struct Client {
        face: Arc<FakeFace>,
        shutdown: CancellationToken,
        server: JoinHandle<io::Result<()>>,
        writer: WriteHalf<DuplexStream>,
        lines: TextLines<BufReader<ReadHalf<DuplexStream>>>,
    }

    impl Client {
        fn connect() -> Self {
            let face = FakeFace::new();
            let shutdown = CancellationToken::new();
            let (near, far) = tokio::io::duplex(1024);
            let (reader, writer) = tokio::io::split(far);
            let server = serve_io(face.clone(), reader, writer, shutdown.clone());
            let (reader, writer) = tokio::io::split(near);
            Self {
                face,
                shutdown,
                server: tokio::spawn(server),
                writer,
                lines: tokio::io::AsyncBufReadExt::lines(BufReader::new(reader)),
            }
        }

        /// Connected, and the handshake is over.
        async fn open() -> Self {
            let mut client = Self::connect();
            let params = json!({
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "t", "version": "1" },
            });
            let initialize = request("init", "initialize", &params);
            let answer = client.ask(&initialize).await;
            assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
            client.write(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
            client
        }

        async fn write(&mut self, line: &str) {
            self.writer.write_all(line.as_bytes()).await.unwrap();
            self.writer.write_all(b"\n").await.unwrap();
        }

        /// The next answer; `Null` at the end.
        async fn answer(&mut self) -> Value {
            match self.lines.next_line().await.unwrap() {
                Some(line) => serde_json::from_str(&line).unwrap(),
                None => Value::Null,
            }
        }

        async fn ask(&mut self, line: &str) -> Value {
            self.write(line).await;
            self.answer().await
        }

        /// A good call is served.
        async fn still_serves(&mut self) {
            let answer = self.ask(&call("good", "echo")).await;
            assert_eq!(answer["id"], "good");
            assert_eq!(answer["result"]["isError"], false);
        }
    }

    fn request(id: &str, method: &str, params: &Value) -> String {
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
    }

    fn call(id: &str, tool: &str) -> String {
        request(id, "tools/call", &json!({ "name": tool, "arguments": {} }))
    }

    fn call_with(arguments: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{{"name":"echo","arguments":{arguments}}}}}"#
        )
    }

    #[tokio::test]
    async fn bad_arguments_are_tool_results() {
        let mut client = Client::open().await;
        let nested = format!(r#"{{"list":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        let deep = format!("/list{} depth", "/0".repeat(61));
        for (arguments, refused) in [
            (r#"{"host_id":"a","host_id":"b"}"#, " unique_names"),
            (r#"{"host_id":"\ud800"}"#, "/host_id unicode"),
            (r#"{"list":[0,1e400]}"#, "/list/1 finite"),
            (r#"{"ignore all rules":[1e400]}"#, " finite"),
            (&nested, &deep),
        ] {
            let answer = client.ask(&call_with(arguments)).await;
            assert_eq!(answer["id"], 9);
            let result = &answer["result"];
            assert_eq!(result["isError"], true);
            assert_eq!(result["structuredContent"]["error"]["kind"], "invalid_arguments");
            let text = result["content"][0]["text"].as_str().unwrap();
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), result["structuredContent"]);
            assert_eq!(result["resultType"], Value::Null);
            assert_eq!(client.face.refused().last().unwrap(), &format!("echo: {refused}"));
            client.still_serves().await;
        }
        let unknown = call_with(r#"{"a":1,"a":2}"#).replace("echo", "missing");
        let answer = client.ask(&unknown).await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(9), &json!(-32602)));
        assert_eq!(client.face.called(), ["echo"; 5]);
    }

    #[tokio::test]
    async fn every_line_that_asks_is_answered() {
        let mut client = Client::open().await;
        let long = format!(
            r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"echo","arguments":{{"x":"{}"}}}},"id":9}}"#,
            "x".repeat(2 * 1024 * 1024),
        );
        let named = json!({ "name": 5 });
        for (line, code, id) in [
            ("hello", -32700, Value::Null),
            (r#"{"jsonrpc":"2.0","id":9,"method""#, -32700, json!(9)),
            ("[]", -32600, Value::Null),
            ("{}", -32600, Value::Null),
            (r#"{"jsonrpc":"2.0","id":9,"method":"x","params":{"a":1,"a":1}}"#, -32600, json!(9)),
            (&long, -32600, json!(9)),
            (&call_with("[]"), -32602, json!(9)),
            (&request("9", "tools/call", &named), -32602, json!("9")),
            (&request("9", "tools/list", &json!(7)), -32602, json!("9")),
            (&request("9", "secrets/steal", &json!({})), -32601, json!("9")),
            (&call("9", "missing"), -32602, json!("9")),
        ] {
            let start = &line[..line.len().min(80)];
            let answer = client.ask(line).await;
            assert_eq!(answer["error"]["code"], code, "{start}");
            assert_eq!(answer["id"], id, "{start}");
            assert!(!answer.to_string().contains("steal"));
            client.still_serves().await;
        }
        let raw = b"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"\xff\"}\n";
        client.writer.write_all(raw).await.unwrap();
        let answer = client.answer().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(9), &json!(-32700)));
        client.still_serves().await;
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_dropped() {
        let mut client = Client::open().await;
        for line in [
            "",
            "  \r",
            r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"a":1,"a":1}}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":"not a number"}}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ] {
            client.write(line).await;
            client.still_serves().await;
        }
    }

    #[tokio::test]
    async fn the_connection_survives_whatever_comes_first() {
        let mut client = Client::connect();
        client.write(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        client.write(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
        assert_eq!(client.ask("hello").await["error"]["code"], -32700);
        // Not opened yet, and without what the newest revision asks for in its place.
        assert_eq!(client.ask(&call("1", "echo")).await["error"]["code"], -32602);
        client.write(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        assert_eq!(client.ask(&request("2", "ping", &json!({}))).await["result"], json!({}));
        // A ping opens nothing.
        client.write(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;

        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": "echo", "arguments": {}, "_meta": meta });
        let answer = client.ask(&request("3", "tools/call", &params)).await;
        assert_eq!(answer["result"]["resultType"], "complete");
        let bad = request("4", "tools/call", &params).replace(r#""arguments":{}"#, r#""arguments":{"a":1,"a":1}"#);
        let answer = client.ask(&bad).await;
        assert_eq!(answer["result"]["isError"], true);
        assert_eq!(answer["result"]["resultType"], "complete");
    }

    #[tokio::test]
    async fn an_id_has_one_call() {
        let mut client = Client::open().await;
        client.write(&call("1", "slow")).await;
        client.face.started.notified().await;
        let bad = call_with(r#"{"a":1,"a":2}"#).replace(":9,", r#":"1","#);
        for line in [&call("1", "echo"), &bad, r#"{"jsonrpc":"2.0","id":"1","method":5}"#] {
            let answer = client.ask(line).await;
            assert_eq!(answer["error"]["code"], -32600);
            assert_eq!(answer["id"], Value::Null, "must not answer the call under way");
        }
        client.face.release.notify_one();
        let answer = client.answer().await;
        assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!("1"), &json!(false)));
        assert_eq!(client.face.called(), ["slow"]);
        // Answered, so it is free again; and so is that of a cancelled call.
        assert_eq!(client.ask(&call("1", "echo")).await["id"], "1");
        client.write(&call("1", "slow")).await;
        client.face.started.notified().await;
        let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"1"}}"#;
        client.write(cancel).await;
        client.face.dropped.notified().await;
        assert_eq!(client.ask(&call("1", "echo")).await["result"]["isError"], false);
    }

    #[tokio::test]
    async fn at_the_end_of_input_calls_are_finished() {
        let mut client = Client::open().await;
        client.write(&call("1", "slow")).await;
        client.face.started.notified().await;
        client.writer.write_all(br#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#).await.unwrap();
        client.writer.shutdown().await.unwrap();
        // Half a line is answered, also when it looks whole.
        let answer = client.answer().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(2), &json!(-32700)));
        assert!(!client.server.is_finished());
        client.face.release.notify_one();
        assert_eq!(client.answer().await["id"], "1");
        assert_eq!(client.answer().await, Value::Null);
        client.server.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_finished_however_long_they_take() {
        let mut client = Client::open().await;
        client.write(&call("1", "slow")).await;
        client.face.started.notified().await;
        client.shutdown.cancel();
        // Longer than rmcp itself would wait.
        time::sleep(Duration::from_secs(3600)).await;
        client.write(&call("2", "echo")).await;
        client.face.release.notify_one();
        assert_eq!(client.answer().await["id"], "1");
        assert_eq!(client.answer().await, Value::Null, "nothing is read any more");
        client.server.await.unwrap().unwrap();
        assert_eq!(client.face.called(), ["slow"]);
    }

    #[tokio::test]
    async fn a_client_may_leave_at_any_time() {
        let client = Client::connect();
        drop((client.writer, client.lines));
        client.server.await.unwrap().unwrap();

        let mut client = Client::open().await;
        client.write(&call("1", "slow")).await;
        client.face.started.notified().await;
        drop((client.writer, client.lines));
        client.face.release.notify_one();
        // The call is finished, and its answer has nowhere to go.
        assert!(client.server.await.unwrap().is_err());
        assert_eq!(client.face.called(), ["slow"]);
    }
}
