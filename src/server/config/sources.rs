//! Where values come from.

use std::collections::BTreeMap;

use crate::config::setting::{Setting, Takes, variable};
use crate::config::settings;

/// The file to read if no other is named.
pub const DEFAULT_FILE: &str = "gpys.toml";

/// The text of values by setting, from each place where they can be set.
///
/// Flags take precedence over the environment, and the environment over the file, in whatever
/// order they are added.
///
/// ```
/// # use gpys_server::config::{Config, Sources};
/// let sources = Sources::default()
///     .file("gpys.toml", "tick-hz = 20\nquiet = true")
///     .environment(|variable| std::env::var(variable).ok())
///     .flags([("tick-hz", "25")]);
/// let config = Config::load(&sources)?;
/// assert_eq!((config.room.tick_hz, config.quiet), (25, true));
/// # Ok::<(), gpys_server::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sources {
    values: BTreeMap<&'static str, (Place, Vec<String>)>,
    wrong: Vec<String>,
}

/// A place where values can be set; later ones take precedence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The TOML file of this name.
    File(String),
    /// The environment.
    Environment,
    /// The command line.
    Flags,
    /// A program that embeds the server.
    Program,
}

impl Place {
    /// A setting as it is written there.
    fn name(&self, setting: &str) -> String {
        match self {
            Self::File(file) => format!("{setting} in {file}"),
            Self::Environment => variable(setting),
            Self::Flags => format!("--{setting}"),
            Self::Program => setting.to_owned(),
        }
    }
}

impl Sources {
    /// Adds the settings in the text of a TOML file of this name.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        let place = Place::File(name.to_owned());
        match text.parse::<toml::Table>() {
            Ok(table) => table.iter().for_each(|(key, value)| self.add_toml(&place, key, value)),
            Err(error) => self.wrong.push(format!("{name} is not TOML: {error}")),
        }
        self
    }

    /// Adds the settings whose environment variables, such as `GPYS_TICK_HZ`, `look_up` finds.
    #[must_use]
    pub fn environment(mut self, look_up: impl Fn(&str) -> Option<String>) -> Self {
        for setting in settings::all() {
            if let Some(value) = look_up(&setting.variable()) {
                self.add(setting, &Place::Environment, vec![value]);
            }
        }
        self
    }

    /// Adds settings from the command line, by name without the dashes. Those that take several
    /// values may be repeated.
    #[must_use]
    pub fn flags<'a>(self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.pairs(&Place::Flags, pairs)
    }

    /// Adds settings by name.
    #[must_use]
    pub(super) fn pairs<'a>(
        mut self,
        place: &Place,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        for (name, value) in pairs {
            if let Some(setting) = self.find(place, name) {
                self.add(setting, place, vec![value.to_owned()]);
            }
        }
        self
    }

    /// Whether a setting has a value, right or wrong.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|(_, values)| !values.is_empty())
    }

    /// Returns each value of a setting, with the setting as it is written where it was set.
    pub(super) fn values(&self, setting: &Setting) -> impl Iterator<Item = (String, &str)> {
        let values = self.values.get(setting.name).into_iter();
        values.flat_map(|(place, values)| {
            values.iter().map(|value| (place.name(setting.name), value.as_str()))
        })
    }

    /// What is wrong with the sources as such.
    pub(super) fn wrong(&self) -> &[String] {
        &self.wrong
    }

    fn find(&mut self, place: &Place, name: &str) -> Option<&'static Setting> {
        let found = settings::all().find(|setting| setting.name == name);
        if found.is_none() {
            let all: Vec<_> = settings::all().map(|setting| setting.name).collect();
            let (name, all) = (place.name(name), all.join(", "));
            self.wrong.push(format!("{name} is not a setting; the settings are {all}"));
        }
        found
    }

    fn add(&mut self, setting: &'static Setting, place: &Place, mut values: Vec<String>) {
        let takes_many = matches!(setting.takes, Takes::Many(_));
        if takes_many {
            let each = values.iter().flat_map(|list| list.split(',')).map(str::trim);
            values = each.filter(|value| !value.is_empty()).map(str::to_owned).collect();
        }
        match self.values.get_mut(setting.name) {
            Some((known, _)) if *known > *place => {}
            Some((known, all)) if takes_many && *known == *place => all.extend(values),
            _ => drop(self.values.insert(setting.name, (place.clone(), values))),
        }
    }

    fn add_toml(&mut self, place: &Place, key: &str, value: &toml::Value) {
        let Some(setting) = self.find(place, key) else { return };
        let wrong = match (value, setting.takes) {
            (toml::Value::Array(values), Takes::Many(_)) => {
                match values.iter().map(scalar).collect() {
                    Some(values) => return self.add(setting, place, values),
                    None => "is a list, but not of strings",
                }
            }
            (toml::Value::Array(_), _) => "is a list; expected one value",
            (value, _) => match scalar(value) {
                Some(value) => return self.add(setting, place, vec![value]),
                None => "is neither a string nor a number",
            },
        };
        self.wrong.push(format!("{} {wrong}", place.name(key)));
    }
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(yes) => Some(yes.to_string()),
        _ => None,
    }
}
