//! stdout and stderr of a command.

use std::io::{self, BufWriter, ErrorKind, Stdout, Write};

/// Where a command prints to.
pub(super) struct Output {
    stdout: BufWriter<Stdout>,
    broken: bool,
}

impl Default for Output {
    fn default() -> Output {
        Output { stdout: BufWriter::new(io::stdout()), broken: false }
    }
}

impl Output {
    /// Prints a line to stdout.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        let written = self.stdout.write_all(text.as_bytes()).and_then(|()| self.stdout.write_all(b"\n"));
        self.noticed(written)
    }

    /// Hands everything to whoever reads stdout.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let flushed = self.stdout.flush();
        self.noticed(flushed)
    }

    /// Whoever read stdout has gone, as `head` does: no failure.
    pub(super) fn nobody_reads(&self) -> bool {
        self.broken
    }

    /// Prints to stderr. What stdout got so far comes first.
    pub(super) fn complain(&mut self, text: &str) {
        let told = self.flush().and_then(|()| writeln!(io::stderr(), "safe-tool: {text}"));
        // Where nobody reads stderr, the exit code still tells.
        drop(told);
    }

    fn noticed(&mut self, result: io::Result<()>) -> io::Result<()> {
        if let Err(error) = &result {
            self.broken |= error.kind() == ErrorKind::BrokenPipe;
        }
        result
    }
}
