//! The entries of the allow and deny lists. Changes run on the writer and number what they change; the rest reads.

use rusqlite::types::{FromSqlError, ToSql};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use uuid::Uuid;

use crate::store::{
    ListAction, ListAddition, ListCount, ListFilter, ListKind, ListMerge, ListRow, MOST_ENTRIES,
    NewListEntry, TOMBSTONE_MS,
};

/// The counter that numbers the changes.
const REVISION: &str = "list_revision";

const COLUMNS: &str =
    "id, action, kind, value, reason, author, created_ms, updated_ms, expires_ms, deleted_ms";

/// Of what counts at `?1`.
const LIVE: &str = "deleted_ms IS NULL AND (expires_ms = 0 OR expires_ms > ?1)";

/// Puts entries on the lists, all or none.
pub(super) fn add(
    transaction: &Transaction<'_>,
    entries: &[NewListEntry],
    now_ms: u64,
) -> rusqlite::Result<ListAddition> {
    transaction.execute_batch("SAVEPOINT entries")?;
    let mut revision = revision(transaction)?;
    let mut stored = Vec::with_capacity(entries.len());
    for entry in entries {
        let known = find(transaction, entry)?;
        let live = known.as_ref().filter(|row| row.is_live(now_ms));
        stored.push(match live {
            Some(row) if row.entry == *entry => (row.id, false),
            _ => {
                revision += 1;
                // Later than what is on record, also where the clock was set back.
                let updated_ms = known.as_ref().map_or(now_ms, |row| now_ms.max(row.updated_ms + 1));
                let (id, created_ms) =
                    live.map_or_else(|| (Uuid::now_v7(), now_ms), |row| (row.id, row.created_ms));
                let row = ListRow { id, created_ms, updated_ms, deleted_ms: None, entry: entry.clone() };
                put(transaction, &row, revision)?;
                (id, live.is_none())
            }
        });
    }
    if stored.iter().any(|(_, is_new)| *is_new)
        && let Some((kind, most)) = too_many(&counts(transaction, now_ms)?)
    {
        transaction.execute_batch("ROLLBACK TO entries; RELEASE entries")?;
        return Ok(ListAddition::TooMany { kind, most });
    }
    set_revision(transaction, revision)?;
    transaction.execute_batch("RELEASE entries")?;
    Ok(ListAddition::Stored(stored))
}

/// Turns the entries that fit into tombstones.
pub(super) fn remove(
    transaction: &Transaction<'_>,
    filter: &ListFilter,
    now_ms: u64,
) -> rusqlite::Result<Vec<Uuid>> {
    let mut revision = revision(transaction)?;
    let rows = page(transaction, filter, None, u32::MAX, now_ms)?;
    for row in &rows {
        revision += 1;
        let updated_ms = now_ms.max(row.updated_ms + 1);
        let removed = ListRow { updated_ms, deleted_ms: Some(now_ms), ..row.clone() };
        put(transaction, &removed, revision)?;
    }
    set_revision(transaction, revision)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// A page of what counts, newest first.
pub(super) fn page(
    reader: &Connection,
    filter: &ListFilter,
    after: Option<Uuid>,
    limit: u32,
    now_ms: u64,
) -> rusqlite::Result<Vec<ListRow>> {
    let mut conditions = String::from(LIVE);
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(now_ms), Box::new(limit)];
    let mut also = |condition: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            values.push(value);
            conditions.push_str(" AND ");
            conditions.push_str(&condition.replace('?', &format!("?{}", values.len())));
        }
    };
    let bytes = |id: Uuid| Box::new(id.into_bytes().to_vec()) as Box<dyn ToSql>;
    let text = |text: &str| Box::new(text.to_owned()) as Box<dyn ToSql>;
    also("id < ?", after.map(bytes));
    also("id = ?", filter.id.map(bytes));
    also("action = ?", filter.action.map(|action| text(action.name())));
    also("kind = ?", filter.kind.map(|kind| text(kind.name())));
    also("value = ?", filter.value.as_deref().map(text));
    also("author = ?", filter.author.as_deref().map(text));
    let pattern = filter.contains.as_deref().map(|part| text(&containing(part)));
    also("(value LIKE ? ESCAPE '\\' OR reason LIKE ? ESCAPE '\\')", pattern);
    let sql = format!("SELECT {COLUMNS} FROM list_entries WHERE {conditions} ORDER BY id DESC LIMIT ?2");
    let mut statement = reader.prepare(&sql)?;
    let values: Vec<&dyn ToSql> = values.iter().map(AsRef::as_ref).collect();
    statement.query_map(&*values, read)?.collect()
}

/// What counts of these values.
pub(super) fn of_values(
    reader: &Connection,
    values: &[(ListKind, String)],
    now_ms: u64,
) -> rusqlite::Result<Vec<ListRow>> {
    let sql = format!("SELECT {COLUMNS} FROM list_entries WHERE {LIVE} AND kind = ?2 AND value = ?3");
    let mut statement = reader.prepare_cached(&sql)?;
    let mut found: Vec<ListRow> = Vec::new();
    for (kind, value) in values {
        for row in statement.query_map(params![now_ms, kind.name(), value], read)? {
            found.push(row?);
        }
    }
    found.sort_unstable_by_key(|row| row.id);
    Ok(found)
}

/// What changed after a revision, in the order of change.
pub(super) fn changes(reader: &Connection, after: u64, limit: u32) -> rusqlite::Result<(u64, Vec<ListRow>)> {
    let sql = format!(
        "SELECT {COLUMNS}, revision FROM list_entries WHERE revision > ?1 ORDER BY revision LIMIT ?2"
    );
    let mut statement = reader.prepare_cached(&sql)?;
    let mut last = after;
    let rows = statement.query_map(params![after, limit], |row| {
        last = row.get(10)?;
        read(row)
    })?;
    let rows = rows.collect::<rusqlite::Result<_>>()?;
    Ok((last, rows))
}

/// The number of the last change.
pub(super) fn revision(reader: &Connection) -> rusqlite::Result<u64> {
    reader.query_row("SELECT value FROM counters WHERE name = ?1", [REVISION], |row| row.get(0))
}

/// Takes what is newer than what is on record.
pub(super) fn merge(
    transaction: &Transaction<'_>,
    rows: Vec<ListRow>,
    now_ms: u64,
) -> rusqlite::Result<ListMerge> {
    let mut merge = ListMerge::default();
    let mut revision = revision(transaction)?;
    let mut room = Room::new(&counts(transaction, now_ms)?);
    for row in rows {
        match find(transaction, &row.entry)? {
            Some(known) if known.is_newer_than(&row) => merge.newer_here.push(known),
            Some(known) if known == row => {}
            None if row.is_forgotten(now_ms) => {}
            // Another entry's id: no replica makes such a thing.
            known
                if known.as_ref().is_none_or(|known| known.id != row.id)
                    && is_taken(transaction, row.id)? =>
            {
                merge.left_out += 1;
            }
            known => {
                let was_live = known.is_some_and(|known| known.is_live(now_ms));
                if !room.take(row.entry.kind, was_live, row.is_live(now_ms)) {
                    merge.left_out += 1;
                    continue;
                }
                revision += 1;
                merge.changed += 1;
                put(transaction, &row, revision)?;
            }
        }
    }
    set_revision(transaction, revision)?;
    Ok(merge)
}

/// How many count, by list and kind.
pub(super) fn counts(reader: &Connection, now_ms: u64) -> rusqlite::Result<Vec<ListCount>> {
    let sql = format!(
        "SELECT action, kind, count(*), min(nullif(expires_ms, 0)) FROM list_entries WHERE {LIVE}
         GROUP BY action, kind ORDER BY action, kind"
    );
    let mut statement = reader.prepare_cached(&sql)?;
    let rows = statement.query_map([now_ms], |row| {
        let (action, kind) = names(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?)?;
        Ok(ListCount { action, kind, entries: row.get(2)?, next_expiry_ms: row.get(3)? })
    })?;
    rows.collect()
}

/// Forgets what ended long ago.
pub(super) fn prune(transaction: &Transaction<'_>, now_ms: u64) -> rusqlite::Result<u64> {
    let sql = "DELETE FROM list_entries WHERE deleted_ms <= ?1
               OR (deleted_ms IS NULL AND expires_ms > 0 AND expires_ms <= ?1)";
    let deleted = transaction.execute(sql, [now_ms.saturating_sub(TOMBSTONE_MS)])?;
    Ok(deleted as u64)
}

/// How many entries may still come.
struct Room {
    entries: u64,
    user_agents: u64,
    paths: u64,
}

impl Room {
    fn new(counts: &[ListCount]) -> Self {
        let of = |kind: ListKind| kind.most().saturating_sub(number(counts, Some(kind)));
        let entries = MOST_ENTRIES.saturating_sub(number(counts, None));
        Self { entries, user_agents: of(ListKind::UserAgent), paths: of(ListKind::Path) }
    }

    /// Whether there is room for a change that leaves an entry live or not.
    fn take(&mut self, kind: ListKind, was_live: bool, is_live: bool) -> bool {
        let mut unlimited = u64::MAX;
        let of_kind = match kind {
            ListKind::UserAgent => &mut self.user_agents,
            ListKind::Path => &mut self.paths,
            _ => &mut unlimited,
        };
        match (was_live, is_live) {
            (false, true) if self.entries == 0 || *of_kind == 0 => return false,
            (false, true) => (self.entries, *of_kind) = (self.entries - 1, *of_kind - 1),
            (true, false) => (self.entries, *of_kind) = (self.entries + 1, of_kind.saturating_add(1)),
            _ => {}
        }
        true
    }
}

/// Of which kind there are too many, and how many there may be.
fn too_many(counts: &[ListCount]) -> Option<(Option<ListKind>, u64)> {
    let kind = ListKind::ALL
        .into_iter()
        .find(|kind| kind.most() < MOST_ENTRIES && number(counts, Some(*kind)) > kind.most());
    match kind {
        Some(kind) => Some((Some(kind), kind.most())),
        None => (number(counts, None) > MOST_ENTRIES).then_some((None, MOST_ENTRIES)),
    }
}

fn number(counts: &[ListCount], kind: Option<ListKind>) -> u64 {
    let counts = counts.iter().filter(|count| kind.is_none_or(|kind| kind == count.kind));
    counts.map(|count| count.entries).sum()
}

/// What is on record of an entry, whether it counts or not.
fn find(transaction: &Connection, entry: &NewListEntry) -> rusqlite::Result<Option<ListRow>> {
    let sql = format!("SELECT {COLUMNS} FROM list_entries WHERE kind = ?1 AND value = ?2 AND action = ?3");
    let mut statement = transaction.prepare_cached(&sql)?;
    statement.query_row(params![entry.kind.name(), entry.value, entry.action.name()], read).optional()
}

fn is_taken(transaction: &Connection, id: Uuid) -> rusqlite::Result<bool> {
    transaction.prepare_cached("SELECT 1 FROM list_entries WHERE id = ?1")?.exists([id.as_bytes().as_slice()])
}

fn put(transaction: &Connection, row: &ListRow, revision: u64) -> rusqlite::Result<()> {
    let sql = format!(
        "INSERT OR REPLACE INTO list_entries ({COLUMNS}, revision)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    );
    let NewListEntry { action, kind, value, reason, author, expires_ms } = &row.entry;
    transaction.prepare_cached(&sql)?.execute(params![
        row.id.as_bytes().as_slice(),
        action.name(),
        kind.name(),
        value,
        reason,
        author,
        row.created_ms,
        row.updated_ms,
        expires_ms,
        row.deleted_ms,
        revision,
    ])?;
    Ok(())
}

fn set_revision(transaction: &Transaction<'_>, revision: u64) -> rusqlite::Result<()> {
    let sql = "UPDATE counters SET value = ?2 WHERE name = ?1";
    transaction.execute(sql, params![REVISION, revision])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<ListRow> {
    let (action, kind) = names(row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?)?;
    Ok(ListRow {
        id: Uuid::from_bytes(row.get(0)?),
        created_ms: row.get(6)?,
        updated_ms: row.get(7)?,
        deleted_ms: row.get(9)?,
        entry: NewListEntry {
            action,
            kind,
            value: row.get(3)?,
            reason: row.get(4)?,
            author: row.get(5)?,
            expires_ms: row.get(8)?,
        },
    })
}

fn names(action: &str, kind: &str) -> Result<(ListAction, ListKind), FromSqlError> {
    let names = ListAction::from_name(action).zip(ListKind::from_name(kind));
    names.ok_or_else(|| FromSqlError::Other(format!("no list of {action} {kind}").into()))
}

/// A LIKE pattern of what contains a text.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}
