//! Events by check, client, address, action and time. One condition leads through its index in the order of pages;
//! further ones are looked at event by event, of which a page examines a bounded number.

use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, Row, params};
use sallyport_core::policy::LimitRule;
use sallyport_core::{Action, Check, OverLimit};

use super::signed;
use crate::store::{EventKey, EventPage, EventQuery, EventRow, LoginFailureRow, LoginQuery, Standing};

/// Events that a page examines at most: some 20 ms. Beyond them the page ends, and the next goes on there.
const EXAMINED: usize = 10_000;

/// A page of events, as of one moment.
pub(super) fn page(reader: &Connection, query: &EventQuery) -> rusqlite::Result<EventPage> {
    let moment = reader.unchecked_transaction()?;
    let (keys, next) = keys(&moment, query)?;
    let mut detail = moment.prepare_cached(
        "SELECT r.request_id, e.client, e.address, e.session, e.action, r.enforced, e.score, e.limit_rule,
                e.limit_shadow, r.method, r.path, r.user_agent
         FROM bot_detection_events e JOIN requests r ON r.id = e.id WHERE e.id = ?1",
    )?;
    let events = keys
        .into_iter()
        .map(|key| {
            let row = detail.query_row([key.id], |row| event(row, key))?;
            Ok(EventRow { checks: checks(&moment, key.id)?, ..row })
        })
        .collect::<rusqlite::Result<_>>()?;
    Ok(EventPage { events, next })
}

/// The checks that raised the score of a decision, strongest first.
pub(super) fn checks(reader: &Connection, event: i64) -> rusqlite::Result<Vec<(Check, f32)>> {
    let sql = "SELECT check_name, points FROM failed_checks WHERE event = ?1";
    let mut statement = reader.prepare_cached(sql)?;
    let rows = statement.query_map([event], |row| Ok((row.get::<_, String>(0)?, row.get::<_, f32>(1)?)))?;
    let mut checks = Vec::new();
    for row in rows {
        let (name, points) = row?;
        checks.extend(Check::from_name(&name).map(|check| (check, points)));
    }
    checks.sort_by(|one, other| other.1.total_cmp(&one.1));
    Ok(checks)
}

/// Reads the two columns of a rate limit.
pub(super) fn over_limit(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<OverLimit>> {
    let rule = row.get::<_, Option<u8>>(first)?.and_then(LimitRule::from_u8);
    let is_shadow = row.get::<_, Option<bool>>(first + 1)?.unwrap_or(false);
    Ok(rule.map(|rule| OverLimit { rule, is_shadow }))
}

/// The newest failed logins of an account or a network.
pub(super) fn login_failures(
    reader: &Connection,
    query: LoginQuery,
    limit: u32,
) -> rusqlite::Result<Vec<LoginFailureRow>> {
    let (column, hash) = match query {
        LoginQuery::Account(hash) => ("account", hash),
        LoginQuery::Network(hash) => ("network", hash),
    };
    let hash_at = |row: &Row<'_>, at: usize| -> rusqlite::Result<u64> {
        Ok(row.get::<_, Option<i64>>(at)?.unwrap_or(0).cast_unsigned())
    };
    let login = |row: &Row<'_>| {
        Ok(LoginFailureRow {
            ts_ms: row.get(0)?,
            address: hash_at(row, 1)?,
            client: hash_at(row, 2)?,
            network: hash_at(row, 3)?,
            account: hash_at(row, 4)?,
            path: row.get(5)?,
            outcome: Standing::default(),
        })
    };
    reader.prepare_cached(&logins_sql(column))?.query_map(params![signed(hash), limit], login)?.collect()
}

pub(super) fn logins_sql(column: &str) -> String {
    format!(
        "SELECT ts_ms, address, client, network, account, path FROM failed_logins
         WHERE {column} = ?1 ORDER BY ts_ms DESC, id DESC LIMIT ?2"
    )
}

/// One lead of each kind.
#[cfg(test)]
pub(super) const LEADS: [Lead; 5] =
    [Lead::Client(1), Lead::Address(1), Lead::Check(Check::Model), Lead::Action(Action::Block), Lead::Time];

/// Which index leads, from the condition that fits the fewest events to that which fits the most.
#[derive(Clone, Copy)]
pub(super) enum Lead {
    Client(u64),
    Address(u64),
    Check(Check),
    Action(Action),
    Time,
}

impl Lead {
    fn of(query: &EventQuery) -> Self {
        let of_client = query.client.map(Self::Client).or(query.address.map(Self::Address));
        let of_check = query.check.map(Self::Check).or(query.action.map(Self::Action));
        of_client.or(of_check).unwrap_or(Self::Time)
    }

    /// Keys in the order of pages: (time, number) below (?1, ?2), time from ?3 on, ?4 what the index leads by.
    pub(super) fn sql(self) -> &'static str {
        macro_rules! sql {
            ($key:literal, $source:literal, $condition:literal) => {
                concat!(
                    "SELECT ts_ms, ",
                    $key,
                    " FROM ",
                    $source,
                    " WHERE ",
                    $condition,
                    " AND (ts_ms, ",
                    $key,
                    ") < (?1, ?2) AND ts_ms >= ?3 ORDER BY ts_ms DESC, ",
                    $key,
                    " DESC"
                )
            };
        }
        match self {
            Self::Client(_) => {
                sql!("id", "bot_detection_events INDEXED BY bot_detection_events_by_client", "client = ?4")
            }
            Self::Address(_) => {
                sql!("id", "bot_detection_events INDEXED BY bot_detection_events_by_address", "address = ?4")
            }
            Self::Action(_) => {
                sql!("id", "bot_detection_events INDEXED BY bot_detection_events_by_action", "action = ?4")
            }
            Self::Time => {
                sql!("id", "bot_detection_events INDEXED BY bot_detection_events_by_time", "?4 = 0")
            }
            Self::Check(_) => {
                sql!("event", "failed_checks INDEXED BY failed_checks_by_name", "check_name = ?4")
            }
        }
    }

    fn value(self) -> rusqlite::types::Value {
        match self {
            Self::Client(hash) | Self::Address(hash) => signed(hash).into(),
            Self::Check(check) => check.name().to_owned().into(),
            Self::Action(action) => i64::from(action as u8).into(),
            Self::Time => 0.into(),
        }
    }
}

/// The places of a page's events, and where the next page begins.
fn keys(reader: &Connection, query: &EventQuery) -> rusqlite::Result<(Vec<EventKey>, Option<EventKey>)> {
    let lead = Lead::of(query);
    let newest = EventKey { ts_ms: query.to_ms.unwrap_or(u64::MAX).min(i64::MAX as u64), id: i64::MIN };
    let below = query.after.map_or(newest, |after| after.min(newest));
    let from_ms = query.from_ms.unwrap_or(0).min(i64::MAX as u64);
    let mut rest = Rest::of(reader, query, lead)?;
    let mut statement = reader.prepare_cached(lead.sql())?;
    let mut rows = statement.query(params![below.ts_ms, below.id, from_ms, lead.value()])?;
    let (mut keys, mut examined) = (Vec::new(), 0);
    let mut last = None;
    while let Some(row) = rows.next()? {
        if keys.len() >= query.limit as usize || examined >= EXAMINED {
            return Ok((keys, last));
        }
        let key = EventKey { ts_ms: row.get(0)?, id: row.get(1)? };
        examined += 1;
        last = Some(key);
        if rest.fits(key.id)? {
            keys.push(key);
        }
    }
    Ok((keys, None))
}

/// The conditions that the leading index does not know.
struct Rest<'a> {
    client: Option<u64>,
    address: Option<u64>,
    action: Option<Action>,
    event: Option<CachedStatement<'a>>,
    check: Option<(Check, CachedStatement<'a>)>,
}

impl<'a> Rest<'a> {
    fn of(reader: &'a Connection, query: &EventQuery, lead: Lead) -> rusqlite::Result<Self> {
        let client = query.client.filter(|_| !matches!(lead, Lead::Client(_)));
        let address = query.address.filter(|_| !matches!(lead, Lead::Address(_)));
        let action = query.action.filter(|_| !matches!(lead, Lead::Action(_)));
        let check = query.check.filter(|_| !matches!(lead, Lead::Check(_)));
        let is_needed = client.is_some() || address.is_some() || action.is_some();
        let sql = "SELECT client, address, action FROM bot_detection_events WHERE id = ?1";
        let event = is_needed.then(|| reader.prepare_cached(sql)).transpose()?;
        let sql = "SELECT 1 FROM failed_checks WHERE event = ?1 AND check_name = ?2";
        let check = check.map(|check| Ok::<_, rusqlite::Error>((check, reader.prepare_cached(sql)?)));
        Ok(Self { client, address, action, event, check: check.transpose()? })
    }

    fn fits(&mut self, id: i64) -> rusqlite::Result<bool> {
        if let Some(event) = &mut self.event {
            let of = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, u8>(2)?));
            let (client, address, action) = event.query_row([id], of)?;
            let is_one = |asked: Option<u64>, found: i64| asked.is_none_or(|hash| signed(hash) == found);
            let is_action = self.action.is_none_or(|asked| asked as u8 == action);
            if !(is_one(self.client, client) && is_one(self.address, address) && is_action) {
                return Ok(false);
            }
        }
        match &mut self.check {
            Some((check, statement)) => statement.exists(params![id, check.name()]),
            None => Ok(true),
        }
    }
}

fn event(row: &Row<'_>, key: EventKey) -> rusqlite::Result<EventRow> {
    let unknown = || rusqlite::Error::InvalidColumnType(4, "action".to_owned(), Type::Integer);
    Ok(EventRow {
        key,
        request_id: row.get(0)?,
        client: row.get::<_, i64>(1)?.cast_unsigned(),
        address: row.get::<_, i64>(2)?.cast_unsigned(),
        session: row.get::<_, Option<i64>>(3)?.unwrap_or(0).cast_unsigned(),
        action: Action::from_u8(row.get(4)?).ok_or_else(unknown)?,
        enforced: row.get(5)?,
        score: row.get(6)?,
        limit: over_limit(row, 7)?,
        checks: Vec::new(),
        method: row.get(9)?,
        path: row.get(10)?,
        user_agent: row.get(11)?,
    })
}
