-- The first tables. Times are Unix milliseconds; `address` and `client` are keyed 64-bit hashes (as signed
-- integers), never an address; `features` are seven little-endian 32-bit floats.

-- What this deployment made once: its hash key, the version of its snapshot.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE tokens (
    id         INTEGER PRIMARY KEY,
    role       TEXT    NOT NULL CHECK (role IN ('filter', 'admin')),
    name       TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_ms INTEGER NOT NULL,
    revoked_ms INTEGER
);

-- One row per decision told; a row of a sampled decision stands for `weight` of them.
CREATE TABLE requests (
    id             INTEGER PRIMARY KEY,
    ts_ms          INTEGER NOT NULL,
    request_id     BLOB    NOT NULL, -- the 16 bytes of a UUID, or the text of another id
    address        INTEGER NOT NULL,
    client         INTEGER NOT NULL,
    action         INTEGER NOT NULL, -- 0 ALLOW, 1 MONITOR, 2 CHALLENGE, 3 RATE_LIMIT, 4 BLOCK
    enforced       INTEGER NOT NULL, -- 0: enforcement was off, so the request passed
    basis          INTEGER NOT NULL,
    source         INTEGER NOT NULL, -- 0 filter, 1 POST /check
    score          REAL    NOT NULL,
    ml_probability REAL    NOT NULL,
    weight         INTEGER NOT NULL,
    features       BLOB    NOT NULL,
    method         TEXT    NOT NULL,
    path           TEXT    NOT NULL,
    user_agent     TEXT    NOT NULL
);
CREATE INDEX requests_by_time ON requests (ts_ms);
-- Every index ends in the row's id, so the rows of a client come in the order of arrival.
CREATE INDEX requests_by_client ON requests (client);
CREATE INDEX requests_by_request_id ON requests (request_id);

-- Exact totals, also of decisions whose rows were sampled, dropped or deleted. `day` counts from 1970-01-01 UTC.
CREATE TABLE daily_totals (
    day      INTEGER NOT NULL,
    action   INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (day, action)
) WITHOUT ROWID;

CREATE VIEW daily_stats AS
SELECT date(day * 86400, 'unixepoch')                        AS day,
       sum(requests)                                         AS total_requests,
       sum(CASE WHEN action >= 2 THEN requests ELSE 0 END)   AS bot_requests,
       sum(CASE WHEN action < 2 THEN requests ELSE 0 END)    AS human_requests,
       sum(CASE WHEN action = 2 THEN requests ELSE 0 END)    AS challenged,
       sum(CASE WHEN action = 3 THEN requests ELSE 0 END)    AS rate_limited,
       sum(CASE WHEN action = 4 THEN requests ELSE 0 END)    AS blocked
FROM daily_totals
GROUP BY daily_totals.day;

-- Counts that would be slow to take from the tables.
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters VALUES ('addresses', 0), ('blocked_addresses', 0), ('training_examples', 0);

-- `good` and `bad` are counts of outcomes, decayed to `last_seen_ms`.
CREATE TABLE ip_reputation (
    address       INTEGER PRIMARY KEY,
    good          REAL    NOT NULL,
    bad           REAL    NOT NULL,
    requests      INTEGER NOT NULL,
    blocked       INTEGER NOT NULL,
    failed_logins INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL
);

CREATE TABLE failed_logins (
    id      INTEGER PRIMARY KEY,
    ts_ms   INTEGER NOT NULL,
    address INTEGER NOT NULL,
    client  INTEGER NOT NULL,
    path    TEXT    NOT NULL
);
CREATE INDEX failed_logins_by_time ON failed_logins (ts_ms);
CREATE INDEX failed_logins_by_client ON failed_logins (client, ts_ms);

-- One row per decision above ALLOW, and its reasons: "every event of this check" is a query.
CREATE TABLE bot_detection_events (
    id         INTEGER PRIMARY KEY,
    request    INTEGER NOT NULL, -- requests.id
    ts_ms      INTEGER NOT NULL,
    client     INTEGER NOT NULL, -- for the rows of a client, go by requests
    action     INTEGER NOT NULL,
    score      REAL    NOT NULL
);
CREATE INDEX bot_detection_events_by_time ON bot_detection_events (ts_ms);

CREATE TABLE failed_checks (
    event      INTEGER NOT NULL REFERENCES bot_detection_events (id) ON DELETE CASCADE,
    check_name TEXT    NOT NULL,
    points     REAL    NOT NULL, -- share of the score, in points of 0..100
    PRIMARY KEY (event, check_name)
) WITHOUT ROWID;
CREATE INDEX failed_checks_by_name ON failed_checks (check_name, event);

-- What people said about decisions, with the features of that moment.
CREATE TABLE training_data (
    id             INTEGER PRIMARY KEY,
    request_id     BLOB    NOT NULL UNIQUE,
    ts_ms          INTEGER NOT NULL, -- of the request
    created_ms     INTEGER NOT NULL,
    is_bot         INTEGER NOT NULL CHECK (is_bot IN (0, 1)),
    source         TEXT    NOT NULL, -- 'feedback'
    score          REAL    NOT NULL,
    ml_probability REAL    NOT NULL,
    features       BLOB    NOT NULL
);

-- Immutable once written, but for `active`: at most one row has it.
CREATE TABLE model_checkpoints (
    id          INTEGER PRIMARY KEY,
    created_ms  INTEGER NOT NULL,
    active      INTEGER NOT NULL DEFAULT 0 CHECK (active IN (0, 1)),
    features_version INTEGER NOT NULL,
    weights     BLOB    NOT NULL,
    metrics     TEXT    NOT NULL -- JSON
);
CREATE UNIQUE INDEX model_checkpoints_one_active ON model_checkpoints (active) WHERE active = 1;

CREATE TABLE captcha_challenges (
    id         BLOB    PRIMARY KEY,
    client     INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    solved_ms  INTEGER
) WITHOUT ROWID;
CREATE INDEX captcha_challenges_by_expiry ON captcha_challenges (expires_ms);

-- `fingerprint` is a keyed hash of what the browser told.
CREATE TABLE device_fingerprints (
    fingerprint   INTEGER NOT NULL,
    client        INTEGER NOT NULL,
    requests      INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms  INTEGER NOT NULL,
    PRIMARY KEY (fingerprint, client)
) WITHOUT ROWID;
CREATE INDEX device_fingerprints_by_time ON device_fingerprints (last_seen_ms);
