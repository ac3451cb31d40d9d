//! Reads, checks and prints all settings.

use std::fmt::Write as _;

use crate::config::certificate::Certificate;
use crate::config::draft::Draft;
use crate::config::maps::MOST_HOSTS;
use crate::config::model::Config;
use crate::config::print::comment;
use crate::config::setting::Takes;
use crate::config::settings::{self, GROUPS};
use crate::config::sources::{Place, Sources};

/// Everything that is wrong with the settings, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// With everything that is wrong, if anything is.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut wrong = sources.wrong().to_vec();
        let mut draft = Draft::default();
        for setting in settings::all() {
            for (name, value) in sources.values(setting) {
                if let Err(error) = (setting.read)(&mut draft, value) {
                    wrong.push(error.sentence(&name, value));
                }
            }
        }
        check(sources, &draft, &mut wrong);
        if wrong.is_empty() { Ok(finish(draft)) } else { Err(ConfigError(wrong)) }
    }

    /// Reads and checks settings by name, for a program that embeds the server. Those that take
    /// several values may be repeated; of others the last one counts.
    ///
    /// ```
    /// # use gpys_server::config::Config;
    /// let config = Config::from_pairs([("http", "127.0.0.1:0"), ("max-rooms", "10")])?;
    /// assert_eq!(config.guard.rooms, 10);
    /// # Ok::<(), gpys_server::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// With everything that is wrong, if anything is.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ConfigError> {
        Self::load(&Sources::default().pairs(&Place::Program, pairs))
    }

    /// Returns the settings as a TOML file with comments. Those that are not set are commented
    /// out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::from(
            "# Settings of `gpys serve`. Each is also a flag (--tick-hz 30) and an environment variable\n\
             # (GPYS_TICK_HZ=30). Flags take precedence over variables, and variables over this file.\n",
        );
        for group in &GROUPS {
            let _ = write!(text, "\n\n# {}\n", group.heading.to_uppercase());
            for setting in group.settings {
                let default = setting.default().map(|it| format!(" [default: {it}]"));
                let words = format!("{}{}", setting.help, default.unwrap_or_default());
                let _ = write!(text, "\n{}\n", comment(&words));
                let name = setting.name;
                let _ = match ((setting.print)(self), setting.takes) {
                    (Some(value), _) => writeln!(text, "{name} = {value}"),
                    (None, Takes::Switch) => writeln!(text, "# {name} = true"),
                    (None, Takes::One(value)) => writeln!(text, "# {name} = \"{value}\""),
                    (None, Takes::Many(value)) => writeln!(text, "# {name} = [\"{value}\"]"),
                };
            }
        }
        text
    }
}

/// Adds what is wrong with settings that belong together.
fn check(sources: &Sources, draft: &Draft, wrong: &mut Vec<String>) {
    let mut fail = |sentence: &str| wrong.push(sentence.to_owned());
    if sources.has("map-hosts") && !sources.has("map-style") {
        fail("map-hosts is set without map-style, whose hosts they are");
    }
    if draft.config.map.hosts.len() > MOST_HOSTS {
        fail(&format!(
            "map-hosts has more than {MOST_HOSTS} hosts; combine some, such as \
             https://*.tiles.example"
        ));
    }
    if sources.has("api-listen") && !sources.has("api-keys") {
        fail("api-listen is set without api-keys, the file of who may use the API");
    }
    match (sources.has("cert"), sources.has("key")) {
        (true, false) => fail("cert is set without key; set both"),
        (false, true) => fail("key is set without cert; set both"),
        (false, false) if draft.ca_signed => {
            fail("ca-signed is set without cert and key, which should be from a public CA");
        }
        _ => {}
    }
    if !sources.has("acme-domain") {
        // A cache alone may wait for a domain, as a container's does.
        for name in ["acme-email", "acme-directory"] {
            if sources.has(name) {
                fail(&format!("{name} is set without acme-domain"));
            }
        }
    } else if sources.has("cert") || sources.has("key") || draft.ca_signed {
        fail("acme-domain is set together with cert, key or ca-signed; use one or the other");
    } else if !cfg!(feature = "acme") {
        fail("acme-domain needs a program built with `--features acme`");
    }
}

/// Puts together what belongs together, once all of it is right.
fn finish(draft: Draft) -> Config {
    let Draft { mut config, cert, key, ca_signed, mut acme, style } = draft;
    config.map.warn(style.as_ref());
    acme.domains.sort_unstable();
    acme.domains.dedup();
    config.certificate = match (cert, key) {
        _ if !acme.domains.is_empty() => Certificate::Acme(acme),
        (Some(chain), Some(key)) => Certificate::Files { chain, key, public: ca_signed },
        _ => Certificate::local(),
    };
    config
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gpys_proto::world::RoomSettings;

    use super::*;
    use crate::config::guard::Guard;

    fn load(
        flags: &[(&str, &str)],
        env: &[(&str, &str)],
        toml: &str,
    ) -> Result<Config, ConfigError> {
        let look_up = |name: &str| {
            env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let sources = Sources::default().flags(flags.iter().copied());
        Config::load(&sources.environment(look_up).file("gpys.toml", toml))
    }

    #[test]
    fn prefers_flags_to_the_environment_to_the_file_to_defaults() {
        let flags = [("tick-hz", "10")];
        let env = [("GPYS_TICK_HZ", "20"), ("GPYS_BUDGET", "50000")];
        let toml = "tick-hz = 30\nbudget = 60000\nmax-people = 7\n\
            allow-origin = [\"https://a.example\", \"https://b.example/\"]\n";
        let config = load(&flags, &env, toml).unwrap();
        assert_eq!(config.room.tick_hz, 10);
        assert_eq!(config.room.default_budget, 50_000);
        assert_eq!(config.room.max_people, 7);
        assert_eq!(config.allow_origins, ["https://a.example", "https://b.example"]);
        let defaults = load(&[], &[], "").unwrap();
        assert_eq!(defaults.room.tick_hz, RoomSettings::default().tick_hz);
        assert_eq!(defaults.listen, None);
    }

    #[test]
    fn a_list_is_repeated_or_has_commas() {
        let flags = [("trusted-proxy", "10.0.0.1, 10.0.0.2"), ("trusted-proxy", "10.0.0.3")];
        let env = [("GPYS_TRUSTED_PROXY", "10.0.0.4"), ("GPYS_ALLOW_ORIGIN", "")];
        let config = load(&flags, &env, "").unwrap();
        let proxies = config.front.trusted_proxies.iter().map(|it| it.addr().to_string());
        assert_eq!(proxies.collect::<Vec<_>>(), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        assert_eq!(config.allow_origins, Vec::<String>::new());
    }

    #[test]
    fn a_program_names_settings_plainly() {
        let error = Config::from_pairs([("http", "here"), ("colour", "red")]).unwrap_err();
        assert!(error.0[0].starts_with("colour is not a setting; the settings are listen, http"));
        assert!(error.0[1].starts_with("http is \"here\"; expected an address"), "{error}");
        let last = Config::from_pairs([("max-rooms", "1"), ("max-rooms", "2")]).unwrap();
        assert_eq!(last.guard.rooms, 2);
    }

    #[test]
    fn names_everything_that_is_wrong_at_once() {
        let flags = [
            ("listen", "here"),
            ("cert", "/nowhere"),
            ("allow-origin", "example.org"),
            ("access-keys", "/nowhere"),
        ];
        let env = [("GPYS_TICK_HZ", "500"), ("GPYS_MAX_ROOMS", "0")];
        let toml = "venue = \"91,0,Pole\"\ncolour = \"red\"\nquiet = \"perhaps\"\nbudget = [1]\n\
            metrics = \"0.0.0.0:9433\"\napi-listen = \"127.0.0.1:1\"\n";
        let ConfigError(wrong) = load(&flags, &env, toml).unwrap_err();
        let starts = [
            "--listen is \"here\"; expected an address and a port",
            "--cert is \"/nowhere\"",
            "cert is set without key",
            "--access-keys is \"/nowhere\"; expected an existing file",
            "--allow-origin is \"example.org\"",
            "GPYS_TICK_HZ is \"500\"; expected a whole number of ticks per second from 1 to 120",
            "venue in gpys.toml is \"91,0,Pole\"",
            "colour in gpys.toml is not a setting",
            "quiet in gpys.toml is \"perhaps\"",
            "budget in gpys.toml is a list",
            "GPYS_MAX_ROOMS is \"0\"; expected a whole number of rooms from 1 to 1000000",
            "api-listen is set without api-keys",
            "metrics in gpys.toml is \"0.0.0.0:9433\"; expected a loopback address",
        ];
        for start in starts {
            assert!(wrong.iter().any(|line| line.starts_with(start)), "{start}\n{wrong:#?}");
        }
        assert_eq!(wrong.len(), starts.len(), "{wrong:#?}");
    }

    #[test]
    fn reads_what_it_prints() {
        let toml = "listen = \"0.0.0.0:5000\"\nvenue = \"45.75,14.36,Main stage\"\n\
            tick-hz = 12\nlog-format = \"json\"\nquiet = true\nallow-origin = \"*\"\n\
            metrics = \"[::1]:9433\"\nmax-connections = 11\nmax-per-address = 12\n\
            handshakes-per-address = 13\nmax-half-open = 14\nmax-rooms = 15\nmax-things = 9\ndeadline = 16\n\
            limit-local = true\npose-hz = 17\nrequire-origin = true\n\
            public-url = \"https://map.example:8443\"\npublic-udp = \"udp.example:5\"\n\
            trusted-proxy = [\"127.0.0.1\", \"10.0.0.0/8\"]\n\
            access-keys = \"Cargo.toml\"\n\
            api-keys = \"Cargo.toml\"\napi-listen = \"127.0.0.1:9434\"\nidentity-secret = \"lib.rs\"\n\
            map-style = \"https://styles.example/s.json\"\n\
            map-hosts = [\"https://*.tiles.example\"]\n";
        let config = load(&[], &[], toml).unwrap();
        let again = load(&[], &[], &config.to_toml()).unwrap();
        assert_eq!(config, again);
        let guard = Guard {
            connections: Some(11),
            per_network: 12,
            handshakes: 13,
            half_open: 14,
            rooms: 15,
            deadline: Duration::from_secs(16),
            local: true,
        };
        assert_eq!((config.guard, config.room.limits.pose_hz), (guard, 17));
        assert_eq!(config.room.max_things, 9);
        let defaults = load(&[], &[], "").unwrap();
        assert_eq!(load(&[], &[], &defaults.to_toml()).unwrap(), defaults);
    }
}
