//! Panics of a run, in whichever task of a client or the server: most end only their task.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

thread_local! {
    /// The run to which this thread belongs.
    static RUN: Cell<u64> = const { Cell::new(0) };
}

/// The number of a run and the message of a panic in it.
static PANICS: Mutex<Vec<(u64, String)>> = Mutex::new(Vec::new());

/// Begins a run on this thread, and returns its number.
pub fn begin() -> u64 {
    static ONCE: Once = Once::new();
    static RUNS: AtomicU64 = AtomicU64::new(1);
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.lock().unwrap().push((RUN.get(), info.to_string()));
            hook(info);
        }));
    });
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    belong(run);
    run
}

/// Makes this thread part of a run.
pub fn belong(run: u64) {
    RUN.set(run);
}

/// Takes the panics of a run.
pub fn take(run: u64) -> Vec<String> {
    let mut panics = PANICS.lock().unwrap();
    panics.extract_if(.., |(of, _)| *of == run).map(|(_, what)| what).collect()
}
