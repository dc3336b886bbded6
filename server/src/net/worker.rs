//! Worker threads: each runs its own connections and tasks, and sleeps in the epoll that wakes them.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use async_task::Runnable;
use parking_lot::{Mutex, MutexGuard};
use prometheus_client::metrics::gauge::Gauge;
use smol::future::FutureExt;

use crate::log::Gate;
use crate::net::listen::Listener;
use crate::net::reactor::{Reactor, Sleep};
use crate::net::socket::{Socket, Stream};
use crate::net::timers;

/// Rounds between two looks at the clock and the sockets: whom a task of the first one wakes, as a flush does everybody on a board, need
/// not wait for a system call.
const ROUNDS: usize = 2;

/// All workers of a server. They live as long as the process.
#[derive(Debug)]
pub struct Workers {
    all: Vec<Arc<Worker>>,
    next: AtomicUsize,
}

/// A thread with its tasks. A connection stays with its worker: whom its socket wakes is there already, and two workers
/// never wake each other for one message.
#[derive(Debug)]
struct Worker {
    /// Tasks that are to take a turn.
    ready: Mutex<VecDeque<Runnable<Counted>>>,
    reactor: Arc<Reactor>,
    tasks: Gauge,
}

/// A task is counted as long as its memory is there.
#[derive(Debug)]
struct Counted(Gauge);

impl Counted {
    fn by(tasks: &Gauge) -> Self {
        tasks.inc();
        Self(tasks.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Workers {
    /// Starts so many workers; without a number, one for every processor. The gauge says how many tasks they have.
    ///
    /// # Errors
    /// If the system gives no more threads or descriptors.
    pub fn start(count: Option<NonZeroUsize>, tasks: Gauge) -> io::Result<Arc<Self>> {
        let count = count.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let all = (0..count).map(|number| Worker::start(number, tasks.clone())).collect::<io::Result<_>>()?;
        Ok(Arc::new(Self { all, next: AtomicUsize::new(0) }))
    }

    /// Waits until each worker has given a task its turn. One that is stuck, or whose thread has ended, never does.
    pub async fn take_a_turn_each(&self) {
        for worker in &self.all {
            let (done, is_done) = smol::channel::bounded::<()>(1);
            worker.spawn(async move { drop(done) });
            _ = is_done.recv().await;
        }
    }

    /// Serves every connection of a listener, for ever.
    pub async fn serve_all<F, T>(&self, listener: &Listener, serve: impl Fn(Socket) -> F) -> T
    where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            let stream = listener.accept().await;
            if let Err(error) = self.serve(stream, &serve) {
                static LINES: Gate = Gate::new();
                if let Some(suppressed) = LINES.admit() {
                    tracing::warn!(%error, suppressed, "a connection could not be watched");
                }
            }
            // A backlog that never runs empty would keep whoever waits beside this from being looked at.
            smol::future::yield_now().await;
        }
    }

    /// Serves a connection on the worker that has the fewest. A panic ends it, and nothing else.
    ///
    /// # Errors
    /// If the kernel does not watch the socket.
    fn serve<F>(&self, stream: Stream, serve: impl FnOnce(Socket) -> F) -> io::Result<()>
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
    fn start(number: usize, tasks: Gauge) -> io::Result<Arc<Self>> {
        let (reactor, sleep) = Reactor::new()?;
        let worker = Arc::new(Self { ready: Mutex::default(), reactor, tasks });
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
        let counted = async_task::Builder::new().metadata(Counted::by(&self.tasks));
        let (runnable, task) = counted.spawn(|_| AssertUnwindSafe(task).catch_unwind(), schedule);
        task.detach();
        runnable.schedule();
    }

    /// Gives every ready task its turn, looks at the clock and at the sockets, and so on. A task that is made ready meanwhile waits for the
    /// next round, so none keeps the others from their turn.
    fn run(&self, mut sleep: Sleep) {
        let mut round = VecDeque::new();
        loop {
            for _ in 0..ROUNDS {
                self.reactor.stays_awake();
                std::mem::swap(&mut round, &mut *self.ready());
                round.drain(..).for_each(|task| _ = task.run());
            }
            let next = timers::fire();
            self.reactor.sleep(&mut sleep, next);
        }
    }

    fn ready(&self) -> MutexGuard<'_, VecDeque<Runnable<Counted>>> {
        self.ready.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use smol::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn workers(count: usize) -> Arc<Workers> {
        Workers::start(NonZeroUsize::new(count), Gauge::default()).unwrap()
    }

    /// Both ends of a connection.
    fn connected() -> (TcpStream, Stream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, Stream::tcp(listener.accept().unwrap().0).unwrap())
    }

    #[test]
    fn no_ring_is_lost_when_workers_wake_each_other_just_as_they_go_to_sleep() {
        let workers = workers(2);
        let (here, there) = (smol::channel::bounded::<u32>(1), smol::channel::bounded::<u32>(1));
        let (done, is_done) = channel();
        workers.spawn(async move {
            while let Ok(number) = there.1.recv().await {
                here.0.send(number + 1).await.unwrap();
            }
        });
        workers.spawn(async move {
            let mut number = 0;
            while number < 20_000 {
                there.0.send(number).await.unwrap();
                number = here.1.recv().await.unwrap();
            }
            done.send(number).unwrap();
        });
        assert_eq!(is_done.recv(), Ok(20_000));
    }

    #[test]
    fn an_alarm_comes_however_often_somebody_rings_until_then() {
        let workers = workers(1);
        let (done, is_done) = channel();
        for wait in [30, 60, 90] {
            let (done, at) = (done.clone(), Instant::now() + Duration::from_millis(wait));
            workers.spawn(async move {
                timers::until(at).await;
                done.send(Instant::now() >= at).unwrap();
            });
        }
        let mut came = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        while came.len() < 3 {
            assert!(Instant::now() < deadline, "{} alarms of three came", came.len());
            // The last of them comes while nobody rings.
            if came.len() < 2 {
                workers.spawn(async {});
            }
            came.extend(is_done.try_recv());
            thread::yield_now();
        }
        assert_eq!(came, [true; 3]);
    }

    #[test]
    fn a_task_that_panics_takes_no_other_along() {
        let workers = workers(1);
        let (done, is_done) = channel();
        workers.spawn(async { panic!("it was told to") });
        workers.spawn(async move { done.send(()).unwrap() });
        assert_eq!(is_done.recv(), Ok(()));
    }

    #[test]
    fn a_worker_that_is_stuck_does_not_say_that_it_takes_turns() {
        let workers = workers(2);
        smol::block_on(workers.take_a_turn_each());
        let (free, stuck) = channel::<()>();
        let (begun, has_begun) = channel();
        workers.spawn(async move {
            begun.send(()).unwrap();
            _ = stuck.recv();
        });
        has_begun.recv().unwrap();
        let mut turn = Box::pin(workers.take_a_turn_each());
        // The other one has answered when the one that is stuck is asked, or is not asked at all.
        for _ in 0..100 {
            assert_eq!(smol::block_on(smol::future::poll_once(&mut turn)), None);
            thread::yield_now();
        }
        drop(free);
        smol::block_on(turn);
    }

    #[test]
    fn whatever_the_sizes_of_reads_and_writes_all_bytes_come_and_then_the_end() {
        let workers = workers(1);
        let (mut near, far) = connected();
        let echo = |mut socket: Socket| async move {
            let mut buffer = [0; 1000];
            loop {
                let read = socket.read(&mut buffer).await.unwrap();
                if read == 0 {
                    return socket.close().await.unwrap();
                }
                socket.write_all(&buffer[..read]).await.unwrap();
            }
        };
        workers.serve(far, echo).unwrap();
        let mut writing = near.try_clone().unwrap();
        // More than both kernels hold, in pieces below, at and above a read's size.
        let sent: Vec<u8> = (0..4_000_000u32).map(|at| (at / 7) as u8).collect();
        let sends = sent.clone();
        let writer = thread::spawn(move || {
            for (piece, size) in sends.chunks(2999).zip([1, 999, 1000, 1001, 2999].into_iter().cycle()) {
                piece.chunks(size).for_each(|part| writing.write_all(part).unwrap());
            }
            writing.shutdown(Shutdown::Write).unwrap();
        });
        let mut came = Vec::new();
        near.read_to_end(&mut came).unwrap();
        writer.join().unwrap();
        assert!(came == sent, "{} of {} bytes came", came.len(), sent.len());
    }

    #[test]
    fn a_connection_goes_to_the_worker_with_the_fewest() {
        let workers = workers(3);
        let ends: Vec<_> = (0..6)
            .map(|_| {
                let (near, far) = connected();
                workers.serve(far, |mut socket| async move { _ = socket.read(&mut [0]).await }).unwrap();
                near
            })
            .collect();
        let watched = || workers.all.iter().map(|worker| worker.reactor.watched()).collect::<Vec<_>>();
        assert_eq!(watched(), [2, 2, 2]);
        drop(ends);
        while watched() != [0, 0, 0] {
            thread::yield_now();
        }
    }
}
