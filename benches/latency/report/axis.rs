//! Axes of plots: their ends and their ticks.

use super::table;

/// One axis.
pub(super) struct Axis {
    /// What it measures, with the unit.
    pub(super) title: &'static str,
    /// Its ends.
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Positions of grid lines, with their labels, if any.
    pub(super) ticks: Vec<(f64, String)>,
    /// A line across the plot, and its label.
    pub(super) mark: Option<(f64, &'static str)>,
}

impl Axis {
    /// A logarithmic axis over all positive numbers among `values`, if any, widened to 1, 2 or 5
    /// times a power of ten. `format` formats a number.
    pub(super) fn logarithmic(
        title: &'static str,
        values: impl IntoIterator<Item = f64>,
        format: fn(f64) -> String,
    ) -> Option<Self> {
        let positive: Vec<f64> = values.into_iter().filter(|value| *value > 0.0).collect();
        let (low, high) = table::extent(&positive)?;
        let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let round: Vec<(f64, bool)> = (first..=last)
            .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| (digit, power)))
            .map(|(digit, power)| (digit * 10_f64.powi(power), digit == 1.0))
            .collect();
        let last = round.iter().position(|(tick, _)| *tick >= high).unwrap_or(round.len() - 1);
        let first = round.iter().rposition(|(tick, _)| *tick <= low).unwrap_or(0);
        // At least one step wide.
        let first = first.min(last.saturating_sub(1));
        let last = last.max(first + 1);
        let round = &round[first..=last];
        let (low, high) = (round[0].0, round[round.len() - 1].0);
        let crowded = high / low > 2000.0;
        let tick = |&(tick, whole): &(f64, bool)| {
            (tick, if whole || !crowded { format(tick) } else { String::new() })
        };
        let ticks = round.iter().map(tick).collect();
        Some(Self { title, low, high, logarithmic: true, ticks, mark: None })
    }

    /// A linear axis from zero to the maximum of `values`, if positive.
    pub(super) fn linear(
        title: &'static str,
        values: impl IntoIterator<Item = f64>,
        format: fn(f64) -> String,
    ) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let high = table::extent(&values)?.1;
        let power = 10_f64.powf((high / 8.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
        let step = step.into_iter().find(|step| high / step <= 8.0)?;
        let ticks = (0..=8).map(|tick| f64::from(tick) * step);
        let ticks = ticks.take_while(|tick| *tick <= high * 1.001);
        let ticks = ticks.map(|tick| (tick, format(tick))).collect();
        (high > 0.0).then_some(Self {
            title,
            low: 0.0,
            high,
            logarithmic: false,
            ticks,
            mark: None,
        })
    }

    /// The same axis with ticks only at `values`.
    pub(super) fn with_ticks(self, values: &[f64]) -> Self {
        let ticks = values.iter().map(|value| (*value, table::exact(*value))).collect();
        Self { ticks, ..self }
    }

    /// The position of `value` along the axis, from 0 to 1, clamped to its ends.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        place.clamp(0.0, 1.0)
    }

    /// Whether `value` is on the axis.
    pub(super) fn has(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}
