-- Entries of the allow and deny lists that operators add while it runs; those of the configuration have no rows.

-- Addresses and ranges are the operator's own words, and enforced as they stand; of sessions and fingerprints only the
-- keyed hash is kept ('hash:' and 16 hexadecimal digits). One row per action, kind and value, whichever replica it came
-- from: the row with the greater (updated_ms, id) is the newer one. A removed entry stays as a tombstone for a while, so
-- that a replica that was away cannot bring it back.
CREATE TABLE list_entries (
    id         BLOB    NOT NULL UNIQUE CHECK (length(id) = 16), -- UUIDv7: in the order of making
    action     TEXT    NOT NULL CHECK (action IN ('allow', 'deny')),
    kind       TEXT    NOT NULL CHECK (kind IN ('address', 'range', 'session', 'fingerprint', 'user_agent', 'path')),
    value      TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    author     TEXT    NOT NULL, -- a token's name or 'command line'
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL, -- 0: never
    deleted_ms INTEGER,          -- set: a tombstone
    revision   INTEGER NOT NULL, -- grows with every change in this database
    PRIMARY KEY (kind, value, action)
);
CREATE UNIQUE INDEX list_entries_by_revision ON list_entries (revision);
-- Answers counts by itself.
CREATE INDEX list_entries_live ON list_entries (action, kind, expires_ms) WHERE deleted_ms IS NULL;

INSERT INTO counters VALUES ('list_revision', 0);
