//! A bug in one part of the server ends only that part.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use crate::metrics::{Metrics, Part};

#[cfg(panic = "abort")]
compile_error!("a panic must not end the whole server: build with panic = \"unwind\"");

/// The error of a part ended by a panic.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Runs a part of the server to its end; a panic is counted and logged.
///
/// State that the part shares must be consistent wherever it can panic, since nothing cleans up
/// after it. Locks are held for single statements only, and a world dies with its room.
///
/// # Errors
/// If the part panicked. It is dropped by then.
pub(crate) fn caught<F: Future>(
    metrics: &Metrics,
    part: Part,
    future: F,
) -> impl Future<Output = Result<F::Output, Panicked>> {
    let panicked = move |_| {
        metrics.panicked(part);
        tracing::error!(?part, "a bug ended a part of the server; the rest keeps running");
        Panicked
    };
    // An async fn would store its argument next to the future made from it, which doubles the
    // memory of each part nested in another.
    AssertUnwindSafe(future).catch_unwind().map(move |done| done.map_err(panicked))
}

/// Logs every panic of the program as one line: its location but not its message, which may quote a
/// place.
pub fn log() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic");
    }));
}
