//! Wakes one task from anywhere, and costs next to nothing while that task is at work anyway.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

/// Wakes one task. Unlike with an `AtomicWaker` it is always the same one, so nothing but a flag changes.
#[derive(Debug, Default)]
pub struct Wakeup {
    waker: OnceLock<Waker>,
    /// The task has looked at everything, and wants to be woken for what comes.
    is_armed: AtomicBool,
}

impl Wakeup {
    /// Lets the task take its next turn. What was done before is seen in it.
    pub fn wake(&self) {
        if self.is_armed.swap(false, Ordering::AcqRel)
            && let Some(waker) = self.waker.get()
        {
            waker.wake_by_ref();
        }
    }

    /// The task is in its turn, and will [arm](Self::arm) and look at everything once more before that ends: nobody needs
    /// to wake it.
    pub(crate) fn disarm(&self) {
        // Not a plain store: what somebody did who found it disarmed must be seen behind the next arming.
        self.is_armed.swap(false, Ordering::AcqRel);
    }

    /// From here on whoever wakes the task gives it another turn. What was to be known before is looked at after this.
    ///
    /// # Panics
    /// When another task has armed it before.
    pub(crate) fn arm(&self, waker: &Waker) {
        let first = self.waker.get_or_init(|| waker.clone());
        assert_eq!(first.data(), waker.data(), "Bug: a wakeup is for one task");
        self.is_armed.swap(true, Ordering::AcqRel);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    pub(crate) struct Count(pub(crate) AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_task_is_woken_once_each_time_that_it_has_armed_and_not_in_its_turn() {
        let (count, wakeup) = (Arc::<Count>::default(), Wakeup::default());
        let waker = Waker::from(count.clone());
        let woken = || count.0.load(Ordering::Relaxed);
        wakeup.wake();
        assert_eq!(woken(), 0);
        wakeup.arm(&waker);
        wakeup.wake();
        wakeup.wake();
        assert_eq!(woken(), 1);
        wakeup.arm(&waker);
        wakeup.disarm();
        wakeup.wake();
        assert_eq!(woken(), 1);
    }

    #[test]
    fn whoever_wakes_after_the_last_look_is_heard() {
        let (wakeup, work) = (Arc::<Wakeup>::default(), Arc::<AtomicUsize>::default());
        const ALL: usize = 100_000;
        let (giving, given) = (wakeup.clone(), work.clone());
        let giver = std::thread::spawn(move || {
            for _ in 0..ALL {
                given.fetch_add(1, Ordering::Relaxed);
                giving.wake();
            }
        });
        smol::block_on(std::future::poll_fn(|cx| {
            wakeup.disarm();
            wakeup.arm(cx.waker());
            if work.load(Ordering::Relaxed) == ALL { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        }));
        giver.join().unwrap();
    }
}
