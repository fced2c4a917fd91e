-- Format 1. Whoever may write here owns the ledger: grant it to the servers' role only.

CREATE SCHEMA safe_tool;

CREATE TABLE safe_tool.settings (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    format     bigint NOT NULL,
    -- Key of the hashes of sensitive arguments: all servers must agree on them.
    redact_key bytea NOT NULL CHECK (length(redact_key) = 32)
);

-- What a version has room for: see version.rs. A server takes one number when it starts.
CREATE SEQUENCE safe_tool.chains MAXVALUE 8388607 NO CYCLE;

-- A server takes one number for every connection that it writes on.
CREATE SEQUENCE safe_tool.epochs MAXVALUE 1099511627775 NO CYCLE;

-- The last record of every server's chain.
CREATE TABLE safe_tool.heads (
    log      text PRIMARY KEY,
    chain    bigint NOT NULL UNIQUE,
    epoch    bigint NOT NULL,
    sequence bigint NOT NULL,
    hash     bytea NOT NULL CHECK (length(hash) = 32),
    at_ms    bigint NOT NULL,
    closed   boolean NOT NULL
);

-- The records, each as the line of a journal (without its line break).
CREATE TABLE safe_tool.records (
    log      text NOT NULL,
    sequence bigint NOT NULL,
    line     bytea NOT NULL,
    PRIMARY KEY (log, sequence)
);

-- The actions. The columns beside `action` are what is looked for.
CREATE TABLE safe_tool.actions (
    key        bytea PRIMARY KEY CHECK (length(key) = 32),
    -- The record that changed it last, and the one that began it.
    version    bigint NOT NULL,
    intent     bigint NOT NULL,
    state      text NOT NULL CHECK (state IN ('awaiting_approval', 'started', 'completed', 'failed', 'in_doubt')),
    -- Of the connection it was started on; set while it is started.
    epoch      bigint CHECK ((state = 'started') = (epoch IS NOT NULL)),
    -- In doubt because its server was gone: an outcome that this server has all the same settles it.
    crashed    boolean NOT NULL CHECK (state = 'in_doubt' OR NOT crashed),
    expires_ms bigint,
    action     json NOT NULL,
    -- The stored result of a completed action, byte for byte.
    payload    bytea
);

CREATE INDEX actions_unsettled ON safe_tool.actions (state, key) WHERE state NOT IN ('completed', 'failed');
CREATE INDEX actions_expires ON safe_tool.actions (expires_ms) WHERE state IN ('completed', 'failed');

-- A number for each batch: the order in which actions began and ended, whichever server ran them.
CREATE SEQUENCE safe_tool.orders MAXVALUE 140737488355327 NO CYCLE;

-- The subjects of actions, and the actions that meet there.
CREATE TABLE safe_tool.subjects (
    slot     bytea PRIMARY KEY CHECK (length(slot) = 16),
    -- Remembered at least until then.
    until_ms bigint NOT NULL,
    meeting  json NOT NULL
);

CREATE INDEX subjects_until ON safe_tool.subjects (until_ms);

-- Acknowledged records that a server found missing, after a failover to a standby that was behind. While one is not accepted
-- by an operator, servers start nothing.
CREATE TABLE safe_tool.set_backs (
    log      text PRIMARY KEY,
    -- The newest record of the chain that is known to be missing.
    sequence bigint NOT NULL,
    noticed  timestamptz NOT NULL DEFAULT now(),
    accepted boolean NOT NULL DEFAULT false
);
