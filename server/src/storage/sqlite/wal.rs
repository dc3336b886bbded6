//! Inspects a write-ahead log before SQLite reads it: whole, torn at its end, or damaged with commits behind.
//!
//! SQLite ends reading at the first frame whose checksum does not fit, and says nothing of it (the SQLite file format,
//! section 4.5). That is right for a write that was under way when the power went, and wrong for a bit that has turned.

use std::io::{self, Read};

/// The header of the file and that of a frame, in bytes (sections 4.1 and 4.2).
const HEADER: usize = 32;
const FRAME: usize = 24;

/// The state of a write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every frame of the current salt is good.
    Whole,
    /// The last transaction is not whole: it was being written, and nobody was told that it is durable.
    Torn,
    /// A frame is damaged, and transactions behind it were begun after it was on the disk.
    Damaged {
        /// The number of the first frame that is not good, from 1.
        frame: u64,
        /// The commits that SQLite will pass over, at least.
        commits: u64,
    },
}

/// Reads a write-ahead log from its beginning.
///
/// # Errors
/// If it cannot be read.
pub(super) fn inspect(mut log: impl Read) -> io::Result<Verdict> {
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(Verdict::Whole);
    }
    let page = number(&header, 8) as usize;
    let sums = sums_of(&header);
    let is_log = number(&header, 0) & !1 == 0x377f_0682 && page.is_power_of_two() && (512..=65_536).contains(&page);
    if !is_log || sums.add([0, 0], &header[..24]) != pair(&header, 24) {
        return behind(log, if is_log { page } else { 4096 }, None);
    }
    let (salt, mut running, mut frame) = (pair(&header, 16), pair(&header, 24), 1);
    let mut bytes = vec![0; FRAME + page];
    while fill(&mut log, &mut bytes)? {
        let next = sums.add(sums.add(running, &bytes[..8]), &bytes[FRAME..]);
        if pair(&bytes, 8) != salt || pair(&bytes, 16) != next {
            let first = Frame { salt: pair(&bytes, 8), is_commit: number(&bytes, 4) != 0 };
            return behind(log, page, Some((frame, salt, first)));
        }
        (running, frame) = (next, frame + 1);
    }
    Ok(Verdict::Whole)
}

struct Frame {
    salt: [u32; 2],
    is_commit: bool,
}

/// The verdict on what follows a frame that does not fit, or a header that does not. A transaction is begun only after the one
/// before it has been synced: so a second commit of the same salt proves that the first one was on the disk.
fn behind(mut log: impl Read, page: usize, bad: Option<(u64, [u32; 2], Frame)>) -> io::Result<Verdict> {
    let mut bytes = vec![0; FRAME + page];
    let (mut commits, mut frames) = (0, 0);
    let (number_of_bad, mut salt) = match bad {
        // A header that is damaged does not tell the salt: the first frame does.
        None => (0, None),
        Some((number, salt, first)) => {
            let is_of_salt = first.salt == salt;
            commits += u64::from(first.is_commit && is_of_salt);
            frames += u64::from(is_of_salt);
            (number, Some(salt))
        }
    };
    while fill(&mut log, &mut bytes)? {
        let of_frame = pair(&bytes, 8);
        if *salt.get_or_insert(of_frame) == of_frame {
            frames += 1;
            commits += u64::from(number(&bytes, 4) != 0);
        }
    }
    let is_headless = number_of_bad == 0;
    Ok(match (frames, commits) {
        (0, _) => Verdict::Whole,
        (_, 0 | 1) if !is_headless => Verdict::Torn,
        (_, commits) => Verdict::Damaged { frame: number_of_bad, commits },
    })
}

/// Fills a buffer; false if the file ends before.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| true),
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn pair(bytes: &[u8], at: usize) -> [u32; 2] {
    [number(bytes, at), number(bytes, at + 4)]
}

/// The order of bytes in which checksums are computed (section 4.2: the last bit of the magic number).
#[derive(Clone, Copy)]
struct Sums {
    is_big_endian: bool,
}

fn sums_of(header: &[u8; HEADER]) -> Sums {
    Sums { is_big_endian: number(header, 0) & 1 == 1 }
}

impl Sums {
    fn add(self, [mut one, mut two]: [u32; 2], bytes: &[u8]) -> [u32; 2] {
        for word in bytes.chunks_exact(8) {
            let (first, second) = (word[..4].try_into().expect("four"), word[4..].try_into().expect("four"));
            let read = if self.is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
            one = one.wrapping_add(read(first)).wrapping_add(two);
            two = two.wrapping_add(read(second)).wrapping_add(one);
        }
        [one, two]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of eight commits of SQLite itself, and where each commit ends.
    fn log() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE x (y BLOB)").unwrap();
        (0..7).for_each(|_| _ = connection.execute("INSERT INTO x VALUES (randomblob(9000))", []).unwrap());
        std::fs::read(folder.path().join("x.sqlite-wal")).unwrap()
    }

    #[test]
    fn a_log_of_sqlite_is_whole() {
        assert_eq!(inspect(&log()[..]).unwrap(), Verdict::Whole);
        assert_eq!(inspect(&b""[..]).unwrap(), Verdict::Whole);
    }

    #[test]
    fn a_log_that_is_cut_off_is_whole_or_torn_and_not_damaged() {
        let log = log();
        for cut in (0..log.len()).step_by(991) {
            assert!(!matches!(inspect(&log[..cut]).unwrap(), Verdict::Damaged { .. }), "cut at {cut}");
        }
    }

    #[test]
    fn a_bit_that_has_turned_before_the_last_commit_is_damage() {
        let log = log();
        // One frame for each of three pages of bytes, and two for those that lead to them.
        let last = log.len() - 5 * (FRAME + 4096);
        for at in (0..last).step_by(499) {
            let mut turned = log.clone();
            turned[at] ^= 0x10;
            assert!(matches!(inspect(&turned[..]).unwrap(), Verdict::Damaged { commits: 1.., .. }), "bit at {at}");
        }
    }

    #[test]
    fn what_an_earlier_round_of_the_log_has_left_behind_is_no_damage() {
        let mut log = log();
        let at = HEADER + 4 * (FRAME + 4096);
        for frame in log[at..].chunks_mut(FRAME + 4096) {
            frame[8] ^= 1;
        }
        assert_eq!(inspect(&log[..]).unwrap(), Verdict::Whole);
    }
}
