//! Who may do what on a board, and what was ordered there: a record of the room's own, and a list that only grows at its end.

use inkwire_board::StateHash;
use inkwire_protocol::AuditRecord;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::new_epoch;

/// Orders that are kept of one board; older ones are forgotten.
pub(super) const AUDIT: i64 = 500;

/// The record of a board, as [`keep`] was given it.
pub(super) fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT record FROM access WHERE board = ?1", [name], |row| row.get(0)).optional()
}

/// Keeps the record of a board, and what was ordered. From then on there is such a board, also where nothing is drawn on it:
/// its lineage is that of whoever draws first.
pub(super) fn keep(
    transaction: &Transaction<'_>,
    name: &str,
    record: &str,
    orders: &[AuditRecord],
) -> rusqlite::Result<()> {
    let board =
        "INSERT OR IGNORE INTO boards (name, epoch, seq, hash, last_author, is_open) VALUES (?1, ?2, 0, ?3, 0, 0)";
    transaction.execute(board, (name, new_epoch().0, StateHash::default().to_bytes()))?;
    transaction.execute("INSERT OR REPLACE INTO access VALUES (?1, ?2)", (name, record))?;
    for AuditRecord { at, who, what, whom } in orders {
        let insert = "INSERT INTO audit (board, at, who, what, whom) VALUES (?1, ?2, ?3, ?4, ?5)";
        transaction.execute(insert, (name, *at as i64, who, what, whom))?;
    }
    let forget = "DELETE FROM audit WHERE board = ?1 AND id <=
        (SELECT id FROM audit WHERE board = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    transaction.execute(forget, (name, AUDIT)).map(drop)
}

/// What was ordered on a board, newest first.
pub(super) fn audit(connection: &Connection, name: &str) -> rusqlite::Result<Vec<AuditRecord>> {
    let record = |row: &rusqlite::Row<'_>| {
        let (who, what, whom) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(AuditRecord { at: row.get::<_, i64>(0)? as u64, who, what, whom })
    };
    connection
        .prepare("SELECT at, who, what, whom FROM audit WHERE board = ?1 ORDER BY id DESC")?
        .query_map([name], record)?
        .collect()
}

/// Forgets all of it, for a board that is deleted.
pub(super) fn forget(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM access WHERE board = ?1", [name])?;
    transaction.execute("DELETE FROM audit WHERE board = ?1", [name]).map(drop)
}
