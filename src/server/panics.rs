//! A bug in one part of the server ends that part and no other.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use crate::metrics::{Metrics, Part};

#[cfg(panic = "abort")]
compile_error!("a panic must not end the whole server: build with panic = \"unwind\"");

/// A part ended by a panic.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Runs a part of the server until it ends, be it by a panic, which is counted and logged.
///
/// What the part shares with others must be whole whenever it can panic: nobody else learns of
/// what it left half done. Locks are held for single statements only, and a world dies with its
/// room.
///
/// # Errors
/// If it panicked. The part is dropped by then.
pub(crate) fn caught<F: Future>(
    metrics: &Metrics,
    part: Part,
    future: F,
) -> impl Future<Output = Result<F::Output, Panicked>> {
    let panicked = move |_| {
        metrics.panicked(part);
        tracing::error!(?part, "a bug ended a part of the server; the rest goes on");
        Panicked
    };
    // An async function would keep its argument beside the future that it makes of it: twice the
    // memory, in each part that is caught in another.
    AssertUnwindSafe(future).catch_unwind().map(move |done| done.map_err(panicked))
}

/// Makes every panic of the program a line of its log: where it was, and not what it said, for
/// that may quote a place.
pub fn log() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic");
    }));
}
