//! What frames cost: the processor time of this process, spread over the frames that it sends.
//!
//! Most of a frame's cost arises outside the room that made it: encryption, system calls, what
//! clients send in return. Only the whole process shows it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;

/// How often the cost is measured.
const WINDOW: Duration = Duration::from_millis(250);
/// Fewer frames than this in a window tell nothing.
const MIN_FRAMES: u64 = 100;
/// What a frame costs before the first measurement, in ns: about what one over QUIC takes.
const FIRST_NS: u64 = 20_000;
/// Most that a frame is taken to cost, in ns; other work may have been done in the window.
const MAX_NS: u64 = 1_000_000;
/// The process should be busy for no more than this share of all cores, in thousandths: above it,
/// frames count as dearer, so that all rooms slow down.
const BUSY: u64 = 600;

/// The cost of a frame, as measured lately.
#[derive(Debug)]
pub(crate) struct Load {
    frames: AtomicU64,
    /// What rooms should take a frame to cost, in ns.
    price: AtomicU64,
    /// `None` if the price stays the first.
    window: Option<Mutex<Window>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    /// Processor time at its beginning.
    used: Duration,
    frames: u64,
    cores: u64,
    /// By how much frames are dearer than they were measured, in thousandths: at least 1,000.
    pressure: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self::new()
    }
}

impl Load {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let (began, used) = (Instant::now(), processor_time().unwrap_or_default());
        let window = Window { began, used, frames: 0, cores, pressure: 1000 };
        let (frames, price) = (AtomicU64::new(0), AtomicU64::new(FIRST_NS));
        Self { frames, price, window: Some(Mutex::new(window)) }
    }

    /// A load whose price stays the first, for a server whose run must follow from its seed.
    pub(crate) fn fixed() -> Self {
        Self { window: None, ..Self::new() }
    }

    /// Counts sent frames, and returns what they cost in µs.
    pub(crate) fn spend(&self, frames: u64) -> u64 {
        self.frames.fetch_add(frames, Ordering::Relaxed);
        frames * self.price.load(Ordering::Relaxed) / 1000
    }

    /// Measures again if it is time.
    pub(crate) fn measure(&self) {
        let Some(window) = &self.window else { return };
        let mut window = lock(window);
        let elapsed = window.began.elapsed();
        if elapsed < WINDOW {
            return;
        }
        // Where the system does not tell, the first price stays.
        let Some(used) = processor_time() else { return };
        let frames = self.frames.load(Ordering::Relaxed);
        let price = window.measure(elapsed, used, frames);
        window.began += elapsed;
        (window.used, window.frames) = (used, frames);
        if let Some(price) = price {
            self.price.store(price, Ordering::Relaxed);
        }
    }
}

impl Window {
    /// The price of a frame at the end of a window, if enough were sent.
    fn measure(&mut self, elapsed: Duration, used: Duration, frames: u64) -> Option<u64> {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (used, elapsed) = (nanos(used.saturating_sub(self.used)), nanos(elapsed).max(1));
        let busy = used.saturating_mul(1000) / elapsed / self.cores;
        let change = (busy * 1000 / BUSY).clamp(500, 2000);
        self.pressure = (self.pressure * change / 1000).clamp(1000, 64_000);
        let frames = frames - self.frames;
        let cost = (frames >= MIN_FRAMES).then(|| (used / frames).min(MAX_NS));
        cost.map(|cost| cost * self.pressure / 1000)
    }
}

/// The processor time that this process has used.
#[cfg(unix)]
fn processor_time() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

#[cfg(not(unix))]
fn processor_time() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn window() -> Window {
        let (began, used) = (Instant::now(), Duration::from_secs(7));
        Window { began, used, frames: 100, cores: 2, pressure: 1000 }
    }

    #[test]
    fn a_frame_costs_its_part_of_the_time_used() {
        let mut window = window();
        let used = window.used + SECOND / 5;
        assert_eq!(window.measure(SECOND, used, 10_100), Some(20_000));
        assert_eq!(window.measure(SECOND, used, 199), None, "too few to tell");
        assert_eq!(
            window.measure(SECOND, used + 100 * SECOND, 200),
            Some(64_000_000.min(2 * MAX_NS))
        );
    }

    #[test]
    fn frames_are_dearer_while_the_process_is_busy() {
        let mut window = window();
        // Nine tenths of two cores.
        let used = window.used + SECOND * 9 / 5;
        let mut price = || window.measure(SECOND, used, 90_100).unwrap();
        assert_eq!((price(), price()), (30_000, 45_000));
        let used = window.used + SECOND / 10;
        let mut price = || window.measure(SECOND, used, 5_100).unwrap();
        assert_eq!([0; 4].map(|_| price()), [22_500, 20_000, 20_000, 20_000]);
    }

    #[cfg(unix)]
    #[test]
    fn work_takes_processor_time() {
        let before = processor_time().unwrap();
        while processor_time().unwrap() == before {
            std::hint::spin_loop();
        }
    }
}
