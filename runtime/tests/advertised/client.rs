//! An MCP client that sends the bytes it is told to.

use safe_tool::{Identity, Principal, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};

/// Everybody is this principal.
pub(crate) struct Everybody(pub(crate) Principal);

impl Identity for Everybody {
    fn authenticate(&self, _: Option<&str>) -> Option<Principal> {
        Some(self.0.clone())
    }
}

pub(crate) struct Client {
    answers: Lines<BufReader<ReadHalf<DuplexStream>>>,
    out: WriteHalf<DuplexStream>,
    last: u64,
}

impl Client {
    /// Serves `server` and says hello to it.
    pub(crate) async fn of<K: 'static, S: Send + Sync + 'static>(server: Server<K, S>) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 21);
        let (reader, writer) = tokio::io::split(theirs);
        tokio::spawn(server.serve_io(reader, writer));
        let (answers, out) = tokio::io::split(ours);
        let mut client = Client { answers: BufReader::new(answers).lines(), out, last: 0 };
        let hello = json!({
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "raw", "version": "0" },
        });
        client.ask("initialize", &hello.to_string()).await;
        client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        client
    }

    async fn send(&mut self, line: &str) {
        self.out.write_all(line.as_bytes()).await.unwrap();
        self.out.write_all(b"\n").await.unwrap();
    }

    /// Sends a request with parameters as raw text and answers the whole response.
    pub(crate) async fn ask(&mut self, method: &str, params: &str) -> Value {
        self.last += 1;
        let line = format!(r#"{{"jsonrpc":"2.0","id":{},"method":"{method}","params":{params}}}"#, self.last);
        self.send(&line).await;
        let answer = self.answers.next_line().await.unwrap().unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["id"], self.last, "{answer}");
        answer
    }

    /// The tools as they are published.
    pub(crate) async fn tools(&mut self) -> Vec<Value> {
        self.ask("tools/list", "{}").await["result"]["tools"].as_array().unwrap().clone()
    }

    /// Calls a tool with arguments as raw text.
    pub(crate) async fn call(&mut self, tool: &str, arguments: &str) -> Value {
        self.ask("tools/call", &format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#)).await
    }
}
