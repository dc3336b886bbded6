//! Worker threads: each runs its own connections and tasks, and sleeps in the epoll that wakes them.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use async_task::Runnable;
use smol::future::FutureExt;

use crate::reactor::{Reactor, Sleep};
use crate::socket::{Socket, Stream};

/// All workers of a server. They live as long as the process.
#[derive(Debug)]
pub struct Workers {
    all: Vec<Arc<Worker>>,
    next: AtomicUsize,
}

/// A thread with its tasks. A connection stays with its worker: whom its socket wakes is there already, and two workers
/// never ring each other's bell for one message.
#[derive(Debug)]
struct Worker {
    /// Tasks that are to take a turn.
    ready: Mutex<VecDeque<Runnable>>,
    reactor: Arc<Reactor>,
}

impl Workers {
    /// Starts so many workers; without a number, one for every processor.
    ///
    /// # Errors
    /// Where the system gives no more threads or descriptors.
    pub fn start(count: Option<NonZeroUsize>) -> io::Result<Arc<Self>> {
        let count = count.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let all = (0..count).map(Worker::start).collect::<io::Result<_>>()?;
        Ok(Arc::new(Self { all, next: AtomicUsize::new(0) }))
    }

    /// Serves a connection on the worker that has the fewest. A panic ends it, and nothing else.
    ///
    /// # Errors
    /// Where the kernel does not watch the socket.
    pub fn serve<F>(&self, stream: Stream, serve: impl FnOnce(Socket) -> F) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let worker = self.all.iter().min_by_key(|worker| worker.reactor.watched()).expect("there is a worker");
        worker.spawn(serve(Socket::watched_by(&worker.reactor, stream)?));
        Ok(())
    }

    /// Runs a task on the workers in turn. A panic ends it, and nothing else.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.all[turn % self.all.len()].spawn(task);
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Arc<Self>> {
        let (reactor, sleep) = Reactor::new()?;
        let worker = Arc::new(Self { ready: Mutex::default(), reactor });
        let runs = worker.clone();
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || runs.run(sleep))?;
        Ok(worker)
    }

    fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let worker = self.clone();
        let schedule = move |task| {
            worker.ready().push_back(task);
            worker.reactor.ring();
        };
        let (runnable, task) = async_task::spawn(AssertUnwindSafe(task).catch_unwind(), schedule);
        task.detach();
        runnable.schedule();
    }

    /// Gives every ready task its turn, looks at the sockets, and so on. A task that is made ready meanwhile waits for the
    /// next round, so none keeps the others from their turn.
    fn run(&self, mut sleep: Sleep) {
        let mut round = VecDeque::new();
        loop {
            self.reactor.stays_awake();
            std::mem::swap(&mut round, &mut *self.ready());
            for task in round.drain(..) {
                task.run();
            }
            self.reactor.sleep(&mut sleep);
        }
    }

    fn ready(&self) -> MutexGuard<'_, VecDeque<Runnable>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
