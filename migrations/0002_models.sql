-- Models: checkpoints with where they come from, which of them judges, and labels fit to learn from.

-- Nothing ever wrote a row of the first form.
DROP TABLE model_checkpoints;

-- Immutable. Number 0 is the model that ships with the program; it has no row. Numbers are never given twice.
CREATE TABLE model_checkpoints (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    created_ms       INTEGER NOT NULL,
    kind             TEXT    NOT NULL, -- 'neural', 'random_forest', 'gradient_boosting'
    features_version INTEGER NOT NULL,
    parent           INTEGER NOT NULL, -- what it went on from; 0 also where it began anew
    seed             INTEGER NOT NULL,
    source           TEXT    NOT NULL CHECK (source IN ('train', 'online', 'import')),
    made_by          TEXT    NOT NULL, -- a token's name, 'command line' or 'learner'
    note             TEXT    NOT NULL,
    data_fingerprint BLOB             CHECK (length(data_fingerprint) = 32),
    data             TEXT    NOT NULL, -- JSON: what it was trained on, in numbers
    settings         TEXT    NOT NULL, -- JSON
    metrics          TEXT    NOT NULL, -- JSON
    histograms       TEXT    NOT NULL, -- JSON: the features of the training set
    model            BLOB    NOT NULL,
    state            BLOB              -- to go on training from
);

-- Append-only: the newest row says which checkpoint judges. `restores` is set by a rollback: the promotion that
-- is in force again, 0 for the time before the first.
CREATE TABLE promotions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    ts_ms      INTEGER NOT NULL,
    checkpoint INTEGER NOT NULL,
    previous   INTEGER NOT NULL, -- the checkpoint that judged before
    restores   INTEGER,
    made_by    TEXT    NOT NULL,
    reason     TEXT    NOT NULL
);
CREATE INDEX promotions_by_checkpoint ON promotions (checkpoint);

CREATE TRIGGER model_checkpoints_are_immutable BEFORE UPDATE ON model_checkpoints
BEGIN SELECT raise(ABORT, 'a checkpoint never changes'); END;

CREATE TRIGGER promotions_are_immutable BEFORE UPDATE ON promotions
BEGIN SELECT raise(ABORT, 'a promotion never changes'); END;

CREATE TRIGGER promotions_stay BEFORE DELETE ON promotions
BEGIN SELECT raise(ABORT, 'a promotion stays'); END;

-- What judges stays, and what somebody once promoted; steps of online learning leave by number.
CREATE TRIGGER model_checkpoints_stay BEFORE DELETE ON model_checkpoints
WHEN OLD.id = (SELECT checkpoint FROM promotions ORDER BY id DESC LIMIT 1)
  OR (OLD.source <> 'online' AND EXISTS (SELECT 1 FROM promotions WHERE checkpoint = OLD.id))
BEGIN SELECT raise(ABORT, 'this checkpoint is in use'); END;

-- Who judged, what the candidate in shadow would have said (0..1), and for refused requests the model's Shapley
-- values: seven little-endian 32-bit floats, log-odds.
ALTER TABLE requests ADD COLUMN checkpoint         INTEGER;
ALTER TABLE requests ADD COLUMN shadow_probability REAL;
ALTER TABLE requests ADD COLUMN attributions       BLOB;

-- Whom a label is about and who said it: so that a client is never split between training and test, and nobody's
-- labels weigh too much. Unknown (NULL) where the request was gone when the column came.
ALTER TABLE training_data ADD COLUMN client INTEGER;
ALTER TABLE training_data ADD COLUMN token  INTEGER; -- tokens.id
ALTER TABLE training_data ADD COLUMN path   TEXT;
UPDATE training_data SET (client, path) =
    (SELECT client, path FROM requests WHERE requests.request_id = training_data.request_id ORDER BY id DESC LIMIT 1);

-- Labels that contradict the one on record, which stays. One row per request and token (0: unknown).
CREATE TABLE label_conflicts (
    request_id      BLOB    NOT NULL,
    token           INTEGER NOT NULL,
    ts_ms           INTEGER NOT NULL, -- of the newest
    times           INTEGER NOT NULL,
    recorded_is_bot INTEGER NOT NULL CHECK (recorded_is_bot IN (0, 1)),
    said_is_bot     INTEGER NOT NULL CHECK (said_is_bot IN (0, 1)),
    PRIMARY KEY (request_id, token)
) WITHOUT ROWID;
CREATE INDEX label_conflicts_by_time ON label_conflicts (ts_ms);
