-- Events that can be asked for, newest first, by check, client, address, action and time. Each index ends in the
-- time and the event's number, which together are the key that pages go by.

ALTER TABLE bot_detection_events RENAME TO events_before;
ALTER TABLE failed_checks RENAME TO checks_before;

-- One row per decision above ALLOW, and per request that went over a rate limit, also over one that only looks on.
-- `id` is that of the row in `requests`, where the rest stands; both leave together.
CREATE TABLE bot_detection_events (
    id           INTEGER PRIMARY KEY,
    ts_ms        INTEGER NOT NULL,
    client       INTEGER NOT NULL,
    address      INTEGER NOT NULL,
    session      INTEGER, -- keyed hash; NULL where there was none
    action       INTEGER NOT NULL,
    score        REAL    NOT NULL,
    limit_rule   INTEGER, -- 0 address, 1 client, 2 session, 3 page, 4 api, 5 login, 6 asset, 7 crawler
    limit_shadow INTEGER  -- 1: the rule only looked on
);
INSERT INTO bot_detection_events (id, ts_ms, client, address, action, score)
    SELECT e.request, e.ts_ms, e.client, r.address, e.action, e.score
    FROM events_before e JOIN requests r ON r.id = e.request ORDER BY e.request;

-- `ts_ms` is the event's. No foreign key: checks leave with their events, by number.
CREATE TABLE failed_checks (
    event      INTEGER NOT NULL, -- bot_detection_events.id
    check_name TEXT    NOT NULL,
    ts_ms      INTEGER NOT NULL,
    points     REAL    NOT NULL, -- share of the score, in points of 0..100
    PRIMARY KEY (event, check_name)
) WITHOUT ROWID;
INSERT INTO failed_checks (event, check_name, ts_ms, points)
    SELECT e.request, c.check_name, e.ts_ms, c.points
    FROM events_before e JOIN checks_before c ON c.event = e.id ORDER BY e.request, c.check_name;

DROP TABLE checks_before;
DROP TABLE events_before;

CREATE INDEX bot_detection_events_by_time ON bot_detection_events (ts_ms);
CREATE INDEX bot_detection_events_by_client ON bot_detection_events (client, ts_ms);
CREATE INDEX bot_detection_events_by_address ON bot_detection_events (address, ts_ms);
CREATE INDEX bot_detection_events_by_action ON bot_detection_events (action, ts_ms);
CREATE INDEX failed_checks_by_name ON failed_checks (check_name, ts_ms);

-- Whose accounts, and from which networks (IPv4 /24, IPv6 /48): keyed hashes, NULL where they are not known.
ALTER TABLE failed_logins ADD COLUMN network INTEGER;
ALTER TABLE failed_logins ADD COLUMN account INTEGER;
CREATE INDEX failed_logins_by_network ON failed_logins (network, ts_ms) WHERE network IS NOT NULL;
CREATE INDEX failed_logins_by_account ON failed_logins (account, ts_ms) WHERE account IS NOT NULL;

-- The days of GET /stats, with each action by itself.
DROP VIEW daily_stats;
CREATE VIEW daily_stats AS
SELECT date(day * 86400, 'unixepoch')                        AS day,
       sum(requests)                                         AS total_requests,
       sum(CASE WHEN action >= 2 THEN requests ELSE 0 END)   AS bot_requests,
       sum(CASE WHEN action < 2 THEN requests ELSE 0 END)    AS human_requests,
       round(100.0 * sum(CASE WHEN action >= 2 THEN requests ELSE 0 END) / max(1, sum(requests)), 2)
                                                             AS bot_percentage,
       sum(CASE WHEN action = 0 THEN requests ELSE 0 END)    AS allowed,
       sum(CASE WHEN action = 1 THEN requests ELSE 0 END)    AS monitored,
       sum(CASE WHEN action = 2 THEN requests ELSE 0 END)    AS challenged,
       sum(CASE WHEN action = 3 THEN requests ELSE 0 END)    AS rate_limited,
       sum(CASE WHEN action = 4 THEN requests ELSE 0 END)    AS blocked
FROM daily_totals
GROUP BY daily_totals.day;
