//! The server's settings: flags before `GPYS_*` in the environment before a TOML file before
//! defaults, checked once and all together.

mod acme;
mod archive;
mod foreign;
mod front;
mod guard;
mod maps;
mod reader;
mod sources;

use std::net::SocketAddr;
use std::path::PathBuf;

use gpys_proto::wire::Limits;
use gpys_proto::world::RoomSettings;

pub use self::acme::Acme;
pub use self::archive::{Archive, Tiles};
pub use self::front::Front;
pub(crate) use self::front::PublicUdp;
pub use self::guard::Guard;
pub use self::maps::Maps;
pub use self::sources::{Flags, Source};
use crate::config::reader::{Reader, parse, parse_origin, parse_venue, within};
use crate::config::sources::{Given, gather};

/// The server's certificate, followed by the authority's.
pub const LEAF: &str = "gpys.pem";
/// Its key.
pub const LEAF_KEY: &str = "gpys.key";
/// The file that is read when no other is named.
pub const DEFAULT_FILE: &str = "gpys.toml";
/// Where `gpys certs` puts the certificate.
const CERTS_DIR: &str = "certs";

/// Everything that the server is told, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where TCP and UDP listen; `None` for the default port on every address.
    pub listen: Option<SocketAddr>,
    /// Where plain HTTP listens, if it does.
    pub http: Option<SocketAddr>,
    /// Where metrics are read, if they are: an address of this computer alone.
    pub metrics: Option<SocketAddr>,
    /// The purple pin.
    pub venue: Option<Venue>,
    /// Which map is drawn below the people.
    pub map: Maps,
    /// A directory from which the page is served live.
    pub web_dir: Option<PathBuf>,
    /// How the outside sees the server.
    pub front: Front,
    /// Origins whose pages may connect, beside the server's own.
    pub allow_origins: Vec<String>,
    /// Whether a client must name its origin, as browsers do.
    pub require_origin: bool,
    /// The keys of access tokens; without any, every room is open.
    pub access_keys: Option<PathBuf>,
    /// The secret from which public identities follow; without one, they end with the server.
    pub identity_secret: Option<PathBuf>,
    /// The certificate of HTTPS.
    pub certificate: Certificate,
    /// How rooms run.
    pub room: RoomSettings,
    /// What the server lets in.
    pub guard: Guard,
    /// What is logged, as a `tracing` filter.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Whether the start-up text is left out.
    pub quiet: bool,
}

/// Something on the map that is not a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Venue {
    /// Latitude in degrees.
    pub lat: f64,
    /// Longitude in degrees.
    pub lng: f64,
    /// What it is called.
    pub label: String,
}

/// Where the certificate of HTTPS comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// From PEM files.
    Files {
        /// The certificate, followed by those that vouch for it.
        chain: PathBuf,
        /// Its key.
        key: PathBuf,
        /// Whether a CA vouches for it that every browser knows, so that WebTransport can use
        /// it as well.
        public: bool,
    },
    /// Got from an authority, and renewed.
    Acme(Acme),
    /// Made for this run.
    ThisRun,
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Everything that is wrong with the settings, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads and checks the settings. `env` looks up a variable of the environment, `file` is
    /// the name and text of the TOML file, if there is one.
    ///
    /// # Errors
    /// With everything that is wrong, if anything is.
    pub fn load(
        flags: &Flags,
        env: impl Fn(&str) -> Option<String>,
        file: Option<(&str, &str)>,
    ) -> Result<Self, ConfigError> {
        let (given, mut wrong) = gather(flags, env, file);
        let config = check(&given, &mut wrong);
        if wrong.is_empty() { Ok(config) } else { Err(ConfigError(wrong)) }
    }

    /// The settings as a TOML file with comments.
    #[must_use]
    pub fn to_toml(&self) -> String {
        sources::print(|name| self.value(name))
    }

    /// A setting as TOML; `None` if it is not set.
    fn value(&self, name: &str) -> Option<toml::Value> {
        let text = |text: String| Some(toml::Value::String(text));
        let path =
            |path: &Option<PathBuf>| path.as_ref().and_then(|p| text(p.display().to_string()));
        let number = |number: u32| Some(toml::Value::Integer(number.into()));
        let (chain, key, public) = match &self.certificate {
            Certificate::Files { chain, key, public } => (Some(chain), Some(key), *public),
            Certificate::Acme(_) | Certificate::ThisRun => (None, None, false),
        };
        match name {
            "listen" => self.listen.and_then(|address| text(address.to_string())),
            "http" => self.http.and_then(|address| text(address.to_string())),
            "metrics" => self.metrics.and_then(|address| text(address.to_string())),
            "venue" => {
                self.venue.as_ref().and_then(|v| text(format!("{},{},{}", v.lat, v.lng, v.label)))
            }
            "map-style" | "map-hosts" | "pmtiles" => self.map.value(name),
            "web-dir" => path(&self.web_dir),
            "allow-origin" => Some(self.allow_origins.clone().into()),
            "require-origin" => Some(self.require_origin.into()),
            "access-keys" => path(&self.access_keys),
            "identity-secret" => path(&self.identity_secret),
            "cert" => path(&chain.cloned()),
            "key" => path(&key.cloned()),
            "ca-signed" => Some(public.into()),
            "tick-hz" => number(self.room.tick_hz.into()),
            "max-people" => number(self.room.max_people),
            "pose-hz" => number(self.room.limits.pose_hz.into()),
            "budget" => number(self.room.default_budget),
            "log" => text(self.log.clone()),
            "log-format" => {
                text(if self.log_format == LogFormat::Json { "json" } else { "text" }.into())
            }
            "quiet" => Some(self.quiet.into()),
            _ => {
                let acme = match &self.certificate {
                    Certificate::Acme(acme) => acme.value(name),
                    _ => None,
                };
                acme.or_else(|| self.guard.value(name)).or_else(|| self.front.value(name))
            }
        }
    }
}

/// Checks what was given; what is wrong is added to `wrong`.
fn check(given: &Given, wrong: &mut Vec<String>) -> Config {
    let rooms = RoomSettings::default();
    let one = |name| given.one(name);
    let socket = "an address and a port, like 0.0.0.0:4433 or [::]:4433";
    let mut reader = Reader { wrong };
    let listen = reader.read(one("listen"), socket, parse);
    let http = reader.read(one("http"), socket, parse);
    let local = "an address of this computer alone and a port, like 127.0.0.1:9433";
    let metrics = reader.read(one("metrics"), local, |text| {
        parse(text).filter(|address: &SocketAddr| address.ip().is_loopback())
    });
    let venue = "LATITUDE,LONGITUDE,LABEL in degrees, like 45.75,14.36,Main stage";
    let venue = reader.read(one("venue"), venue, parse_venue);
    let map = Maps::read(given, &mut reader);
    let mut file = |name| {
        reader.read(one(name), "a file that is there", |text| {
            Some(PathBuf::from(text)).filter(|path| path.is_file())
        })
    };
    let (access_keys, identity_secret) = (file("access-keys"), file("identity-secret"));
    let require_origin = reader.read(one("require-origin"), "true or false", parse);
    let web_dir = reader.read(one("web-dir"), "a directory that is there", |text| {
        Some(PathBuf::from(text)).filter(|path| path.is_dir())
    });
    let tick_hz = reader.read(one("tick-hz"), "a whole number from 1 to 120", within(1, 120));
    let max_people =
        reader.read(one("max-people"), "a whole number from 1 to 1000000", within(1, 1_000_000));
    let pose_hz = reader.read(one("pose-hz"), "a whole number from 1 to 120", within(1, 120));
    let guard = Guard::read(given, &mut reader);
    let (least, most) = (rooms.limits.min_budget, rooms.limits.max_budget);
    let bytes = format!("bytes per second, a whole number from {least} to {most}");
    let budget = reader.read(one("budget"), &bytes, within(least, most));
    let log_format = reader.read(one("log-format"), "text or json", |text| match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    let log = reader.read(
        one("log"),
        "error, warn, info, debug or trace, or a filter like \
        gpys=debug,info",
        |text| text.parse::<tracing_subscriber::EnvFilter>().is_ok().then(|| text.to_owned()),
    );
    let quiet = reader.read(one("quiet"), "true or false", parse);
    let origin = "an origin as browsers write it, like https://example.org, or * for any";
    let allow_origins = given
        .all("allow-origin")
        .into_iter()
        .filter_map(|it| reader.read(Some(it), origin, parse_origin));
    let allow_origins = allow_origins.collect();
    let front = Front::read(given, &mut reader);
    let certificate = certificate(given, &mut reader);
    let hz = |given: Option<u32>| given.and_then(|hz| u8::try_from(hz).ok());
    let pose_hz = hz(pose_hz).unwrap_or(rooms.limits.pose_hz);
    Config {
        listen,
        http,
        metrics,
        venue,
        map,
        web_dir,
        front,
        allow_origins,
        require_origin: require_origin.unwrap_or(false),
        access_keys,
        identity_secret,
        certificate,
        room: RoomSettings {
            tick_hz: hz(tick_hz).unwrap_or(rooms.tick_hz),
            max_people: max_people.unwrap_or(10_000),
            default_budget: budget.unwrap_or(rooms.default_budget),
            limits: Limits { pose_hz, ..rooms.limits },
        },
        guard,
        log: log.unwrap_or_else(|| "info".to_owned()),
        log_format: log_format.unwrap_or(LogFormat::Text),
        quiet: quiet.unwrap_or(false),
    }
}

fn certificate(given: &Given, reader: &mut Reader<'_>) -> Certificate {
    let file = |text: &str| Some(PathBuf::from(text)).filter(|path| path.is_file());
    let words = "a PEM file that is there";
    let chain = reader.read(given.one("cert"), words, file);
    let key = reader.read(given.one("key"), words, file);
    let public = reader.read(given.one("ca-signed"), "true or false", parse).unwrap_or(false);
    let is_given = |name| given.one(name).is_some();
    match (is_given("cert"), is_given("key")) {
        (true, false) => {
            reader.wrong.push("cert is given without key: both belong together".into())
        }
        (false, true) => {
            reader.wrong.push("key is given without cert: both belong together".into())
        }
        (false, false) if public => reader.wrong.push(
            "ca-signed is given without cert and key: it says that these are from a public CA"
                .into(),
        ),
        _ => {}
    }
    if let Some(acme) = Acme::read(given, reader) {
        return Certificate::Acme(acme);
    }
    let made = PathBuf::from(CERTS_DIR);
    match (chain, key) {
        (Some(chain), Some(key)) => Certificate::Files { chain, key, public },
        _ if made.join(LEAF).is_file() && made.join(LEAF_KEY).is_file() => {
            Certificate::Files { chain: made.join(LEAF), key: made.join(LEAF_KEY), public: false }
        }
        _ => Certificate::ThisRun,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn load(flags: &Flags, env: &[(&str, &str)], toml: &str) -> Result<Config, ConfigError> {
        let look = |name: &str| {
            env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Config::load(flags, look, Some(("gpys.toml", toml)))
    }

    #[test]
    fn flags_go_before_the_environment_before_the_file_before_defaults() {
        let flags = Flags { tick_hz: Some("10".into()), ..Flags::default() };
        let env = [("GPYS_TICK_HZ", "20"), ("GPYS_BUDGET", "50000")];
        let toml = "tick-hz = 30\nbudget = 60000\nmax-people = 7\n\
            allow-origin = [\"https://a.example\", \"https://b.example/\"]\n";
        let config = load(&flags, &env, toml).unwrap();
        assert_eq!(config.room.tick_hz, 10);
        assert_eq!(config.room.default_budget, 50_000);
        assert_eq!(config.room.max_people, 7);
        assert_eq!(config.allow_origins, ["https://a.example", "https://b.example"]);
        let defaults = load(&Flags::default(), &[], "").unwrap();
        assert_eq!(defaults.room.tick_hz, RoomSettings::default().tick_hz);
        assert_eq!(defaults.listen, None);
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let flags = Flags {
            listen: Some("here".into()),
            cert: Some("/nowhere".into()),
            allow_origin: vec!["example.org".into()],
            access_keys: Some("/nowhere".into()),
            ..Flags::default()
        };
        let env = [("GPYS_TICK_HZ", "500"), ("GPYS_MAX_ROOMS", "0")];
        let toml = "venue = \"91,0,Pole\"\ncolour = \"red\"\nquiet = \"perhaps\"\nbudget = [1]\n\
            metrics = \"0.0.0.0:9433\"\n";
        let ConfigError(wrong) = load(&flags, &env, toml).unwrap_err();
        let starts = [
            "--listen is \"here\", but should be an address",
            "--cert is \"/nowhere\"",
            "cert is given without key",
            "--access-keys is \"/nowhere\", but should be a file that is there",
            "--allow-origin is \"example.org\"",
            "GPYS_TICK_HZ is \"500\", but should be a whole number from 1 to 120",
            "venue in gpys.toml is \"91,0,Pole\"",
            "colour in gpys.toml is no setting",
            "quiet in gpys.toml is \"perhaps\"",
            "budget in gpys.toml is a list",
            "GPYS_MAX_ROOMS is \"0\", but should be a whole number from 1 to 1000000",
            "metrics in gpys.toml is \"0.0.0.0:9433\", but should be an address of this computer",
        ];
        for start in starts {
            assert!(wrong.iter().any(|line| line.starts_with(start)), "{start}\n{wrong:#?}");
        }
        assert_eq!(wrong.len(), starts.len(), "{wrong:#?}");
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let toml = "listen = \"0.0.0.0:5000\"\nvenue = \"45.75,14.36,Main stage\"\n\
            tick-hz = 12\nlog-format = \"json\"\nquiet = true\nallow-origin = \"*\"\n\
            metrics = \"[::1]:9433\"\nmax-connections = 11\nmax-per-address = 12\n\
            handshakes-per-address = 13\nmax-half-open = 14\nmax-rooms = 15\ndeadline = 16\n\
            limit-local = true\npose-hz = 17\nrequire-origin = true\n\
            public-url = \"https://map.example:8443\"\npublic-udp = \"udp.example:5\"\n\
            trusted-proxy = [\"127.0.0.1\", \"10.0.0.0/8\"]\n\
            access-keys = \"Cargo.toml\"\nidentity-secret = \"lib.rs\"\n\
            map-style = \"https://styles.example/s.json\"\n\
            map-hosts = [\"https://*.tiles.example\"]\n";
        let config = load(&Flags::default(), &[], toml).unwrap();
        let again = load(&Flags::default(), &[], &config.to_toml()).unwrap();
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
        let defaults = load(&Flags::default(), &[], "").unwrap();
        assert_eq!(load(&Flags::default(), &[], &defaults.to_toml()).unwrap(), defaults);
    }
}
