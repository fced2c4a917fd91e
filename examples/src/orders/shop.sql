-- Orders, refunds and tickets. What an action did carries the action's key under a unique constraint: done twice is refused here,
-- whoever asks and whatever became of the ledger.
CREATE TABLE IF NOT EXISTS orders (
    id         TEXT PRIMARY KEY,
    paid_cents INTEGER NOT NULL,
    item       TEXT NOT NULL,
    pieces     INTEGER NOT NULL,
    shipping   TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS refunds (
    id       INTEGER PRIMARY KEY,
    action   TEXT NOT NULL UNIQUE,
    order_id TEXT NOT NULL REFERENCES orders,
    cents    INTEGER NOT NULL,
    at       INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

CREATE TABLE IF NOT EXISTS tickets (
    id       INTEGER PRIMARY KEY,
    action   TEXT NOT NULL,
    order_id TEXT NOT NULL REFERENCES orders,
    topic    TEXT NOT NULL,
    open     INTEGER NOT NULL DEFAULT TRUE
) STRICT;
-- A ticket that was closed lets go of its key: opening it again is a new action with the same key.
CREATE UNIQUE INDEX IF NOT EXISTS open_tickets ON tickets (action) WHERE open;

INSERT INTO orders VALUES
    ('ord-1001', 12900, 'kettle', 1, 'packed'),
    ('ord-1002', 45000, 'chair', 2, 'packed'),
    ('ord-1003', 48000, 'desk', 1, 'shipped'),
    ('ord-1004', 89900, 'sofa', 1, 'shipped'),
    ('ord-1005', 7500, 'lamp', 3, 'delivered')
ON CONFLICT DO NOTHING;
