//! The checksum of a row: one SQL function, so that writing a row and checking it cannot differ.

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;

/// The columns of `boards` that `boards.crc` covers. Sizes and times are left out: a wrong one loses nothing.
pub(super) const BOARD: &str =
    "name, epoch, seq, hash, last_author, reserved_author, snapshot_seq, is_open, hosted, host_link";

/// Registers `checksum(...)`: the CRC-32 of its arguments, each with its type and its length.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("checksum", -1, flags, |context| Ok(i64::from(of(context))))
}

/// Writes the checksum of a board's row behind a change of one of its columns in [`BOARD`].
pub(super) fn seal(connection: &Connection, board: i64) -> rusqlite::Result<()> {
    let seal = format!("UPDATE boards SET crc = checksum({BOARD}) WHERE id = ?1");
    connection.prepare_cached(&seal)?.execute([board]).map(drop)
}

/// The SQL condition that a row has the checksum of these columns.
pub(super) fn holds(columns: &str) -> String {
    format!("coalesce(crc = checksum({columns}), 0)")
}

fn of(context: &Context<'_>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for at in 0..context.len() {
        put(&mut hasher, context.get_raw(at));
    }
    hasher.finalize()
}

fn put(hasher: &mut crc32fast::Hasher, value: ValueRef<'_>) {
    let (tag, bytes): (u8, &[u8]) = match value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(number) => (1, &number.to_be_bytes()),
        ValueRef::Real(number) => (2, &number.to_be_bytes()),
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(blob) => (4, blob),
    };
    hasher.update(&[tag]);
    hasher.update(&(bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_tells_types_lengths_and_every_bit() {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        let of = |arguments: &str| -> i64 {
            connection.query_row(&format!("SELECT checksum({arguments})"), [], |row| row.get(0)).unwrap()
        };
        let all = ["1", "'1'", "x'31'", "NULL", "1, 2", "12", "'a', 'bc'", "'ab', 'c'", "3", "''"];
        let different: std::collections::BTreeSet<i64> = all.iter().map(|arguments| of(arguments)).collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(of("'ab', 7"), of("'ab', 7"));
    }
}
