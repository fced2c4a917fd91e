//! MCP over lines: an rmcp transport that answers what rmcp would drop.
//!
//! rmcp never answers a line it cannot parse and drains for five seconds at most. Here every line that asks for an
//! answer gets one, and the end of input is told to rmcp only when all calls under way are answered.

use std::{collections::HashSet, future, io, sync::Arc, time::Duration};

use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, GetMeta, JsonRpcMessage,
        ProtocolVersion, RequestId, ServerJsonRpcMessage,
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

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
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
    fn admit(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> Result<Option<ClientJsonRpcMessage>, Refusal> {
        match &message {
            JsonRpcMessage::Request(request) => {
                if !self.in_flight.insert(request.id.clone()) {
                    return Err(Refusal::invalid(None, ID_TAKEN));
                }
                self.opened |= opens(&request.request);
                return Ok(Some(message));
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
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
            let known = meta
                .protocol_version()
                .is_some_and(|version| ProtocolVersion::KNOWN_VERSIONS.contains(&version));
            known
                && meta
                    .missing_required_keys(&ProtocolVersion::V_2026_07_28)
                    .is_empty()
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

async fn read_all(
    mut reader: impl AsyncRead + Unpin,
    to_service: mpsc::Sender<Incoming>,
) -> io::Result<()> {
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

async fn write_all(
    mut writer: impl AsyncWrite + Unpin,
    mut lines: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    while lines.recv_many(&mut batch, BATCH).await > 0 {
        writer.write_all(&batch.concat()).await?;
        writer.flush().await?;
        batch.clear();
    }
    writer.shutdown().await
}
