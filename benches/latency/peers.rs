//! The servers that GPyS is compared with, as processes; see `benches/peers/README.md`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::relay::{Relay, SockJs, SocketIo, Ws};

/// A server that GPyS is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// Plain `ws`, which relays GPyS's own bytes.
    Ws,
    /// sockjs-node in the shape of the first GPyS: JSON.
    SockJs,
    /// Socket.IO 4 over WebSocket: JSON.
    SocketIo,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ws, Self::SockJs, Self::SocketIo];

    /// As in a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::SockJs => "sockjs-node",
            Self::SocketIo => "Socket.IO",
        }
    }

    /// Its server, a file in [`dir`].
    const fn script(self) -> &'static str {
        match self {
            Self::Ws => "ws.mjs",
            Self::SockJs => "sockjs.mjs",
            Self::SocketIo => "socketio.mjs",
        }
    }

    /// The client's side of a new connection, whose `number` no other has.
    pub fn relay(self, number: u32) -> Box<dyn Relay> {
        match self {
            Self::Ws => Box::new(Ws),
            Self::SockJs => Box::new(SockJs::new(number)),
            Self::SocketIo => Box::new(SocketIo::default()),
        }
    }
    /// Node, to run its server on a free port of `host` with this certificate and key (PEM). Its
    /// first line on stdout is for [`listening`]; it ends on SIGTERM.
    pub fn command(self, host: &str, cert: &Path, key: &Path) -> Command {
        let mut command = Command::new("node");
        command.arg(dir().join(self.script())).args(["--host", host, "--port", "0"]);
        command.arg("--cert").arg(cert).arg("--key").arg(key);
        command
    }
}

/// Where the servers are.
pub fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}

/// Whether `npm ci` has been run there.
pub fn installed() -> bool {
    dir().join("node_modules").is_dir()
}

/// The address in the line that a server says when it listens; none if that is not such a line.
pub fn listening(line: &str) -> Option<SocketAddr> {
    #[derive(Deserialize)]
    struct Listening {
        listening: SocketAddr,
    }
    serde_json::from_str(line).ok().map(|Listening { listening }| listening)
}
