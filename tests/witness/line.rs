//! What a server under test and its witness say to each other: a line each way, the server first.

use super::{Verdict, Witness};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};

/// What the server tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The ledger is open.
    Ready,
    /// The ledger did not open: why.
    Refused(String),
    /// A body asks for an effect.
    Effect {
        /// The call.
        call: String,
        /// The tool.
        tool: String,
        /// What is changed.
        id: String,
    },
    /// A caller got an answer: the envelope.
    Answer(String),
    /// The server closed; whether its ledger closed too.
    Closed(bool),
}

impl Told {
    /// Reads a line; `None` when it is none of ours.
    #[must_use]
    pub fn parse(line: &str) -> Option<Told> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some(match word {
            "ready" => Told::Ready,
            "refused" => Told::Refused(rest.to_owned()),
            "effect" => {
                let mut parts = rest.split(' ').map(str::to_owned);
                Told::Effect { call: parts.next()?, tool: parts.next()?, id: parts.next()? }
            }
            "answer" => Told::Answer(rest.to_owned()),
            "closed" => Told::Closed(rest == "well"),
            _ => return None,
        })
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Told::Ready => f.write_str("ready"),
            Told::Refused(why) => write!(f, "refused {}", why.replace('\n', " ")),
            Told::Effect { call, tool, id } => write!(f, "effect {call} {tool} {id}"),
            Told::Answer(envelope) => write!(f, "answer {envelope}"),
            Told::Closed(true) => f.write_str("closed well"),
            Told::Closed(false) => f.write_str("closed badly"),
        }
    }
}

/// The word for a verdict.
#[must_use]
pub fn word(verdict: Verdict) -> String {
    match verdict {
        Verdict::Done(serial) => format!("done {serial}"),
        Verdict::NotNow => "not-now".to_owned(),
        Verdict::Lost => "lost".to_owned(),
        Verdict::Refused => "refused".to_owned(),
    }
}

/// The server's end.
pub struct Line(Mutex<BufReader<UnixStream>>);

impl Line {
    /// Speaks over `socket`.
    #[must_use]
    pub fn new(socket: UnixStream) -> Line {
        Line(Mutex::new(BufReader::new(socket)))
    }

    /// Tells the witness, and gives its answer.
    ///
    /// # Errors
    /// When the witness is gone.
    pub fn tell(&self, told: &Told) -> io::Result<String> {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One write, so that a trace shows a message as one.
        socket.get_mut().write_all(format!("{told}\n").as_bytes())?;
        let mut answer = String::new();
        match socket.read_line(&mut answer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(answer.trim_end().to_owned()),
        }
    }
}

impl Witness for std::sync::Arc<Line> {
    fn effect(&self, call: &str, tool: &str, id: &str) -> io::Result<Verdict> {
        let told = Told::Effect { call: call.to_owned(), tool: tool.to_owned(), id: id.to_owned() };
        let answer = self.tell(&told)?;
        match answer.split_once(' ').map_or((answer.as_str(), ""), |parts| parts) {
            ("done", serial) => serial.parse().map(Verdict::Done).map_err(|_| io::ErrorKind::InvalidData.into()),
            ("not-now", _) => Ok(Verdict::NotNow),
            ("lost", _) => Ok(Verdict::Lost),
            ("refused", _) => Ok(Verdict::Refused),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
