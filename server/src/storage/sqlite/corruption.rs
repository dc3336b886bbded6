//! The errors by which a damaged database is known.

use rusqlite::ErrorCode;

/// Whether SQLite found the database itself damaged.
pub(super) fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        // Bytes of another type or length than was written.
        || matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
        )
}

/// The error of a row that is not what was written: for all that ask, a damaged page.
pub(super) fn damaged_row() -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Null, "it is not what was written".into())
}
