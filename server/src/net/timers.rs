//! When tasks of a worker are to be woken: what each waits for lies with the thread that runs it, and no other one is asked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::task::{Poll, Waker};
use std::time::Instant;

thread_local! {
    static TIMERS: RefCell<Timers> = RefCell::default();
}

/// Deadlines of the tasks of this thread, the next first. The number keeps those apart that wait for the same moment.
#[derive(Default)]
struct Timers {
    waiting: BTreeMap<(Instant, u64), Waker>,
    next: u64,
}

/// A moment at which a task of a worker is woken. Where no worker runs the task, nobody looks, and it is never woken:
/// there `smol::Timer` is what is needed.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<(Instant, u64)>);

impl Timer {
    /// Wakes the task at this moment, and not at the one that was set before.
    pub(crate) fn set(&mut self, at: Instant, waker: &Waker) {
        self.clear();
        TIMERS.with_borrow_mut(|timers| {
            timers.next += 1;
            timers.waiting.insert((at, timers.next), waker.clone());
            self.0 = Some((at, timers.next));
        });
    }

    /// The moment that was set, which may have passed.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.0.map(|(at, _)| at)
    }

    fn clear(&mut self) {
        if let Some(key) = self.0.take() {
            // A task can outlive the timers of a thread that ends; the waker is let go outside, as it may end a task.
            let waker = TIMERS.try_with(|timers| timers.borrow_mut().waiting.remove(&key));
            drop(waker);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Waits for a moment, in a task of a worker.
pub(crate) async fn until(at: Instant) {
    let mut timer = Timer::default();
    let wait = std::future::poll_fn(|cx| {
        if Instant::now() >= at {
            return Poll::Ready(());
        }
        timer.set(at, cx.waker());
        Poll::Pending
    });
    wait.await;
}

/// Wakes the tasks of this thread whose moment has come; gives the next one.
pub(crate) fn fire() -> Option<Instant> {
    let next = || TIMERS.with_borrow(|timers| timers.waiting.keys().next().map(|(at, _)| *at));
    // The clock is not read where nobody waits.
    let now = next().map(|_| Instant::now());
    while let Some(at) = next() {
        if now.is_some_and(|now| now < at) {
            return Some(at);
        }
        let first = TIMERS.with_borrow_mut(|timers| timers.waiting.pop_first());
        first.into_iter().for_each(|(_, waker)| waker.wake());
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::*;
    use crate::net::wakeup::tests::Count;

    #[test]
    fn whose_moment_has_come_is_woken_once_and_the_others_are_waited_for() {
        let (count, now) = (Arc::<Count>::default(), Instant::now());
        let waker = Waker::from(count.clone());
        let later = now + Duration::from_secs(3600);
        let mut timers: [Timer; 4] = Default::default();
        assert_eq!(fire(), None);
        for (timer, at) in timers.iter_mut().zip([now, later, now, now]) {
            timer.set(at, &waker);
        }
        timers[3].set(later + Duration::from_secs(1), &waker);
        assert_eq!((fire(), count.0.load(Ordering::Relaxed)), (Some(later), 2));
        assert_eq!((fire(), count.0.load(Ordering::Relaxed)), (Some(later), 2));
        assert_eq!(timers[0].at(), Some(now));
        drop(timers);
        assert_eq!(fire(), None, "nobody waits any more");
        assert_eq!(Arc::strong_count(&count), 2, "and no waker is left but ours");
    }
}
