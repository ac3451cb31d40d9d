//! Distributions of ages.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::results::Percentiles;

/// Ages are capped at this.
const LONGEST: Duration = Duration::from_secs(120);
/// Points of the plotted tail, as shares of moments at which an age is exceeded.
const TAIL: [f64; 17] = [
    1.0, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.003, 0.002, 0.001, 0.0005,
    0.0001,
];

/// A distribution of ages in us, to a thousandth.
#[derive(Clone, Debug)]
pub struct Ages(Histogram<u64>);

impl Default for Ages {
    fn default() -> Self {
        let longest = LONGEST.as_micros() as u64;
        Self(Histogram::new_with_bounds(1, longest, 3).expect("the bounds are in order"))
    }
}

impl Ages {
    /// Counts one age.
    pub fn record(&mut self, us: u64) {
        self.0.saturating_record(us);
    }

    /// Adds all counts of `other`.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("the bounds are the same");
    }

    /// Removes all counts.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// The number of ages counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The smallest age, in ms, that is not exceeded by this share.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1e3
    }

    /// The usual percentiles.
    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            count: self.0.len(),
            p50: self.quantile_ms(0.5),
            p90: self.quantile_ms(0.9),
            p99: self.quantile_ms(0.99),
            p999: self.quantile_ms(0.999),
            max: self.0.max() as f64 / 1e3,
        }
    }

    /// The tail as (age in ms, share that is older), as far as there are enough counts.
    pub fn tail(&self) -> Vec<(f64, f64)> {
        let enough = |share: f64| share * self.0.len() as f64 >= 5.0;
        let shares = TAIL.into_iter().filter(|&share| enough(share));
        shares.map(|share| (self.quantile_ms(1.0 - share), share)).collect()
    }
}
