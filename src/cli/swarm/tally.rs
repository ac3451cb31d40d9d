//! Ages of information, counted while a swarm is measured.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::cli::lock::lock;
use gpys_client::Transport;

/// Longest age counted, in ms; longer ones count as this.
const LONGEST: u64 = 600_000;
/// Both transports, in the order of the report.
pub(super) const TRANSPORTS: [Transport; 2] = [Transport::WebTransport, Transport::WebSocket];

/// Ages of samples, while measuring.
#[derive(Debug)]
pub(super) struct Tallies {
    pub(super) measuring: AtomicBool,
    /// Repeated dials for first links, and links after the first.
    pub(super) redials: AtomicU64,
    ages: [Mutex<Histogram<u64>>; 2],
}

impl Default for Tallies {
    fn default() -> Self {
        let ages = std::array::from_fn(|_| Mutex::new(histogram()));
        Self { measuring: AtomicBool::new(false), redials: AtomicU64::new(0), ages }
    }
}

pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("these bounds are valid")
}

impl Tallies {
    /// Counts a new sample of this age in ms.
    pub(super) fn record(&self, transport: Transport, age: i32) {
        // A clock's estimate may be ahead of a sample by a fraction of the round trip.
        let age = u64::try_from(age).unwrap_or(0);
        lock(&self.ages[transport as usize]).saturating_record(age);
    }

    pub(super) fn ages(&self, transport: Transport) -> Histogram<u64> {
        lock(&self.ages[transport as usize]).clone()
    }

    /// A line for the progress bar.
    pub(super) fn glance(&self) -> String {
        let mut parts = Vec::new();
        for transport in TRANSPORTS {
            let ages = lock(&self.ages[transport as usize]);
            if !ages.is_empty() {
                let (p50, p99) = (ages.value_at_quantile(0.5), ages.value_at_quantile(0.99));
                parts.push(format!("{} age p50 {p50} ms, p99 {p99} ms", short(transport)));
            }
        }
        parts.join("  ")
    }
}

pub(super) const fn short(transport: Transport) -> &'static str {
    match transport {
        Transport::WebTransport => "wt",
        Transport::WebSocket => "ws",
    }
}

/// Age of information, in ms; `None` if nothing was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ages {
    /// The median.
    pub p50: Option<u64>,
    /// The 99th percentile.
    pub p99: Option<u64>,
    /// The maximum.
    pub max: Option<u64>,
}

impl Ages {
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let some = |value| (!histogram.is_empty()).then_some(value);
        Self {
            p50: some(histogram.value_at_quantile(0.5)),
            p99: some(histogram.value_at_quantile(0.99)),
            max: some(histogram.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_ages_are_exact_to_the_millisecond() {
        let tallies = Tallies::default();
        for age in 1..=100 {
            tallies.record(Transport::WebSocket, age);
        }
        tallies.record(Transport::WebTransport, -1);
        let ages = Ages::of(&tallies.ages(Transport::WebSocket));
        assert_eq!(ages, Ages { p50: Some(50), p99: Some(99), max: Some(100) });
        assert_eq!(Ages::of(&tallies.ages(Transport::WebTransport)).max, Some(0));
        assert_eq!(Ages::of(&histogram()), Ages::default());
    }
}
