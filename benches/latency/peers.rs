//! The compared servers as processes; see `benches/peers/README.md`.

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
    /// sockjs-node, like the first GPyS: JSON.
    SockJs,
    /// Socket.IO 4 over WebSocket: JSON.
    SocketIo,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ws, Self::SockJs, Self::SocketIo];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::SockJs => "sockjs-node",
            Self::SocketIo => "Socket.IO",
        }
    }

    /// The server's script, a file in [`dir`].
    const fn script(self) -> &'static str {
        match self {
            Self::Ws => "ws.mjs",
            Self::SockJs => "sockjs.mjs",
            Self::SocketIo => "socketio.mjs",
        }
    }

    /// The client side of a new connection with a unique `number`.
    pub fn relay(self, number: u32) -> Box<dyn Relay> {
        match self {
            Self::Ws => Box::new(Ws),
            Self::SockJs => Box::new(SockJs::new(number)),
            Self::SocketIo => Box::new(SocketIo::default()),
        }
    }
    /// The Node command that runs the server on a free port of `host` with this certificate and key
    /// (PEM). Its first line on stdout is for [`listening`]; it exits on SIGTERM.
    pub fn command(self, host: &str, cert: &Path, key: &Path) -> Command {
        let mut command = Command::new("node");
        command.arg(dir().join(self.script())).args(["--host", host, "--port", "0"]);
        command.arg("--cert").arg(cert).arg("--key").arg(key);
        command
    }
}

/// The directory of the servers.
pub fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers")
}

/// Whether `npm ci` has been run there.
pub fn installed() -> bool {
    dir().join("node_modules").is_dir()
}

/// Parses the address from a server's first line; `None` if it is another line.
pub fn listening(line: &str) -> Option<SocketAddr> {
    #[derive(Deserialize)]
    struct Listening {
        listening: SocketAddr,
    }
    serde_json::from_str(line).ok().map(|Listening { listening }| listening)
}
