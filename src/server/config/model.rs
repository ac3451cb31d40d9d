//! The values of all settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use gpys_proto::world::RoomSettings;

use crate::config::certificate::Certificate;
use crate::config::front::Front;
use crate::config::guard::Guard;
use crate::config::kinds::RoomKinds;
use crate::config::maps::Maps;
use crate::config::venue::Venue;

/// The server's settings, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Address and port of HTTPS (TCP) and WebTransport (UDP); `None` for the default port on
    /// every address.
    pub listen: Option<SocketAddr>,
    /// Address and port of plain HTTP; `None` for no plain HTTP.
    pub http: Option<SocketAddr>,
    /// Address and port of metrics, a loopback address; `None` for no metrics.
    pub metrics: Option<SocketAddr>,
    /// The purple pin.
    pub venue: Option<Venue>,
    /// The map below the peers.
    pub map: Maps,
    /// A directory from which to serve the page live, in place of the built-in page.
    pub web_dir: Option<PathBuf>,
    /// The server as seen from outside.
    pub front: Front,
    /// Origins whose pages may connect, besides the server's own.
    pub allow_origins: Vec<String>,
    /// Whether to reject clients that send no `Origin` header, as every browser does.
    pub require_origin: bool,
    /// The file of keys of access tokens; without one, every room is open.
    pub access_keys: Option<PathBuf>,
    /// The file of keys of the API; without one, there is no API.
    pub api_keys: Option<PathBuf>,
    /// Address and port of the API, a loopback address; `None` for those of the page.
    pub api_listen: Option<SocketAddr>,
    /// The file of the secret that public identities follow from; without one, they end with the
    /// server.
    pub identity_secret: Option<PathBuf>,
    /// The certificate of HTTPS.
    pub certificate: Certificate,
    /// How rooms run.
    pub room: RoomSettings,
    /// What some rooms are for.
    pub room_kinds: RoomKinds,
    /// Limits on connections, handshakes and rooms.
    pub guard: Guard,
    /// What to log, as a `tracing` filter.
    pub log: String,
    /// The format of the log.
    pub log_format: LogFormat,
    /// Whether to print nothing at startup.
    pub quiet: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            http: None,
            metrics: None,
            venue: None,
            map: Maps::default(),
            web_dir: None,
            front: Front::default(),
            allow_origins: Vec::new(),
            require_origin: false,
            access_keys: None,
            api_keys: None,
            api_listen: None,
            identity_secret: None,
            certificate: Certificate::ThisRun,
            room: RoomSettings { max_people: 10_000, ..RoomSettings::default() },
            room_kinds: RoomKinds::default(),
            guard: Guard::default(),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            quiet: false,
        }
    }
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text to read.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The format's name in settings.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}
