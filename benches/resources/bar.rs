//! Figures and their bars.

/// A figure and its bar.
#[derive(Clone, Debug)]
pub struct Bar {
    pub what: String,
    pub bar: String,
    pub measured: String,
    pub is_met: bool,
}

impl Bar {
    /// A figure with a maximum.
    pub fn at_most(what: impl Into<String>, most: f64, measured: f64, unit: &str) -> Self {
        let is_met = measured <= most;
        let text = |value: f64| format!("{value:.1} {unit}");
        Self { what: what.into(), bar: text(most), measured: text(measured), is_met }
    }

    /// A fact that must hold.
    pub fn fact(what: impl Into<String>, bar: &str, measured: String, is_met: bool) -> Self {
        Self { what: what.into(), bar: bar.into(), measured, is_met }
    }

    /// A figure without a bar.
    pub fn note(what: impl Into<String>, measured: String) -> Self {
        Self::fact(what, "", measured, true)
    }
}
