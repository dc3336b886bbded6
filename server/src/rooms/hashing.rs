//! Password hashing on at most two threads, each with one block of memory that it uses again for the next password.
//!
//! An allocation for each hash would stay with the allocator: glibc no longer maps a size by itself once one of that size was freed.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version, password_hash};
use parking_lot::{Condvar, Mutex, MutexGuard};
use subtle::ConstantTimeEq;

/// Passwords that are hashed at once: each takes 19 MiB and some ten milliseconds of a processor.
const THREADS: usize = 2;
/// Passwords that may wait for their turn: a large class that comes at once.
const WAITING: usize = 1_000;
/// A thread that has had no work for this long ends, and its memory goes back to the system.
const IDLE: Duration = Duration::from_secs(5);
/// Blocks of 1 KiB that are reserved. Only those that are used take memory, but glibc maps more than 32 MiB by itself and gives it
/// back once it is freed (DEFAULT_MMAP_THRESHOLD_MAX).
const RESERVED: usize = 33 * 1024;

/// Why a password was not hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum HashError {
    #[error("too many passwords are waiting to be checked: try again in a few seconds")]
    Busy,
    #[error("no memory is left to check a password: try again later")]
    Memory,
    #[error("the password cannot be hashed: {0}")]
    Invalid(String),
}

impl From<argon2::Error> for HashError {
    fn from(error: argon2::Error) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<password_hash::Error> for HashError {
    fn from(error: password_hash::Error) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<password_hash::phc::Error> for HashError {
    fn from(error: password_hash::phc::Error) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// The memory of one thread; it is taken with the first password.
#[derive(Debug)]
pub(super) struct Memory {
    blocks: Vec<Block>,
    reserved: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self { blocks: Vec::new(), reserved: RESERVED }
    }
}

impl Memory {
    fn blocks(&mut self) -> Result<&mut [Block], HashError> {
        if self.blocks.is_empty() {
            self.blocks.try_reserve_exact(self.reserved).map_err(|_| HashError::Memory)?;
            self.blocks.resize(Params::DEFAULT.block_count(), Block::new());
        }
        Ok(&mut self.blocks)
    }

    /// Returns the hash of a password, with a salt of its own (argon2id with the crate's parameters, OWASP's). Slow.
    pub(super) fn hash(&mut self, password: &str) -> Result<String, HashError> {
        let (params, mut salt, mut output) = (Params::DEFAULT, [0; 16], [0; Params::DEFAULT_OUTPUT_LEN]);
        getrandom::fill(&mut salt).map_err(|error| HashError::Invalid(error.to_string()))?;
        Argon2::default().hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, self.blocks()?)?;
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::default().into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(Salt::new(&salt)?),
            hash: Some(Output::new(&output)?),
        };
        Ok(hash.to_string())
    }

    /// Returns whether a password is that of a hash; nothing is that of an invalid hash. Slow.
    pub(super) fn verify(&mut self, password: &str, hash: &str) -> Result<bool, HashError> {
        let Ok(hash) = PasswordHash::new(hash) else { return Ok(false) };
        let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else { return Ok(false) };
        let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
        let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
        let argon2 = Argon2::new(algorithm, version, Params::try_from(&hash)?);
        let mut found = vec![0; expected.len()];
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut found, self.blocks()?)?;
        Ok(found.ct_eq(expected.as_bytes()).into())
    }
}

type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// The threads, which run as long as there is work, and what waits for them.
#[derive(Default)]
pub(super) struct Hashing {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    threads: usize,
    idle: usize,
}

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hashing").finish_non_exhaustive()
    }
}

impl Hashing {
    /// Does something with the memory of a thread, in turn.
    ///
    /// # Errors
    /// If too much waits already, or the system gives no thread; the work is dropped then.
    pub(super) fn begin(self: &Arc<Self>, work: impl FnOnce(&mut Memory) + Send + 'static) -> Result<(), HashError> {
        let mut state = self.lock();
        if state.waiting.len() >= WAITING {
            return Err(HashError::Busy);
        }
        state.waiting.push_back(Box::new(work));
        let needs_thread = state.threads < THREADS && state.idle < state.waiting.len();
        state.threads += usize::from(needs_thread);
        drop(state);
        self.came.notify_one();
        if needs_thread { self.start() } else { Ok(()) }
    }

    fn start(self: &Arc<Self>) -> Result<(), HashError> {
        let hashing = self.clone();
        let started = thread::Builder::new().name("passwords".into()).spawn(move || hashing.run());
        let Err(_) = started else { return Ok(()) };
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads > 0 {
            return Ok(());
        }
        let dropped = std::mem::take(&mut state.waiting);
        drop(state);
        drop(dropped);
        Err(HashError::Memory)
    }

    fn run(&self) {
        let mut memory = Memory::default();
        while let Some(work) = self.next() {
            if catch_unwind(AssertUnwindSafe(|| work(&mut memory))).is_err() {
                memory = Memory::default();
            }
        }
    }

    /// The next work; nothing where none has come for a while: then the thread counts as ended.
    fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        state.idle += 1;
        self.came.wait_while_for(&mut state, |state| state.waiting.is_empty(), IDLE);
        state.idle -= 1;
        let work = state.waiting.pop_front();
        state.threads -= usize::from(work.is_none());
        work
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_password_fits_its_hash_and_no_other_does() {
        let mut memory = Memory::default();
        let hash = memory.hash("Geheimwort ✎").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !hash.contains("Geheimwort"));
        assert_eq!(memory.verify("Geheimwort ✎", &hash), Ok(true));
        assert_eq!(memory.verify("geheimwort ✎", &hash), Ok(false));
        assert_eq!(memory.verify("", &hash), Ok(false));
        assert_eq!(memory.verify("x", "no hash"), Ok(false));
        assert_ne!(hash, memory.hash("Geheimwort ✎").unwrap(), "each has a salt of its own");
    }

    #[test]
    fn a_hash_that_the_crate_made_by_itself_is_verified() {
        use argon2::PasswordHasher;
        let earlier = Argon2::default().hash_password(b"of an earlier version").unwrap().to_string();
        assert_eq!(Memory::default().verify("of an earlier version", &earlier), Ok(true));
    }

    #[test]
    fn a_hash_that_asks_for_more_memory_than_there_is_is_an_error() {
        let hash = Memory::default().hash("x").unwrap().replace("m=19456", "m=4000000");
        assert!(matches!(Memory::default().verify("x", &hash), Err(HashError::Invalid(_))));
    }

    #[test]
    fn where_no_memory_is_left_a_password_is_not_hashed_and_nothing_panics() {
        let mut memory = Memory { blocks: Vec::new(), reserved: usize::MAX / 2 };
        assert_eq!(memory.hash("x"), Err(HashError::Memory));
        assert_eq!(memory.verify("x", &Memory::default().hash("x").unwrap()), Err(HashError::Memory));
    }

    #[test]
    fn much_work_is_done_on_two_threads_and_a_panic_ends_none_of_it() {
        let hashing = Arc::new(Hashing::default());
        let (done, all) = channel();
        for number in 0..50 {
            let done = done.clone();
            let work = move |_: &mut Memory| {
                assert!(number % 10 != 0, "planned");
                done.send(thread::current().id()).unwrap();
            };
            hashing.begin(work).unwrap();
        }
        drop(done);
        let mut threads = Vec::new();
        for thread in all {
            if !threads.contains(&thread) {
                threads.push(thread);
            }
        }
        assert!(threads.len() <= THREADS, "{threads:?}");
        assert!(hashing.lock().waiting.is_empty());
    }

    #[test]
    fn no_more_than_a_class_waits() {
        let hashing = Arc::new(Hashing::default());
        let (go, goes) = channel::<()>();
        let goes = Arc::new(Mutex::new(goes));
        let begin = || {
            let goes = goes.clone();
            hashing.begin(move |_| _ = goes.lock().recv())
        };
        let begun = (0..WAITING + THREADS + 1).take_while(|_| begin().is_ok()).count();
        assert!((WAITING..=WAITING + THREADS).contains(&begun), "{begun}");
        assert_eq!(begin(), Err(HashError::Busy));
        drop(go);
    }
}
