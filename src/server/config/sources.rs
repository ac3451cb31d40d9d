//! Where settings come from: the flags, the environment, the file; and their list.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;

/// The flags of `gpys serve`. Each is text here; the settings are checked all together.
#[derive(Clone, Debug, Default, Args)]
pub struct Flags {
    /// Address and port for https, wss (TCP) and WebTransport (UDP) [default: every address,
    /// IPv4 and IPv6, port 4433]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Where it listens")]
    pub listen: Option<String>,
    /// Also serve plain HTTP here. Browsers give the location to http://localhost, but to no
    /// other plain page
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Where it listens")]
    pub http: Option<String>,
    /// Also tell what is counted here, as OpenMetrics at /metrics; only on an address of this
    /// computer alone, like 127.0.0.1:9433 [default: not]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Where it listens")]
    pub metrics: Option<String>,
    /// The address at which people open the page, where a proxy or a port mapping is in front,
    /// like `https://map.example`
    #[arg(long, value_name = "URL", help_heading = "Behind a proxy or a mapped port")]
    pub public_url: Option<String>,
    /// Where people reach WebTransport's UDP, if not at the page's host and the port of --listen
    #[arg(long, value_name = "[HOST:]PORT", help_heading = "Behind a proxy or a mapped port")]
    pub public_udp: Option<String>,
    /// A proxy's address or network, like 127.0.0.1 or 172.16.0.0/12, whose Forwarded and
    /// X-Forwarded-* headers are believed; may be given several times
    #[arg(long, value_name = "ADDR[/BITS]", help_heading = "Behind a proxy or a mapped port")]
    pub trusted_proxy: Vec<String>,
    /// An origin whose pages may connect, beside the server's own; may be given several times,
    /// * for any
    #[arg(long, value_name = "ORIGIN", help_heading = "Who may connect")]
    pub allow_origin: Vec<String>,
    /// Refuse whoever names no origin, as programs do that are no browser
    #[arg(long, help_heading = "Who may connect")]
    pub require_origin: bool,
    /// Rooms ask for an access token that a key of this file has signed; `gpys token --help`
    /// says more [default: every room is open]
    #[arg(long, value_name = "FILE", help_heading = "Who may connect")]
    pub access_keys: Option<String>,
    /// A file of at least 32 random bytes: with the same one, people keep their public identity
    /// when the server is restarted [default: drawn at each start]
    #[arg(long, value_name = "FILE", help_heading = "Who may connect")]
    pub identity_secret: Option<String>,

    /// A purple pin on the map, like 45.75,14.36,"Main stage"
    #[arg(
        long,
        value_name = "LAT,LNG,LABEL",
        help_heading = "What people see",
        allow_hyphen_values = true
    )]
    pub venue: Option<String>,
    /// Streets from this MapLibre style, in place of the built-in map of countries
    #[arg(long, value_name = "URL", help_heading = "What people see")]
    pub map_style: Option<String>,
    /// Other hosts that the style's tiles, glyphs and sprites come from, like
    /// `https://a.tiles.example,https://*.tiles.example`; may be given several times. Browsers load
    /// nothing from hosts that are not named
    #[arg(long, value_name = "HOSTS", help_heading = "What people see")]
    pub map_hosts: Vec<String>,
    /// Streets from this PMTiles archive, with vector tiles of Protomaps' basemap or with pictures
    #[arg(long, value_name = "FILE", help_heading = "What people see")]
    pub pmtiles: Option<String>,
    /// Serve the page from this directory, read anew each time, for work on the page
    #[arg(long, value_name = "DIR", help_heading = "What people see")]
    pub web_dir: Option<String>,

    /// The certificate and those that vouch for it, as PEM [default: the one that `gpys certs`
    /// made in certs/, or else one for this run]
    #[arg(long, value_name = "FILE", help_heading = "Certificates")]
    pub cert: Option<String>,
    /// The certificate's key, as PEM
    #[arg(long, value_name = "FILE", help_heading = "Certificates")]
    pub key: Option<String>,
    /// The certificate is from a CA that every browser knows, so WebTransport uses it too.
    /// Otherwise WebTransport has certificates of its own, which pages know by their hash
    #[arg(long, help_heading = "Certificates")]
    pub ca_signed: bool,

    /// Get a certificate for this name from Let's Encrypt, whose terms you agree to by this, and
    /// renew it; may be given several times. The name must lead here, and TCP port 443 be open to
    /// everybody
    #[arg(long, value_name = "NAME", help_heading = "Certificates")]
    pub acme_domain: Vec<String>,
    /// Where the authority may write to if something is wrong with the certificate
    #[arg(long, value_name = "ADDRESS", help_heading = "Certificates")]
    pub acme_email: Option<String>,
    /// Where the account and the certificate are kept [default: acme]
    #[arg(long, value_name = "DIR", help_heading = "Certificates")]
    pub acme_cache: Option<String>,
    /// Another authority: the URL of its directory, or staging for Let's Encrypt's trial
    /// [default: production]
    #[arg(long, value_name = "URL", help_heading = "Certificates")]
    pub acme_directory: Option<String>,

    /// Ticks per second, 1 to 120: how often people move [default: 30]
    #[arg(long, value_name = "HZ", help_heading = "Limits")]
    pub tick_hz: Option<String>,
    /// Most people in a room [default: 10000]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_people: Option<String>,
    /// Most rooms [default: 10000]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_rooms: Option<String>,
    /// Poses per second that are read from each, 1 to 120; clients are told [default: 30]
    #[arg(long, value_name = "HZ", help_heading = "Limits")]
    pub pose_hz: Option<String>,
    /// Most connections in all [default: 1024 more than --max-people]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_connections: Option<String>,
    /// Most connections from one address, or one IPv6 /64 [default: 1024]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_per_address: Option<String>,
    /// New connections per second from one address, or one IPv6 /64; five times as many at once
    /// [default: 200]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub handshakes_per_address: Option<String>,
    /// Most connections whose handshake is not done; from a 64th of it on, QUIC clients must
    /// prove their address first [default: 4096]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_half_open: Option<String>,
    /// Hold this computer's own connections to the limits per address, too
    #[arg(long, help_heading = "Limits")]
    pub limit_local: bool,
    /// Seconds for each step until a client has said hello, 1 to 60 [default: 5]
    #[arg(long, value_name = "S", help_heading = "Limits")]
    pub deadline: Option<String>,
    /// Bytes per second of movement for a page that asks for no amount [default: 65536]
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    pub budget: Option<String>,

    /// error, warn, info, debug, trace, or a filter like gpys=debug,info [default: info]
    #[arg(long, value_name = "LEVEL", help_heading = "What it says")]
    pub log: Option<String>,
    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT", help_heading = "What it says")]
    pub log_format: Option<String>,
    /// Do not print the addresses and the QR code
    #[arg(long, help_heading = "What it says")]
    pub quiet: bool,
}

/// Every setting, and what a printed file says of it.
const SETTINGS: [(&str, &str); 36] = [
    ("listen", "Address and port of TCP and UDP; by default every address, port 4433."),
    ("http", "Address and port of plain HTTP; by default none."),
    ("metrics", "Where metrics are read, on this computer alone; by default nowhere."),
    ("public-url", "The address at which people open the page, behind a proxy or a mapped port."),
    ("public-udp", "Where UDP is reached, if not at the page's host and the port of listen."),
    ("trusted-proxy", "Proxies whose Forwarded and X-Forwarded-* headers are believed."),
    ("allow-origin", "Origins whose pages may connect, beside the server's own."),
    ("require-origin", "Whether clients that name no origin, as browsers do, are refused."),
    ("access-keys", "The keys of access tokens; by default every room is open."),
    ("identity-secret", "At least 32 random bytes with which identities outlive the server."),
    ("venue", "A purple pin: latitude, longitude, label."),
    ("map-style", "URL of a MapLibre style."),
    ("map-hosts", "Other hosts that the style's tiles, glyphs and sprites come from."),
    ("pmtiles", "A PMTiles archive."),
    ("web-dir", "A directory from which the page is served live."),
    ("cert", "The certificate and those that vouch for it, as PEM."),
    ("key", "The certificate's key, as PEM."),
    ("ca-signed", "Whether a CA vouches for the certificate that every browser knows."),
    ("acme-domain", "Names for which a certificate is got from an authority, and renewed."),
    ("acme-email", "Where the authority may write to."),
    ("acme-cache", "Where the account and the certificate are kept; by default acme."),
    ("acme-directory", "production, staging, or the URL of an authority's directory."),
    ("tick-hz", "Ticks per second, 1 to 120."),
    ("max-people", "Most people in a room."),
    ("max-rooms", "Most rooms."),
    ("pose-hz", "Poses per second that are read from each, 1 to 120."),
    ("max-connections", "Most connections in all; by default 1024 more than max-people."),
    ("max-per-address", "Most connections from one address, or one IPv6 /64."),
    ("handshakes-per-address", "New connections per second from one address, or one IPv6 /64."),
    ("max-half-open", "Most connections whose handshake is not done."),
    ("limit-local", "Whether the limits per address hold for this computer, too."),
    ("deadline", "Seconds for each step until a client has said hello, 1 to 60."),
    ("budget", "Bytes per second of movement for a page that asks for no amount."),
    ("log", "What is logged: error, warn, info, debug, trace, or a filter."),
    ("log-format", "text or json."),
    ("quiet", "Whether the addresses and the QR code are left out at the start."),
];

/// Where a value comes from, to name it as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// The TOML file.
    File,
}

impl Source {
    /// The setting as it is called there.
    pub(super) fn name(self, name: &str) -> String {
        match self {
            Self::Flag => format!("--{name}"),
            Self::Environment => variable(name),
            Self::File => format!("{name} in {}", crate::config::DEFAULT_FILE),
        }
    }
}

fn variable(name: &str) -> String {
    format!("GPYS_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The values that were given, by setting.
#[derive(Debug, Default)]
pub(super) struct Given(BTreeMap<&'static str, (Vec<String>, Source)>);

impl Given {
    /// The setting's name, value and source.
    pub(super) fn one(&self, name: &'static str) -> Option<(&'static str, &str, Source)> {
        self.all(name).into_iter().next()
    }

    /// The same for each value of a list.
    pub(super) fn all(&self, name: &'static str) -> Vec<(&'static str, &str, Source)> {
        let values = self.0.get(name).into_iter();
        values.flat_map(|(all, from)| all.iter().map(|it| (name, it.as_str(), *from))).collect()
    }
}

/// Gathers the values; also returns what is wrong with the file as such.
pub(super) fn gather(
    flags: &Flags,
    env: impl Fn(&str) -> Option<String>,
    file: Option<(&str, &str)>,
) -> (Given, Vec<String>) {
    let mut given = Given::default();
    let mut wrong = Vec::new();
    if let Some((name, text)) = file {
        match text.parse::<toml::Table>() {
            Ok(table) => read_table(name, &table, &mut given, &mut wrong),
            Err(error) => wrong.push(format!("{name} is not TOML: {error}")),
        }
    }
    for (name, _) in SETTINGS {
        if let Some(value) = env(&variable(name)) {
            let values = match name {
                "allow-origin" | "acme-domain" | "trusted-proxy" | "map-hosts" => {
                    value.split(',').map(|it| it.trim().to_owned()).collect()
                }
                _ => vec![value],
            };
            given.0.insert(name, (values, Source::Environment));
        }
        let values = flags.values(name);
        if !values.is_empty() {
            given.0.insert(name, (values, Source::Flag));
        }
    }
    (given, wrong)
}

fn read_table(file: &str, table: &toml::Table, given: &mut Given, wrong: &mut Vec<String>) {
    for (key, value) in table {
        let Some((name, _)) = SETTINGS.iter().find(|(name, _)| name == key) else {
            let names: Vec<_> = SETTINGS.iter().map(|(name, _)| *name).collect();
            wrong.push(format!("{key} in {file} is no setting; these are: {}", names.join(", ")));
            continue;
        };
        match (value, *name) {
            (
                toml::Value::Array(values),
                "allow-origin" | "acme-domain" | "trusted-proxy" | "map-hosts",
            ) => {
                let values: Option<_> = values.iter().map(scalar).collect();
                match values {
                    Some(values) => drop(given.0.insert(name, (values, Source::File))),
                    None => wrong.push(format!("{key} in {file} is a list of what is not text")),
                }
            }
            (toml::Value::Array(_), _) => {
                wrong.push(format!("{key} in {file} is a list, but should be one value"));
            }
            (value, _) => match scalar(value) {
                Some(value) => drop(given.0.insert(name, (vec![value], Source::File))),
                None => wrong.push(format!("{key} in {file} is neither text nor a number")),
            },
        }
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

impl Flags {
    fn values(&self, name: &str) -> Vec<String> {
        let text = match name {
            "listen" => &self.listen,
            "http" => &self.http,
            "venue" => &self.venue,
            "map-style" => &self.map_style,
            "map-hosts" => return self.map_hosts.clone(),
            "pmtiles" => &self.pmtiles,
            "web-dir" => &self.web_dir,
            "access-keys" => &self.access_keys,
            "identity-secret" => &self.identity_secret,
            "cert" => &self.cert,
            "key" => &self.key,
            "acme-email" => &self.acme_email,
            "acme-cache" => &self.acme_cache,
            "acme-directory" => &self.acme_directory,
            "acme-domain" => return self.acme_domain.clone(),
            "tick-hz" => &self.tick_hz,
            "metrics" => &self.metrics,
            "max-people" => &self.max_people,
            "max-rooms" => &self.max_rooms,
            "pose-hz" => &self.pose_hz,
            "max-connections" => &self.max_connections,
            "max-per-address" => &self.max_per_address,
            "handshakes-per-address" => &self.handshakes_per_address,
            "max-half-open" => &self.max_half_open,
            "deadline" => &self.deadline,
            "limit-local" => return on(self.limit_local),
            "budget" => &self.budget,
            "log" => &self.log,
            "log-format" => &self.log_format,
            "public-url" => &self.public_url,
            "public-udp" => &self.public_udp,
            "trusted-proxy" => return self.trusted_proxy.clone(),
            "allow-origin" => return self.allow_origin.clone(),
            "require-origin" => return on(self.require_origin),
            "ca-signed" => return on(self.ca_signed),
            "quiet" => return on(self.quiet),
            _ => &None,
        };
        text.iter().cloned().collect()
    }
}

fn on(flag: bool) -> Vec<String> {
    if flag { vec![true.to_string()] } else { Vec::new() }
}

/// Every setting with its words; one that is not set is commented out.
pub(super) fn print(value: impl Fn(&str) -> Option<toml::Value>) -> String {
    let mut text = String::from("# The settings of `gpys serve`. Each can also be a flag, or a\n");
    text.push_str("# variable of the environment like GPYS_TICK_HZ.\n");
    for (name, words) in SETTINGS {
        let _ = write!(text, "\n# {words}\n");
        let _ = match value(name) {
            Some(value) => writeln!(text, "{name} = {value}"),
            None => writeln!(text, "# {name} ="),
        };
    }
    text
}
