//! What a setting is.

use crate::config::draft::Draft;
use crate::config::model::Config;
use crate::config::parse::Wrong;

/// Settings under one heading.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The heading, in `--help` and in a printed file.
    pub heading: &'static str,
    /// The settings, in the order in which they are read and printed.
    pub settings: &'static [Setting],
}

/// One setting: its name, its meaning, and how to read and print it.
///
/// Everything that knows settings follows from this: flags, environment variables, keys of the
/// file, `--help` and `--print-config`.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name in the file, such as `tick-hz`; the flag is `--tick-hz`.
    pub name: &'static str,
    /// How many values the setting takes.
    pub takes: Takes,
    /// The meaning, in a sentence or two, with units.
    pub help: &'static str,
    /// What holds if the setting is absent, where the value in [`Config::default`] does not say.
    pub(super) absent: Option<&'static str>,
    /// Parses a value into the draft. Settings are read in order, so it may look at those above.
    pub(super) read: fn(&mut Draft, &str) -> Result<(), Wrong>,
    /// Returns the value as TOML; `None` if it is not set.
    pub(super) print: fn(&Config) -> Option<toml::Value>,
}

/// How many values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// `true` or `false`; the flag alone means `true`.
    Switch,
    /// One value, shown under this name.
    One(&'static str),
    /// Any number of values, shown under this name, with commas between or given one by one.
    Many(&'static str),
}

impl Setting {
    /// The environment variable, such as `GPYS_TICK_HZ`.
    #[must_use]
    pub fn variable(&self) -> String {
        variable(self.name)
    }

    /// What holds if the setting is absent, in words; `None` where that goes without saying.
    #[must_use]
    pub fn default(&self) -> Option<String> {
        if let Some(words) = self.absent {
            return Some(words.to_owned());
        }
        match (self.print)(&Config::default())? {
            toml::Value::String(text) => Some(text),
            toml::Value::Integer(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// The environment variable of the setting with this name.
pub(super) fn variable(name: &str) -> String {
    format!("GPYS_{}", name.to_ascii_uppercase().replace('-', "_"))
}
