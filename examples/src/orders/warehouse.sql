-- A database of its own, as a warehouse is: no transaction spans it and the shop's.
CREATE TABLE IF NOT EXISTS stock (
    item   TEXT PRIMARY KEY,
    pieces INTEGER NOT NULL
) STRICT;

-- An order comes back once: the step of a return is keyed by the order, not by the call that asks for it.
CREATE TABLE IF NOT EXISTS restocked (
    order_id TEXT PRIMARY KEY,
    pieces   INTEGER NOT NULL
) STRICT;

INSERT INTO stock VALUES ('kettle', 10), ('chair', 10), ('desk', 10), ('sofa', 10), ('lamp', 10)
ON CONFLICT DO NOTHING;
