//! The database: how it is opened, its tables, and how an older one becomes a current one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction};

use super::files::log_of;
use super::mark::Position;
use super::{checksum, corruption};
use crate::random;
use crate::storage::StorageError;

/// The file of a data directory that holds its boards.
pub(super) const FILE: &str = "boards.sqlite";
/// Says in the file's head that it is ours (`PRAGMA application_id`): "ink1".
const APPLICATION_ID: i64 = 0x696e_6b31;
/// The format that this program writes (`PRAGMA user_version`).
const VERSION: i64 = MIGRATIONS.len() as i64;
/// Maximum wait of one process for another that writes: a backup, or a command beside a running server.
const BUSY: Duration = Duration::from_secs(5);

/// Migrations: each makes format n + 1 of format n; the first makes the tables.
///
/// `log` holds the whole history of a board: rows of about one commit each, which compaction packs (deflate) behind its
/// back. `snapshots` is the board at `boards.snapshot_seq`, in parts, so that it is never held in memory at once. `images`
/// are the bytes of the pictures of all boards, by their SHA-256; the second format brought them. The third brought who may
/// do what (`access`, `audit`, by the name of a board), and when a log was drawn and by whom. The fourth says that a board that
/// has a host is one of `boards` before it has any ink. The fifth brought checksums for the rows that had none, who hosts a board
/// a second time (`boards.hosted`, `boards.host_link`), reserved author numbers, and the number of the last commit.
const MIGRATIONS: [&str; 5] = [
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE boards (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        epoch BLOB NOT NULL,
        seq INTEGER NOT NULL,
        hash BLOB NOT NULL,
        last_author INTEGER NOT NULL,
        snapshot_seq INTEGER NOT NULL DEFAULT 0,
        snapshot_bytes INTEGER NOT NULL DEFAULT 0,
        tail_bytes INTEGER NOT NULL DEFAULT 0,
        is_open INTEGER NOT NULL DEFAULT 1,
        created INTEGER NOT NULL DEFAULT (unixepoch()),
        changed INTEGER NOT NULL DEFAULT (unixepoch())
    );
    CREATE TABLE clients (
        board INTEGER NOT NULL, client BLOB NOT NULL, author INTEGER NOT NULL, PRIMARY KEY (board, client)
    ) WITHOUT ROWID;
    CREATE TABLE log (
        board INTEGER NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, hash BLOB NOT NULL,
        crc INTEGER NOT NULL, is_packed INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (board, first_seq)
    );
    CREATE TABLE snapshots (
        board INTEGER NOT NULL, seq INTEGER NOT NULL, part INTEGER NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL,
        PRIMARY KEY (board, seq, part)
    );
",
    "
    CREATE TABLE images (hash BLOB PRIMARY KEY, size INTEGER NOT NULL, media_type TEXT NOT NULL, bytes BLOB NOT NULL);
",
    "
    CREATE TABLE access (board TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY, board TEXT NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, whom TEXT NOT NULL
    );
    CREATE INDEX audit_of_board ON audit (board, id);
    CREATE TABLE moments (
        board INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (board, seq)
    ) WITHOUT ROWID;
    CREATE TABLE authors (
        board INTEGER NOT NULL, author INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (board, author)
    ) WITHOUT ROWID;
",
    "
    INSERT OR IGNORE INTO boards (name, epoch, seq, hash, last_author, is_open)
        SELECT board, randomblob(8), 0, zeroblob(8), 0, 0 FROM access;
",
    "
    ALTER TABLE boards ADD COLUMN reserved_author INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE boards ADD COLUMN hosted INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE boards ADD COLUMN host_link BLOB;
    ALTER TABLE boards ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE access ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE audit ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE clients ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE moments ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE authors ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
    UPDATE boards SET reserved_author = last_author + iif(is_open, 256, 0), hosted = coalesce((
        SELECT iif(json_valid(record), json_extract(record, '$.hosted'), 2) FROM access WHERE board = name), 0);
    UPDATE boards SET crc = checksum(
        name, epoch, seq, hash, last_author, reserved_author, snapshot_seq, is_open, hosted, host_link);
    UPDATE access SET crc = checksum(board, record);
    UPDATE audit SET crc = checksum(board, at, who, what, whom);
    UPDATE clients SET crc = checksum(board, client, author);
    UPDATE moments SET crc = checksum(board, seq, at);
    UPDATE authors SET crc = checksum(board, author, name);
    CREATE TABLE commits (id INTEGER PRIMARY KEY CHECK (id = 1), database BLOB NOT NULL, number INTEGER NOT NULL);
    INSERT INTO commits VALUES (1, randomblob(16), 0);
",
];

/// Shows an older database to a reader as if it were current: each table with the columns that it lacks. The number in front is
/// the format that brought the table.
const OLDER: [(i64, &str); 6] = [
    (
        1,
        "CREATE TEMP VIEW boards AS SELECT *, last_author AS reserved_author, 0 AS hosted, NULL AS host_link, checksum(
            name, epoch, seq, hash, last_author, last_author, snapshot_seq, is_open, 0, NULL) AS crc FROM main.boards",
    ),
    (1, "CREATE TEMP VIEW clients AS SELECT *, checksum(board, client, author) AS crc FROM main.clients"),
    (3, "CREATE TEMP VIEW access AS SELECT *, checksum(board, record) AS crc FROM main.access"),
    (3, "CREATE TEMP VIEW audit AS SELECT *, checksum(board, at, who, what, whom) AS crc FROM main.audit"),
    (3, "CREATE TEMP VIEW moments AS SELECT *, checksum(board, seq, at) AS crc FROM main.moments"),
    (3, "CREATE TEMP VIEW authors AS SELECT *, checksum(board, author, name) AS crc FROM main.authors"),
];

/// SQLite's own error, with the file that it is about.
pub(super) fn said_of(path: &Path) -> impl Fn(rusqlite::Error) -> StorageError + use<> {
    let path = path.to_owned();
    move |error| StorageError::Engine { path: path.clone(), error: Arc::new(error) }
}

/// Opens a database to write, makes it where there is none, and brings it to the current format.
///
/// # Errors
/// If it cannot be opened or written, is of a later format, or is something else.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, StorageError> {
    let said = said_of(path);
    let mut connection = Connection::open(path).map_err(&said)?;
    connection.busy_timeout(BUSY).map_err(&said)?;
    checksum::register(&connection).map_err(&said)?;
    let version = version(&connection, path)?;
    if version == 0 {
        // Before there is any table, or it does nothing.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").map_err(&said)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(&said)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(&said)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(&said)?;
    connection.pragma_update(None, "journal_size_limit", 4 * 1024 * 1024).map_err(&said)?;
    if version < VERSION {
        let transaction = connection.transaction().map_err(&said)?;
        for migration in &MIGRATIONS[version as usize..] {
            transaction.execute_batch(migration).map_err(&said)?;
        }
        transaction.pragma_update(None, "user_version", VERSION).map_err(&said)?;
        transaction.commit().map_err(&said)?;
    }
    Ok(connection)
}

/// Opens a database again after a commit has failed. What its write-ahead log has may not be on the disk, whatever a later
/// sync says: so all of it is brought into the database, and synced there, before anything else counts.
///
/// # Errors
/// As [`open_to_write`], or where the disk still takes nothing.
pub(super) fn open_again(path: &Path) -> Result<Connection, StorageError> {
    let connection = open_to_write(path)?;
    checkpoint(&connection, path)?;
    Ok(connection)
}

/// Opens a database that is there, to read, also while a server writes it.
///
/// # Errors
/// As [`open_to_write`].
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StorageError> {
    let said = said_of(path);
    // A file without a current -shm can only be read by somebody who may make one, so writing is not ruled out here.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&said)?;
    connection.busy_timeout(BUSY).map_err(&said)?;
    // The next server wants to see the log as it was left.
    let has_log = std::fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log).map_err(&said)?;
    checksum::register(&connection).map_err(&said)?;
    let version = version(&connection, path)?;
    if version == 0 {
        return Err(StorageError::NotBoards { path: path.into() });
    }
    // An older one has what is asked of it, but for pictures.
    for (since, view) in OLDER.iter().filter(|_| version < VERSION) {
        if version >= *since {
            connection.execute_batch(view).map_err(&said)?;
        } else if let Some((head, _)) = view.split_once(" AS SELECT") {
            // A table that came later is an empty one.
            let columns =
                "NULL AS board, NULL AS record, NULL AS at, NULL AS who, NULL AS what, NULL AS whom, NULL AS seq,
                NULL AS author, NULL AS name, NULL AS id, NULL AS crc";
            connection.execute_batch(&format!("{head} AS SELECT {columns} WHERE 0")).map_err(&said)?;
        }
    }
    connection.pragma_update(None, "query_only", true).map_err(&said)?;
    Ok(connection)
}

/// The format of a database; 0 for an empty one.
fn version(connection: &Connection, path: &Path) -> Result<i64, StorageError> {
    let said = said_of(path);
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(&said);
    let version = number("user_version")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).map_err(&said)?;
    if tables > 0 && number("application_id")? != APPLICATION_ID {
        return Err(StorageError::NotBoards { path: path.into() });
    }
    if version > VERSION {
        return Err(StorageError::Newer { path: path.into(), found: version, known: VERSION });
    }
    Ok(version)
}

/// Whether a database is a restored backup.
///
/// # Errors
/// The error of SQLite.
pub(super) fn is_backup(connection: &Connection) -> rusqlite::Result<bool> {
    let found = connection.query_row("SELECT 1 FROM meta WHERE key = 'backup'", [], |_| Ok(()));
    found.optional().map(|found| found.is_some())
}

/// Brings all of the log into the database.
///
/// # Errors
/// The error of SQLite, or that somebody reads the database meanwhile.
pub(super) fn checkpoint(connection: &Connection, path: &Path) -> Result<(), StorageError> {
    let busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(said_of(path))?;
    if busy { Err(StorageError::Order(format!("{} is being read; try again", path.display()))) } else { Ok(()) }
}

/// Whether a database file says by itself, without any log beside it, that it is a backup.
pub(super) fn says_backup(path: &Path) -> bool {
    let address = format!("file:{}?immutable=1", path.display().to_string().replace('%', "%25").replace('?', "%3f"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let Ok(connection) = Connection::open_with_flags(address, flags) else { return false };
    is_backup(&connection).unwrap_or(false)
}

/// Begins a new lineage of every board, in a database that has another name from now on; returns how many there are.
///
/// # Errors
/// The error of SQLite.
pub(super) fn begin_new_lineages(connection: &mut Connection) -> rusqlite::Result<usize> {
    let transaction = connection.transaction()?;
    let ids: Vec<i64> = transaction
        .prepare("SELECT id FROM boards")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    // A row that is damaged stays so, and is seen when its board is opened.
    let renew = format!(
        "UPDATE boards SET epoch = ?2, crc = iif({}, checksum({}), crc) WHERE id = ?1",
        checksum::holds(checksum::BOARD),
        checksum::BOARD.replace("epoch", "?2"),
    );
    for id in &ids {
        transaction.execute(&renew, (id, random::epoch().0))?;
    }
    transaction.execute("DELETE FROM meta WHERE key = 'backup'", [])?;
    transaction.execute("UPDATE commits SET database = randomblob(16)", [])?;
    transaction.commit()?;
    Ok(ids.len())
}

/// Whether a current database has every table and index as the migrations make them: a letter that has changed in one would be
/// met only when it is used.
///
/// # Errors
/// The error of SQLite.
pub(super) fn has_all_tables(connection: &Connection) -> rusqlite::Result<bool> {
    let fresh = Connection::open_in_memory()?;
    checksum::register(&fresh)?;
    MIGRATIONS.iter().try_for_each(|migration| fresh.execute_batch(migration))?;
    let (expected, found) = (tables(&fresh)?, tables(connection)?);
    Ok(expected.iter().all(|table| found.contains(table)))
}

/// The name of each table and index, and the statement that made it.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let mut tables = connection.prepare("SELECT name, sql FROM sqlite_master")?;
    let rows = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Whether a database is of a format that numbers its commits.
///
/// # Errors
/// The error of SQLite.
pub(super) fn has_commits(connection: &Connection) -> rusqlite::Result<bool> {
    let found = "SELECT count(*) FROM main.sqlite_master WHERE name = 'commits'";
    connection.query_row(found, [], |row| row.get(0))
}

/// Raises the number of the last commit, which is a part of that commit; returns it.
///
/// # Errors
/// The error of SQLite.
pub(super) fn raise(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    let raise = "UPDATE commits SET number = number + 1 RETURNING number";
    transaction.prepare_cached(raise)?.query_row([], |row| row.get(0))
}

/// The position of a database in its own commits.
///
/// # Errors
/// The error of SQLite, or that the number is damaged: no server comes to one that has no next.
pub(super) fn position(connection: &Connection) -> rusqlite::Result<Position> {
    let query = "SELECT database, number FROM commits";
    let position =
        connection.query_row(query, [], |row| Ok(Position { database: row.get(0)?, number: row.get(1)? }))?;
    if position.number >= i64::MAX as u64 / 2 { Err(corruption::damaged_row()) } else { Ok(position) }
}

/// Says in a copy that it is one; see [`begin_new_lineages`].
///
/// # Errors
/// The error of SQLite.
pub(super) fn mark_as_backup(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('backup', datetime('now'))", [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::reader::Reader;
    use super::*;
    use crate::storage::Archive;

    #[test]
    fn a_board_that_had_a_host_and_no_ink_in_the_third_format_is_a_board_in_the_fourth() {
        let path = std::env::temp_dir().join(format!("inkwire-schema-{}.sqlite", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let old = Connection::open(&path).unwrap();
        MIGRATIONS[..3].iter().for_each(|migration| old.execute_batch(migration).unwrap());
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        old.pragma_update(None, "user_version", 3).unwrap();
        old.execute("INSERT INTO access VALUES ('planned', '{}')", []).unwrap();
        drop(old);
        drop(open_to_write(&path).unwrap());
        let reader = Reader::of_file(&path).unwrap();
        let record = reader.record("planned").unwrap().expect("it is listed");
        let loaded = reader.load(&record, None).unwrap();
        assert_eq!((loaded.board.seq(), loaded.damage, record.hash), (0, None, loaded.board.hash()));
        ["", "-wal", "-shm"].iter().for_each(|end| _ = std::fs::remove_file(format!("{}{end}", path.display())));
    }
}
