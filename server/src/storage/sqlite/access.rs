//! Rows of access and audit: a record of the room's own, and a list that only grows at its end.
//!
//! Whether a board is hosted, and the hash of its host's link, stand in its row of `boards` as well. If the record is damaged or
//! gone, they keep a private board closed, and its host can still get in.

use inkwire_board::StateHash;
use inkwire_protocol::AuditRecord;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::{checksum, corruption};
use crate::random;
use crate::storage::{AUDIT, AccessRecord, KeptAccess};

/// `boards.hosted` of a board of which nobody knows any more whether it is hosted: it is closed.
const UNKNOWN: i64 = 2;

/// Returns the access of a board, as far as the database still has it. In doubt a board is closed.
pub(super) fn find(connection: &Connection, name: &str) -> rusqlite::Result<KeptAccess> {
    match record(connection, name) {
        Ok(Some(text)) => {
            // If the row of the board is damaged, the record alone says who the host is.
            let (hosted, host_link) = hosting(connection, name).ok().flatten().unwrap_or((UNKNOWN, None));
            Ok(KeptAccess::Record(AccessRecord { text, hosted: hosted != 0, host_link }))
        }
        Ok(None) => beside_the_board(connection, name),
        Err(error) if corruption::is_corrupt(&error) => match beside_the_board(connection, name)? {
            // Formats before the fifth say nothing there.
            KeptAccess::Everybody if !super::schema::has_commits(connection)? => Ok(KeptAccess::Unreadable),
            other => Ok(other),
        },
        Err(error) => Err(error),
    }
}

/// The record of a board.
///
/// # Errors
/// The error of SQLite; a record with another checksum is a damaged page.
fn record(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    let find = format!("SELECT record, {} FROM access WHERE board = ?1", checksum::holds("board, record"));
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?));
    match connection.query_row(&find, [name], row).optional()? {
        Some((_, false)) => Err(corruption::damaged_row()),
        found => Ok(found.map(|(record, _)| record)),
    }
}

/// Whether a board is hosted, and the hash of its host's link, as its own row says; none if there is no such row.
///
/// # Errors
/// The error of SQLite; a row with another checksum is a damaged page.
fn hosting(connection: &Connection, name: &str) -> rusqlite::Result<Option<(i64, Option<[u8; 32]>)>> {
    let whole = checksum::holds(checksum::BOARD);
    let find = format!("SELECT hosted, host_link, {whole} FROM boards WHERE name = ?1");
    let row = |row: &rusqlite::Row<'_>| Ok(((row.get(0)?, row.get(1)?), row.get::<_, bool>(2)?));
    match connection.query_row(&find, [name], row).optional()? {
        Some((_, false)) => Err(corruption::damaged_row()),
        found => Ok(found.map(|(hosting, _)| hosting)),
    }
}

/// The host in the board's own row. Of a format without that, a board whose record cannot be read is closed.
fn beside_the_board(connection: &Connection, name: &str) -> rusqlite::Result<KeptAccess> {
    match hosting(connection, name) {
        Ok(None | Some((0, _))) => Ok(KeptAccess::Everybody),
        Ok(Some((1, Some(link)))) => Ok(KeptAccess::HostLink(link)),
        Ok(Some(_)) => Ok(KeptAccess::Unreadable),
        Err(error) if corruption::is_corrupt(&error) => Ok(KeptAccess::Unreadable),
        Err(error) => Err(error),
    }
}

/// Whether the records of a board about who may do what are what was written.
pub(super) fn is_whole(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let audit = format!(
        "SELECT count(*) FROM audit WHERE board = ?1 AND NOT {}",
        checksum::holds("board, at, who, what, whom")
    );
    let damaged: rusqlite::Result<i64> = connection.query_row(&audit, [name], |row| row.get(0));
    match (record(connection, name), damaged) {
        (Ok(record), Ok(damaged)) => {
            Ok(damaged == 0 && (record.is_some() || beside_the_board(connection, name)? == KeptAccess::Everybody))
        }
        (Err(error), _) | (_, Err(error)) if corruption::is_corrupt(&error) => Ok(false),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Keeps the record of a board, and what was ordered. From then on there is such a board, also where nothing is drawn on it:
/// its lineage is that of whoever draws first.
pub(super) fn keep(
    transaction: &Transaction<'_>,
    name: &str,
    record: &AccessRecord,
    orders: &[AuditRecord],
) -> rusqlite::Result<()> {
    let board =
        "INSERT OR IGNORE INTO boards (name, epoch, seq, hash, last_author, is_open) VALUES (?1, ?2, 0, ?3, 0, 1)";
    transaction.execute(board, (name, random::epoch().0, StateHash::default().to_bytes()))?;
    write(transaction, name, record)?;
    for order in orders {
        write_order(transaction, name, order)?;
    }
    let forget = "DELETE FROM audit WHERE board = ?1 AND id <=
        (SELECT id FROM audit WHERE board = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    transaction.execute(forget, (name, AUDIT as i64)).map(drop)
}

/// Writes an order behind the others of its board.
pub(super) fn write_order(transaction: &Transaction<'_>, name: &str, order: &AuditRecord) -> rusqlite::Result<()> {
    let AuditRecord { at, who, what, whom } = order;
    let insert = "INSERT INTO audit (board, at, who, what, whom, crc)
        VALUES (?1, ?2, ?3, ?4, ?5, checksum(?1, ?2, ?3, ?4, ?5))";
    transaction.execute(insert, (name, *at as i64, who, what, whom)).map(drop)
}

/// Writes the record of a board, and what its own row says of it.
fn write(transaction: &Transaction<'_>, name: &str, record: &AccessRecord) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO access (board, record, crc) VALUES (?1, ?2, checksum(?1, ?2))";
    transaction.execute(insert, (name, &record.text))?;
    host(transaction, name, i64::from(record.hosted), record.host_link)
}

/// Says in the row of a board who hosts it; see the module.
fn host(transaction: &Transaction<'_>, name: &str, hosted: i64, link: Option<[u8; 32]>) -> rusqlite::Result<()> {
    let host = "UPDATE boards SET hosted = ?2, host_link = ?3 WHERE name = ?1 RETURNING id";
    let id: i64 = transaction.query_row(host, (name, hosted, link), |row| row.get(0))?;
    checksum::seal(transaction, id)
}

/// Puts what was found of a board's access into another database, or behind a new row of the board.
pub(super) fn carry_over(transaction: &Transaction<'_>, name: &str, found: &KeptAccess) -> rusqlite::Result<()> {
    let there = "SELECT 1 FROM boards WHERE name = ?1";
    if transaction.query_row(there, [name], |_| Ok(())).optional()?.is_none() && *found != KeptAccess::Everybody {
        let board = "INSERT INTO boards (name, epoch, seq, hash, last_author, is_open) VALUES (?1, ?2, 0, ?3, 0, 0)";
        transaction.execute(board, (name, random::epoch().0, StateHash::default().to_bytes()))?;
    }
    match found {
        KeptAccess::Everybody => Ok(()),
        KeptAccess::HostLink(link) => host(transaction, name, 1, Some(*link)),
        KeptAccess::Unreadable => host(transaction, name, UNKNOWN, None),
        KeptAccess::Record(record) => write(transaction, name, record),
    }
}

/// Returns the orders on a board, newest first. An order whose row is damaged says so.
pub(super) fn audit(connection: &Connection, name: &str) -> rusqlite::Result<Vec<AuditRecord>> {
    let record = |row: &rusqlite::Row<'_>| {
        if !row.get::<_, bool>(4)? {
            let (who, what) = ("?".into(), "damaged record".into());
            return Ok(AuditRecord { at: row.get(0)?, who, what, whom: String::new() });
        }
        let (who, what, whom) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(AuditRecord { at: row.get(0)?, who, what, whom })
    };
    let whole = checksum::holds("board, at, who, what, whom");
    connection
        .prepare(&format!("SELECT at, who, what, whom, {whole} FROM audit WHERE board = ?1 ORDER BY id DESC"))?
        .query_map([name], record)?
        .collect()
}

/// Forgets all of it, for a board that is deleted.
pub(super) fn forget(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM access WHERE board = ?1", [name])?;
    transaction.execute("DELETE FROM audit WHERE board = ?1", [name]).map(drop)
}
