//! The engine in SQLite: one data directory, one writing thread with group commit, compaction in the background.

mod access;
mod batch;
mod checksum;
mod chronicle;
mod commit;
mod compaction;
mod corruption;
mod disk;
mod files;
mod images;
mod lock;
mod mark;
mod proof;
mod queue;
mod reader;
mod salvage;
mod schema;
mod wal;
mod writer;

pub(super) use disk::Disk;
pub(super) use lock::Lock;
pub use proof::Loss;
pub(super) use proof::loss;
pub(super) use reader::Reader;
pub(super) use salvage::restore;
