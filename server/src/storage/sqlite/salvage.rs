//! Salvage of a damaged database at the start of a server: it is set aside, and its good records are served.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use inkwire_protocol::ImageHash;
use rusqlite::Connection;

use super::compaction::Encoded;
use super::compaction::insert_board;
use super::files::{create_private, failed, log_of};
use super::reader::Reader;
use super::schema::{self, FILE, said_of};
use super::{access, checksum, corruption, images};
use crate::log::board_span;
use crate::random;
use crate::storage::{Archive, BoardRecord, KeptAccess, Loaded, StorageError};

/// The folder of a data directory for what was taken out of the way.
pub(super) const ASIDE: &str = "set-aside";

/// The file of a database, and those beside it.
const ENDINGS: [&str; 3] = ["", "-wal", "-shm"];

/// Every database of ours has several pages of so many bytes.
const PAGE: u64 = 4096;

/// A new name in the folder of things set aside, which is made where there is none.
///
/// # Errors
/// If the folder cannot be made.
pub(super) fn place_aside(directory: &Path, name: &str, ending: &str) -> Result<PathBuf, StorageError> {
    let folder = directory.join(ASIDE);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed(&folder))?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut places = (0..).map(|at| folder.join(format!("{name}-{}.{ending}", seconds + at)));
    Ok(places.find(|place| !place.exists()).expect("some name is free"))
}

/// Opens the database of a data directory to write, made where there is none; a damaged one is set aside first, and what
/// is good of it is put into a new one. Returns whether that was done.
///
/// # Errors
/// If the disk fails, or the file is no database of ours.
pub(super) fn open(directory: &Path) -> Result<(Connection, bool), StorageError> {
    let path = directory.join(FILE);
    if !path.exists() {
        return Ok((make(&path)?, false));
    }
    match whole(&path)? {
        Ok(connection) => Ok((connection, false)),
        Err(why) => Ok((salvage(directory, &path, &why)?, true)),
    }
}

/// Sets a log aside that does not belong to the database beside it: SQLite would put it into that. Returns where it is.
///
/// # Errors
/// If it cannot be moved.
pub(super) fn set_stray_log_aside(directory: &Path) -> Result<Option<PathBuf>, StorageError> {
    let path = directory.join(FILE);
    let log = log_of(&path);
    let is_stray = fs::metadata(&log).is_ok_and(|log| log.len() > 0) && (!path.exists() || schema::says_backup(&path));
    if !is_stray {
        return Ok(None);
    }
    let aside = place_aside(directory, "boards", "sqlite")?;
    move_log(&path, &aside)?;
    Ok(Some(log_of(&aside)))
}

/// Copies the log, as it was found; returns where the copy is.
///
/// # Errors
/// If it cannot be copied.
pub(super) fn copy_log_aside(directory: &Path) -> Result<PathBuf, StorageError> {
    let log = log_of(&directory.join(FILE));
    let copy = place_aside(directory, "boards", "sqlite-wal")?;
    fs::copy(&log, &copy).map_err(failed(&log))?;
    Ok(copy)
}

/// Moves what lies beside a database to another name.
fn move_log(path: &Path, to: &Path) -> Result<(), StorageError> {
    for ending in &ENDINGS[1..] {
        let (from, to) = (with_ending(path, ending), with_ending(to, ending));
        if from.exists() {
            fs::rename(&from, &to).map_err(failed(&from))?;
        }
    }
    Ok(())
}

/// Makes a new database under another name first: so an empty file of that name was not left by us.
fn make(path: &Path) -> Result<Connection, StorageError> {
    let new = path.with_extension("new");
    remove_all(&new);
    create_private(&new)?;
    drop(schema::open_again(&new)?);
    fs::rename(&new, path).map_err(failed(path))?;
    schema::open_to_write(path)
}

/// The database, or what is wrong with it.
fn whole(path: &Path) -> Result<Result<Connection, String>, StorageError> {
    let size = fs::metadata(path).map_err(failed(path))?.len();
    if size < PAGE {
        // SQLite would take it for a new one.
        return Ok(Err("it is shorter than a page".into()));
    }
    let connection = match schema::open_to_write(path) {
        Ok(connection) => connection,
        Err(StorageError::Engine { error, .. })
            if error.downcast_ref::<rusqlite::Error>().is_some_and(corruption::is_corrupt) =>
        {
            return Ok(Err(error.to_string()));
        }
        Err(error) => return Err(error),
    };
    let check: rusqlite::Result<String> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match check {
        Ok(found) if found == "ok" => {
            match can_be_asked(&connection).and_then(|()| Reader::broken_names(&connection)) {
                Ok(None) => Ok(Ok(connection)),
                Ok(Some(why)) => Ok(Err(why)),
                // Whatever it is that a question of ours is answered by: the tables are not those that were made.
                Err(error) => Ok(Err(error.to_string())),
            }
        }
        Ok(found) => Ok(Err(found)),
        Err(error) if corruption::is_corrupt(&error) => Ok(Err(error.to_string())),
        Err(error) => Err(said_of(path)(error)),
    }
}

/// Puts a backup in the place of a directory's database, whose lock the caller has; gives where what was there before is.
///
/// # Errors
/// If the file is no backup, or the disk fails.
pub(crate) fn restore(directory: &Path, backup: &Path) -> Result<Option<PathBuf>, StorageError> {
    let path = directory.join(FILE);
    let new = path.with_extension("new");
    remove_all(&new);
    create_private(&new)?;
    fs::copy(backup, &new).map_err(failed(backup))?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).map_err(failed(&new))?;
    // Whatever it is a copy of: what comes is a new lineage.
    let copy = schema::open_to_write(&new)?;
    schema::mark_as_backup(&copy).map_err(said_of(&new))?;
    schema::checkpoint(&copy, &new)?;
    drop(copy);
    if path.exists() {
        return put_in_place(directory, &new, &path, "replaced").map(Some);
    }
    // The log of a database that was deleted by hand.
    set_stray_log_aside(directory)?;
    fs::rename(&new, &path).map_err(failed(&path))?;
    Ok(None)
}

/// Puts a new database in the place of one, which is set aside with the log that belongs to it: SQLite would put that into
/// the new one. At every moment there is a whole one, or the old one.
fn put_in_place(directory: &Path, new: &Path, path: &Path, name: &str) -> Result<PathBuf, StorageError> {
    let aside = place_aside(directory, name, "sqlite")?;
    fs::hard_link(path, &aside).or_else(|_| fs::copy(path, &aside).map(drop)).map_err(failed(&aside))?;
    move_log(path, &aside)?;
    fs::rename(new, path).map_err(failed(path))?;
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed(directory))?;
    Ok(aside)
}

/// The check of SQLite looks at the form of the file; this one at what is in it, as far as everything else depends on it.
fn can_be_asked(connection: &Connection) -> rusqlite::Result<()> {
    for query in [
        "SELECT key, value FROM meta",
        "SELECT board, client, author, crc FROM clients",
        "SELECT board, record, crc FROM access",
        "SELECT board, at, who, what, whom, crc FROM audit",
        "SELECT board, seq, at, crc FROM moments",
        "SELECT board, author, name, crc FROM authors",
        "SELECT board, first_seq, last_seq, hash, crc, is_packed, bytes FROM log",
        "SELECT board, seq, part, crc, bytes FROM snapshots",
    ] {
        connection.prepare(query)?;
    }
    if !schema::has_all_tables(connection)? {
        return Err(corruption::damaged_row());
    }
    schema::position(connection)?;
    connection.prepare(&BoardRecord::query(""))?.query_map([], BoardRecord::of)?.try_for_each(|record| record.map(drop))
}

fn salvage(directory: &Path, path: &Path, why: &str) -> Result<Connection, StorageError> {
    tracing::error!(path = %path.display(), why, "the database is damaged: what is good of it is saved");
    let copy = lengthened_copy(path).map_err(failed(path))?;
    let boards = good_boards(&copy);
    let new = path.with_extension("new");
    remove_all(&new);
    create_private(&new)?;
    save(&new, &boards)?;
    save_images(&new, &copy)?;
    save_access(&new, &copy, &boards)?;
    save_position(&new, &copy)?;
    // All of it is in the file itself before that takes the place of the other one.
    drop(schema::open_again(&new)?);
    remove_all(&copy);
    let aside = put_in_place(directory, &new, path, "boards")?;
    tracing::error!(aside = %aside.display(), boards = boards.len(), "the damaged database is set aside");
    schema::open_to_write(path)
}

/// Writes what is good of each board into a new database.
fn save(new: &Path, boards: &[(BoardRecord, Loaded)]) -> Result<(), StorageError> {
    let mut connection = schema::open_to_write(new)?;
    for (record, loaded) in boards {
        let good = loaded.board.seq();
        let _board = board_span(&record.name).entered();
        match &loaded.damage {
            None => tracing::warn!(seq = good, "saved whole, without its history"),
            Some(damage) => tracing::error!(good, of = record.seq, %damage, "saved in part"),
        }
        if good > 0 {
            let epoch = if loaded.damage.is_none() { record.epoch } else { random::epoch() };
            let transaction = connection.transaction().map_err(said_of(new))?;
            insert_board(&transaction, &record.name, epoch, &Encoded::of(&loaded.board)).map_err(said_of(new))?;
            transaction.commit().map_err(said_of(new))?;
        }
    }
    Ok(())
}

/// A copy to read from, as long as the file says that it is: SQLite reads nothing at all of one that is shorter, although
/// most of it may be there. The damaged one stays as it was found.
fn lengthened_copy(damaged: &Path) -> io::Result<PathBuf> {
    let copy = damaged.with_extension("copy");
    remove_all(&copy);
    for ending in ENDINGS {
        let from = with_ending(damaged, ending);
        if from.exists() {
            fs::copy(from, with_ending(&copy, ending))?;
        }
    }
    // The size in pages stands in bytes 28 to 31, that of a page in 16 and 17 (the SQLite file format, section 1.3).
    let mut head = [0; 32];
    let mut file = fs::OpenOptions::new().read(true).write(true).open(&copy)?;
    if file.read_exact(&mut head).is_ok() {
        let page = u64::from(u16::from_be_bytes([head[16], head[17]]));
        let pages = u64::from(u32::from_be_bytes([head[28], head[29], head[30], head[31]]));
        let (size, found) = (page * pages, file.metadata()?.len());
        // A damaged head must not make it endless.
        if (found..found.saturating_mul(1000).max(1 << 30)).contains(&size) {
            file.set_len(size)?;
        }
    }
    Ok(copy)
}

/// Removes a database with all that lies beside it: SQLite would put an old log into a new one.
fn remove_all(path: &Path) {
    for ending in ENDINGS {
        let _ = fs::remove_file(with_ending(path, ending));
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Copies who may do what and what was ordered, for every board that is named anywhere: one that was private stays so, and one of which nobody knows
/// any more is closed.
fn save_access(new: &Path, copy: &Path, boards: &[(BoardRecord, Loaded)]) -> Result<(), StorageError> {
    let Ok(reader) = Reader::of_file(copy) else { return Ok(()) };
    let mut names = reader.access_names();
    names.extend(boards.iter().map(|(record, _)| record.name.clone()));
    names.sort();
    names.dedup();
    let mut connection = schema::open_to_write(new)?;
    let transaction = connection.transaction().map_err(said_of(new))?;
    for name in names {
        let found = reader.access(&name).unwrap_or(KeptAccess::Unreadable);
        access::carry_over(&transaction, &name, &found).map_err(said_of(new))?;
        // As far as they can be read: newest first.
        let orders = reader.orders(&name).unwrap_or_default();
        for order in orders.iter().rev() {
            access::write_order(&transaction, &name, order).map_err(said_of(new))?;
        }
    }
    transaction.commit().map_err(said_of(new))
}

/// Goes on with the numbers of the commits; if they cannot be read, they begin again, and the durable mark shows a loss.
fn save_position(new: &Path, copy: &Path) -> Result<(), StorageError> {
    let Ok(reader) = schema::open_to_read(copy) else { return Ok(()) };
    if schema::is_backup(&reader).unwrap_or(false) {
        let connection = schema::open_to_write(new)?;
        schema::mark_as_backup(&connection).map_err(said_of(new))?;
    }
    let Ok(position) = schema::position(&reader) else { return Ok(()) };
    let connection = schema::open_to_write(new)?;
    let save = "UPDATE commits SET number = ?1";
    connection.execute(save, [position.number as i64]).map(drop).map_err(said_of(new))
}

/// Copies the pictures that are what they were.
fn save_images(new: &Path, copy: &Path) -> Result<(), StorageError> {
    let Ok(reader) = Reader::of_file(copy) else { return Ok(()) };
    let mut connection = schema::open_to_write(new)?;
    let transaction = connection.transaction().map_err(said_of(new))?;
    for hash in reader.image_names() {
        if let Ok(Some(image)) = reader.image(hash) {
            images::insert(&transaction, hash, &image, u64::MAX).map_err(said_of(new))?;
        }
    }
    transaction.commit().map_err(said_of(new))
}

fn good_boards(path: &Path) -> Vec<(BoardRecord, Loaded)> {
    let Ok(reader) = Reader::of_file(path) else { return Vec::new() };
    let mut good = Vec::new();
    for record in reader.readable_boards() {
        let _board = board_span(&record.name).entered();
        match reader.load(&record, None) {
            Ok(mut loaded) => {
                // Numbers that a killed server had given out are not given out again.
                let given = if record.is_open { record.reserved_author } else { record.last_author };
                let passed_over = if record.is_whole { given.saturating_sub(loaded.board.last_author()) } else { 0 };
                loaded.board.skip_authors(passed_over);
                good.push((record, loaded));
            }
            Err(error) => tracing::error!(%error, "nothing of this board can be saved"),
        }
    }
    good
}

/// Reading of a damaged database, as far as that goes.
impl Reader {
    /// The names of all pictures, as far as they can be read.
    pub(super) fn image_names(&self) -> Vec<ImageHash> {
        images::names(&self.connection)
    }

    /// The boards of a damaged database: from the first on as far as they can be read, and from the last back.
    pub(super) fn readable_boards(&self) -> Vec<BoardRecord> {
        let mut all: Vec<BoardRecord> = Vec::new();
        for (compare, order, mut id) in [(">", "ASC", i64::MIN), ("<", "DESC", i64::MAX)] {
            let query = BoardRecord::query(&format!("WHERE id {compare} ?1 ORDER BY id {order} LIMIT 1"));
            while let Some(record) = self.readable_board(&query, compare, order, &mut id)
                && !all.iter().any(|known| known.id == record.id)
            {
                id = record.id;
                let name = if record.is_whole { None } else { self.indexed_name(&record) };
                let is_whole = record.is_whole || name.is_some();
                all.push(BoardRecord { name: name.unwrap_or(record.name), is_whole, ..record });
            }
        }
        all
    }

    /// The next record of a board that can be read. One that cannot is reported: its row, not its name, is known.
    fn readable_board(&self, query: &str, compare: &str, order: &str, id: &mut i64) -> Option<BoardRecord> {
        loop {
            if let Ok(record) = self.connection.query_row(query, [*id], BoardRecord::of) {
                return Some(record);
            }
            let next = format!("SELECT id FROM boards WHERE id {compare} ?1 ORDER BY id {order} LIMIT 1");
            *id = self.connection.query_row(&next, [*id], |row| row.get(0)).ok()?;
            // Its log counts, and its name if that can be read.
            for name in ["name", "'recovered-' || id"] {
                let lenient = format!(
                    "SELECT id, {name}, zeroblob(8), 0, zeroblob(8), 0, 0, 0, 0, 1, 0, 0, 0, 0 FROM boards WHERE id = ?1"
                );
                if let Ok(record) = self.connection.query_row(&lenient, [*id], BoardRecord::of) {
                    tracing::error!(row = *id, board = record.name, "the record of a board cannot be read: its log is");
                    return Some(record);
                }
            }
        }
    }

    /// The names of the boards that have a record of who may do what, as far as they can be read from either end.
    pub(super) fn access_names(&self) -> Vec<String> {
        let read = |order: &str| -> rusqlite::Result<Vec<String>> {
            let mut query = self.connection.prepare(&format!("SELECT board FROM access ORDER BY board {order}"))?;
            let rows = query.query_map([], |row| row.get(0))?;
            Ok(rows.map_while(Result::ok).collect())
        };
        let mut names: Vec<String> =
            ["ASC", "DESC"].into_iter().flat_map(|order| read(order).unwrap_or_default()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The name that the index has of a board, if the record has its checksum with that name.
    fn indexed_name(&self, record: &BoardRecord) -> Option<String> {
        let names = "SELECT name, id FROM boards INDEXED BY sqlite_autoindex_boards_1";
        let mut names = self.connection.prepare(names).ok()?;
        let rows = names.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).ok()?;
        let (name, _) = rows.map_while(Result::ok).find(|(_, id)| *id == record.id)?;
        let with_name = format!(
            "SELECT crc = checksum({}) FROM boards NOT INDEXED WHERE id = ?1",
            checksum::BOARD.replace("name", "?2")
        );
        let fits = self.connection.query_row(&with_name, (record.id, &name), |row| row.get::<_, bool>(0));
        fits.is_ok_and(|fits| fits).then_some(name)
    }

    /// Checks the index of the boards' names; a name that has changed in one of the two is another board.
    pub(super) fn broken_names(connection: &Connection) -> rusqlite::Result<Option<String>> {
        let found: String = connection.query_row("PRAGMA integrity_check(boards)", [], |row| row.get(0))?;
        Ok((found != "ok").then_some(found))
    }
}
