//! Timers finer than tokio's, whose unit is a millisecond: a room that ticks every half of one must
//! not wait for a whole one.
//!
//! All alarms share one timer of the kernel. Where there is none, and where the time itself is a
//! test's, they are tokio's timers, set early enough never to be late.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Tokio's timers fire up to 2 ms late; those of alarms are set this much early.
const COARSE: Duration = Duration::from_millis(1);

/// Where alarms are set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarms {
    #[cfg(target_os = "linux")]
    bell: Option<Arc<kernel::Bell>>,
}

/// Goes off at its time, or at most [`early`](Alarms::early) before it.
#[derive(Debug)]
pub(crate) struct Alarm {
    at: Instant,
    timer: Timer,
}

#[derive(Debug)]
enum Timer {
    #[cfg(target_os = "linux")]
    Kernel(kernel::Ring),
    Tokio(Pin<Box<Sleep>>),
}

impl Alarms {
    /// Alarms by the kernel's timer, or by tokio's if the system grants none. Needs a tokio
    /// runtime.
    pub(crate) fn start() -> Self {
        #[cfg(target_os = "linux")]
        {
            let bell = kernel::Bell::hang();
            let bell = bell.inspect_err(|error| tracing::warn!(%error, "no fine timer"));
            Self { bell: bell.ok() }
        }
        #[cfg(not(target_os = "linux"))]
        Self::coarse()
    }

    /// Alarms by tokio's timers, and so by its clock.
    pub(crate) fn coarse() -> Self {
        Self::default()
    }

    /// Whether alarms are exact to some 0.1 ms.
    pub(crate) fn are_fine(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.bell.is_some();
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// How early an alarm may go off.
    pub(crate) fn early(&self) -> Duration {
        if self.are_fine() { Duration::ZERO } else { COARSE }
    }

    /// An alarm that goes off at `at`.
    pub(crate) fn at(&self, at: Instant) -> Alarm {
        #[cfg(target_os = "linux")]
        if let Some(bell) = &self.bell {
            return Alarm { at, timer: Timer::Kernel(kernel::Ring::new(Arc::clone(bell))) };
        }
        let early = at.checked_sub(COARSE).unwrap_or(at);
        Alarm { at, timer: Timer::Tokio(Box::pin(sleep_until(early))) }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        match &mut self.timer {
            #[cfg(target_os = "linux")]
            Timer::Kernel(ring) => ring.poll(at, context),
            Timer::Tokio(sleep) => sleep.as_mut().poll(context),
        }
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::collections::BTreeMap;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use rustix::io::{Errno, read};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;
    use tokio::task::AbortHandle;
    use tokio::time::Instant;

    use crate::lock::lock;

    /// The kernel's timer, and whom it wakes when.
    #[derive(Debug)]
    pub(super) struct Bell {
        shared: Arc<Shared>,
        task: AbortHandle,
    }

    #[derive(Debug)]
    struct Shared {
        timer: OwnedFd,
        waiting: Mutex<Waiting>,
    }

    #[derive(Debug, Default)]
    struct Waiting {
        wakers: BTreeMap<(Instant, u64), Waker>,
        /// The number of the next alarm.
        next: u64,
    }

    /// An alarm's place among those that wait.
    #[derive(Debug)]
    pub(super) struct Ring {
        bell: Arc<Bell>,
        key: Option<(Instant, u64)>,
    }

    impl Bell {
        /// Makes the timer, and the task that waits for it.
        pub(super) fn hang() -> io::Result<Arc<Self>> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            let shared = Arc::new(Shared { timer, waiting: Mutex::default() });
            #[expect(
                deprecated,
                reason = "an owned descriptor stays open, which is all that its unsafe successor asks"
            )]
            let ready = AsyncFd::new(shared.timer.try_clone()?)?;
            let task = tokio::spawn(Arc::clone(&shared).run(ready)).abort_handle();
            Ok(Arc::new(Self { shared, task }))
        }
    }

    impl Drop for Bell {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    impl Shared {
        async fn run(self: Arc<Self>, ready: AsyncFd<OwnedFd>) {
            let mut due = Vec::new();
            while let Ok(mut guard) = ready.readable().await {
                let mut count = [0; 8];
                if read(ready.get_ref(), &mut count) == Err(Errno::AGAIN) {
                    guard.clear_ready();
                    continue;
                }
                drop(guard);
                self.take_due(Instant::now(), &mut due);
                due.drain(..).for_each(Waker::wake);
            }
        }

        /// Takes those whose time has come, and sets the timer to the first of the others.
        fn take_due(&self, now: Instant, due: &mut Vec<Waker>) {
            let mut waiting = lock(&self.waiting);
            while let Some(first) = waiting.wakers.first_entry() {
                if first.key().0 > now {
                    self.set(first.key().0, now);
                    return;
                }
                due.push(first.remove());
            }
        }

        fn set(&self, at: Instant, now: Instant) {
            // A timer set to zero would never go off.
            let left = at.saturating_duration_since(now).max(Duration::from_nanos(1));
            let value = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let once = Timespec { tv_sec: 0, tv_nsec: 0 };
            let new = Itimerspec { it_interval: once, it_value: value };
            let set = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &new);
            // It fails for values out of range alone, and these are not.
            debug_assert!(set.is_ok());
        }
    }

    impl Ring {
        pub(super) const fn new(bell: Arc<Bell>) -> Self {
            Self { bell, key: None }
        }

        pub(super) fn poll(&mut self, at: Instant, context: &Context<'_>) -> Poll<()> {
            let now = Instant::now();
            if at <= now {
                self.leave();
                return Poll::Ready(());
            }
            let shared = &self.bell.shared;
            let mut waiting = lock(&shared.waiting);
            let Waiting { wakers, next } = &mut *waiting;
            let key = *self.key.get_or_insert_with(|| {
                *next += 1;
                (at, *next)
            });
            let is_new = wakers.insert(key, context.waker().clone()).is_none();
            // The timer is set to the first, or to one before it that has left.
            if is_new && wakers.first_key_value().is_some_and(|(&first, _)| first == key) {
                shared.set(at, now);
            }
            Poll::Pending
        }

        fn leave(&mut self) {
            if let Some(key) = self.key.take() {
                lock(&self.bell.shared.waiting).wakers.remove(&key);
            }
        }
    }

    impl Drop for Ring {
        fn drop(&mut self) {
            self.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets alarms in this order, so many µs ahead, and returns the order in which they went off.
    async fn order(alarms: &Alarms, ahead: [u64; 4]) -> Vec<usize> {
        let start = Instant::now();
        let order = std::sync::Mutex::new(Vec::new());
        let wait = |at: usize| {
            let (alarms, order) = (alarms.clone(), &order);
            async move {
                let due = start + Duration::from_micros(ahead[at]);
                alarms.at(due).await;
                assert!(Instant::now() + alarms.early() >= due);
                order.lock().unwrap().push(at);
            }
        };
        tokio::join!(wait(0), wait(1), wait(2), wait(3));
        order.into_inner().unwrap()
    }

    #[tokio::test]
    async fn alarms_go_off_in_order_and_not_before_their_time() {
        let alarms = Alarms::start();
        assert_eq!(alarms.are_fine(), cfg!(target_os = "linux"));
        assert_eq!(order(&alarms, [60_000, 20_000, 40_000, 0]).await, [3, 1, 2, 0]);
        assert_eq!(order(&Alarms::coarse(), [60_000, 20_000, 40_000, 0]).await, [3, 1, 2, 0]);
    }

    #[tokio::test]
    async fn an_alarm_that_is_given_up_does_not_keep_the_others_waiting() {
        let alarms = Alarms::start();
        let start = Instant::now();
        let mut given_up = Box::pin(alarms.at(start + Duration::from_millis(5)));
        let waker = std::task::Waker::noop();
        assert!(given_up.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        drop(given_up);
        alarms.at(start + Duration::from_millis(10)).await;
        assert!(start.elapsed() + alarms.early() >= Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn coarse_alarms_follow_the_clock_of_a_test() {
        let start = Instant::now();
        Alarms::coarse().at(start + Duration::from_secs(3_600)).await;
        assert!(start.elapsed() + COARSE >= Duration::from_secs(3_600));
    }
}
