//! The SQL statements of the ledger, except for the schema.

/// Every wait has a timeout, and a server that freezes within a transaction blocks the others only briefly. The keep-alives of
/// the database end the connection, and so release the lock, of a dead machine.
///
/// Every query uses an index. Otherwise a plan that was made while the tables were small would scan them, and would be kept while
/// they grow.
pub(super) const SETTINGS: &str = "
    SET application_name = 'safe-tool ledger';
    SET idle_in_transaction_session_timeout = '5s';
    SET lock_timeout = '10s';
    SET statement_timeout = '20s';
    SET enable_seqscan = off;
    SET jit = off;
    SET tcp_keepalives_idle = 15;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 3";

pub(super) const DURABLE: &str = "
    SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')";

pub(super) const EPOCH: &str = "SELECT nextval('safe_tool.epochs')";

pub(super) const LOCK: &str = "SELECT pg_try_advisory_lock($1), pg_backend_pid()";

pub(super) const UNLOCK: &str = "SELECT pg_advisory_unlock_all()";

/// Takes the locks of earlier epochs, whose bodies may still run. A server that probes such a lock holds it until its transaction
/// ends. `MATERIALIZED`: each lock is tried once.
pub(super) const KEEP: &str = "
    WITH mine AS MATERIALIZED (SELECT unnest($1::bigint[]) AS e)
    SELECT e FROM mine WHERE pg_try_advisory_lock($2 | e)";

/// True when the lease has passed by the database's clock and the lock is free. The lock is released at the end of the query.
pub(super) const OVER: &str = "
    SELECT extract(epoch FROM clock_timestamp()) * 1000 > $2::bigint AND pg_try_advisory_xact_lock($1)";

/// `MATERIALIZED`: each lock is tried once.
pub(super) const PROBE: &str = "
    WITH epochs AS MATERIALIZED (SELECT unnest($1::bigint[]) AS e)
    SELECT e FROM epochs WHERE pg_try_advisory_xact_lock($2 | e)";

pub(super) const CHAIN: &str = "
    INSERT INTO safe_tool.heads (log, chain, epoch, sequence, hash, at_ms, closed)
    VALUES ($1, nextval('safe_tool.chains'), $2, 0, $3, $4, false) RETURNING chain";

/// Waits for a transaction of this server's lost connection that is still under way.
pub(super) const OWN_HEAD: &str = "SELECT sequence, hash FROM safe_tool.heads WHERE log = $1 FOR UPDATE";

pub(super) const OTHER_HEADS: &str = "
    SELECT log, sequence, hash FROM safe_tool.heads WHERE log <> $1 AND sequence > 0 ORDER BY at_ms DESC LIMIT 64";

pub(super) const LOOKUP: &str = "SELECT action::text FROM safe_tool.actions WHERE key = $1";

pub(super) const MEETINGS: &str = "SELECT slot, meeting::text FROM safe_tool.subjects WHERE slot = ANY($1)";

pub(super) const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// Epochs whose lock is free: their servers have ended or lost their connection. The locks are released at the end of the query.
pub(super) const FREE: &str = "
    WITH epochs AS MATERIALIZED (SELECT unnest($1::bigint[]) AS e)
    SELECT e FROM epochs WHERE pg_try_advisory_xact_lock($2 | e)";

/// Always in the order of the keys, so that two servers do not deadlock.
pub(super) const LOCK_KEYS: &str = "
    SELECT crashed, action::text FROM safe_tool.actions WHERE key = ANY($1) ORDER BY key FOR UPDATE";

pub(super) const LOCK_SLOTS: &str = "
    SELECT slot, meeting::text FROM safe_tool.subjects WHERE slot = ANY($1) ORDER BY slot FOR UPDATE";

/// Removes slots for which no action answers any more, except those of open actions ($1).
pub(super) const FORGET_SLOTS: &str = "
    DELETE FROM safe_tool.subjects WHERE slot IN (
        SELECT slot FROM safe_tool.subjects
        WHERE until_ms <= extract(epoch FROM clock_timestamp()) * 1000 AND json_array_length(meeting->'open') = 0
            AND slot <> ALL($1)
        ORDER BY until_ms LIMIT 500 FOR UPDATE SKIP LOCKED)";

/// Actions that have not ended, which protect the slots of their subjects.
pub(super) const OPEN: &str = "
    SELECT action::text FROM safe_tool.actions WHERE state NOT IN ('completed', 'failed')";

/// The database's time in ms, the next number of a batch, and the latest time until which any action answers.
pub(super) const TIME: &str = "
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, nextval('safe_tool.orders'),
        coalesce((SELECT max(expires_ms) FROM safe_tool.actions WHERE state IN ('completed', 'failed')), 0)";

/// Writes slots, and returns how many of the missing ones were inserted.
pub(super) const SLOTS: &str = "
    WITH new AS (SELECT slot, until_ms, meeting, held
            FROM unnest($1::bytea[], $2::bigint[], $3::text[], $4::boolean[]) AS new (slot, until_ms, meeting, held)),
        changed AS (UPDATE safe_tool.subjects AS old SET until_ms = new.until_ms, meeting = new.meeting::json
            FROM new WHERE new.held AND old.slot = new.slot),
        made AS (INSERT INTO safe_tool.subjects (slot, until_ms, meeting)
            SELECT slot, until_ms, meeting::json FROM new WHERE NOT held ORDER BY slot
            ON CONFLICT (slot) DO NOTHING RETURNING 1)
    SELECT count(*) FROM made";

pub(super) const LOCK_EXPIRED: &str = "
    SELECT crashed, action::text FROM safe_tool.actions
    WHERE state IN ('completed', 'failed') AND expires_ms <= extract(epoch FROM clock_timestamp()) * 1000
    ORDER BY expires_ms LIMIT 500 FOR UPDATE SKIP LOCKED";

pub(super) const INSERT: &str = "
    INSERT INTO safe_tool.actions (key, version, intent, state, epoch, crashed, expires_ms, action, payload)
    SELECT key, version, intent, state, epoch, crashed, expires_ms, action::json, payload
    FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::boolean[],
        $7::bigint[], $8::text[], $9::bytea[])
        AS new (key, version, intent, state, epoch, crashed, expires_ms, action, payload)
    ORDER BY key ON CONFLICT (key) DO NOTHING";

/// The result of an action that is repeated stays in its row: the action is restored if the repeat has no effect.
pub(super) const UPDATE: &str = "
    UPDATE safe_tool.actions AS old SET version = new.version, intent = new.intent, state = new.state,
        epoch = new.epoch, crashed = new.crashed, expires_ms = new.expires_ms,
        action = new.action::json, payload = CASE WHEN new.keeps THEN old.payload ELSE new.payload END
    FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::boolean[],
        $7::bigint[], $8::text[], $9::bytea[], $10::bigint[], $11::boolean[])
        AS new (key, version, intent, state, epoch, crashed, expires_ms, action, payload, replaced, keeps)
    WHERE old.key = new.key AND old.version = new.replaced";

pub(super) const DELETE: &str = "
    DELETE FROM safe_tool.actions AS old USING unnest($1::bytea[], $2::bigint[]) AS gone (key, version)
    WHERE old.key = gone.key AND old.version = gone.version";

pub(super) const RECORDS: &str = "
    INSERT INTO safe_tool.records (log, sequence, line)
    SELECT $1, sequence, line FROM unnest($2::bigint[], $3::bytea[]) AS new (sequence, line)";

/// Updates no row when another connection has written the chain, or when a proxy that pools transactions has moved this session to
/// another backend process, which does not hold the lock.
pub(super) const HEAD: &str = "
    UPDATE safe_tool.heads SET epoch = $2, sequence = $3, hash = $4, at_ms = $5, closed = $6
    WHERE log = $1 AND sequence = $7 AND pg_backend_pid() = $8";

pub(super) const STARTED_ELSEWHERE: &str = "
    SELECT key FROM safe_tool.actions WHERE state = 'started' AND epoch <> ALL($1) AND key > $2 ORDER BY key LIMIT 500";

pub(super) const LIST: &str = "
    SELECT action::text FROM safe_tool.actions WHERE state = $1 AND key > $2 ORDER BY key LIMIT $3";

pub(super) const PAYLOAD: &str = "SELECT payload, action::text FROM safe_tool.actions WHERE key = $1";

pub(super) const INTENT: &str = "
    SELECT line FROM safe_tool.records JOIN safe_tool.heads USING (log) WHERE chain = $1 AND records.sequence = $2";

pub(super) const ALL_HEADS: &str = "SELECT log, chain, sequence, hash FROM safe_tool.heads";

#[cfg(feature = "cli")]
pub(super) const ALL_CHAINS: &str = "
    SELECT log, sequence, (SELECT line FROM safe_tool.records WHERE records.log = heads.log AND records.sequence = 1)
    FROM safe_tool.heads ORDER BY chain";

#[cfg(feature = "cli")]
pub(super) const LINES_BACK: &str = "
    SELECT line FROM safe_tool.records WHERE log = $1 AND sequence <= $2 ORDER BY sequence DESC LIMIT $3";

pub(super) const ALL_LOGS: &str = "SELECT DISTINCT log FROM safe_tool.records";

pub(super) const LINES: &str = "
    SELECT sequence, line FROM safe_tool.records WHERE log = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";

pub(super) const LINE: &str = "SELECT line FROM safe_tool.records WHERE log = $1 AND sequence = $2";

/// Every action with the record of its version and the record that began it; see version.rs.
pub(super) const ALL_ACTIONS: &str = "
    SELECT key, version, state, action::text, payload,
        (SELECT line FROM safe_tool.heads JOIN safe_tool.records USING (log)
            WHERE chain = version >> 40 AND records.sequence = version & 1099511627775),
        (SELECT line FROM safe_tool.heads JOIN safe_tool.records USING (log)
            WHERE chain = intent >> 40 AND records.sequence = intent & 1099511627775),
        intent, epoch, expires_ms
    FROM safe_tool.actions WHERE key > $1 ORDER BY key LIMIT 500";
