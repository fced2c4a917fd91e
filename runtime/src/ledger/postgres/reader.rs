//! Reads a ledger in a database for operators, while servers write to it: the chains, and the redaction key.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::Future;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Error, Row};

use super::super::error::LedgerError;
use super::super::redact::Redactor;
use super::commit::{to_i64, unsigned};
use super::store::connector;
use super::{failed, said, schema, sql};

/// Records of one chain that are read at a time.
const PAGE: usize = 200;

/// A connection that only reads.
pub(crate) struct Database {
    client: Client,
    /// Drives the connection.
    runtime: Runtime,
}

/// A chain, as it was when it was read.
pub(crate) struct Chain {
    /// Its id.
    pub(crate) log: String,
    /// Sequence of its last record.
    pub(crate) last: u64,
    /// Its first record.
    first: Vec<u8>,
}

impl Database {
    /// Connects to the ledger at `url`; makes none.
    ///
    /// # Errors
    /// [`LedgerError::Database`] when the database cannot be reached or holds no ledger; [`LedgerError::Format`] for one of another
    /// version; [`LedgerError::Io`] when the runtime cannot be started.
    pub(crate) fn open(url: &str) -> Result<Database, LedgerError> {
        let connector = connector(url)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(LedgerError::io("start", "a thread of the ledger"))?;
        let client = runtime.block_on(async {
            let client = connector.client().await?;
            schema::check(&client).await?;
            Ok::<_, LedgerError>(client)
        })?;
        Ok(Database { client, runtime })
    }

    /// The key with which its servers hash sensitive arguments.
    ///
    /// # Errors
    /// [`LedgerError::Database`] when it cannot be read.
    pub(crate) fn redactor(&self) -> Result<Redactor, LedgerError> {
        self.runtime.block_on(schema::redactor(&self.client))
    }

    /// All chains, in the order in which they were begun.
    ///
    /// # Errors
    /// [`LedgerError::Database`] when they cannot be read.
    pub(crate) fn chains(&self) -> Result<Vec<Chain>, LedgerError> {
        let rows = self.ask(self.client.query(sql::ALL_CHAINS, &[]))?;
        let chain = |row: &Row| Chain {
            log: row.get(0),
            last: unsigned(row.get(1)),
            first: row.get::<_, Option<Vec<u8>>>(2).unwrap_or_default(),
        };
        Ok(rows.iter().map(chain).collect())
    }

    /// At most [`PAGE`] lines of a chain up to the record `last`, the newest first.
    ///
    /// # Errors
    /// [`LedgerError::Database`] when they cannot be read.
    pub(crate) fn back(&self, log: &str, last: u64) -> Result<Vec<Vec<u8>>, LedgerError> {
        let rows = self.ask(self.client.query(sql::LINES_BACK, &[&log, &to_i64(last), &limit()]))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Calls `each` with chain, sequence and line of every record, in order of time; the records of one chain in their order.
    ///
    /// Leaves out records that are written meanwhile. Holds a page of every chain that was written to at the same time.
    ///
    /// # Errors
    /// [`LedgerError::Database`] when the records cannot be read; else the error of `each`.
    pub(crate) fn records<E: From<LedgerError>>(
        &self,
        mut each: impl FnMut(&str, u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut chains: Vec<Reading> = self.chains()?.into_iter().map(Reading::of).collect();
        // One record of each chain, so that the order within a chain holds even if a clock was set back.
        let mut order: BinaryHeap<Reverse<(Vec<u8>, usize)>> =
            chains.iter().enumerate().map(|(place, chain)| Reverse((at(&chain.of.first).to_vec(), place))).collect();
        while let Some(Reverse((_, place))) = order.pop() {
            let Some(chain) = chains.get_mut(place) else { continue };
            chain.fill(self)?;
            let Some((sequence, line)) = chain.page.pop_front() else { continue };
            each(&chain.of.log, sequence, &line)?;
            chain.fill(self)?;
            if let Some((_, next)) = chain.page.front() {
                order.push(Reverse((at(next).to_vec(), place)));
            }
        }
        Ok(())
    }

    fn ask<T>(&self, asked: impl Future<Output = Result<T, Error>>) -> Result<T, LedgerError> {
        self.runtime.block_on(asked).map_err(|error| failed("read", said(&error)))
    }
}

/// A chain that is being read.
struct Reading {
    of: Chain,
    /// Sequence of the last record that was read.
    read: u64,
    page: VecDeque<(u64, Vec<u8>)>,
}

impl Reading {
    fn of(chain: Chain) -> Reading {
        Reading { of: chain, read: 0, page: VecDeque::new() }
    }

    /// Reads the next page if the present one is used up.
    fn fill(&mut self, database: &Database) -> Result<(), LedgerError> {
        if !self.page.is_empty() || self.read >= self.of.last {
            return Ok(());
        }
        let rows = database.ask(database.client.query(sql::LINES, &[&self.of.log, &to_i64(self.read), &limit()]))?;
        let lines = rows.iter().map(|row| (unsigned(row.get(0)), row.get(1)));
        self.page = lines.take_while(|(sequence, _)| *sequence <= self.of.last).collect();
        self.read = self.page.back().map_or(self.of.last, |(sequence, _)| *sequence);
        Ok(())
    }
}

fn limit() -> i64 {
    i64::try_from(PAGE).unwrap_or(i64::MAX)
}

/// The time of the record in `line`, as text that sorts; empty if it has none. The line is not checked otherwise.
fn at(line: &[u8]) -> &[u8] {
    const MEMBER: &[u8] = b",\"at\":\"";
    const LENGTH: usize = "2026-11-20T10:00:00.000Z".len();
    let place = line.windows(MEMBER.len()).position(|window| window == MEMBER);
    place.and_then(|place| line.get(place + MEMBER.len()..)?.get(..LENGTH)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::at;

    #[test]
    fn the_time_of_a_record_is_found_where_its_writer_puts_it() {
        let line = br#"{"hash":"00","seq":7,"prev":"00","at":"2026-11-20T10:00:00.000Z","durable":6,"arguments":{"a":1,"at":"2020"}}"#;
        assert_eq!(at(line), b"2026-11-20T10:00:00.000Z");
        assert_eq!(at(b"{\"hash\":\"00\",\"at\":\"2026"), b"");
        assert_eq!(at(b""), b"");
    }
}
