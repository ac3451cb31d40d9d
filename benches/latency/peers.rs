//! The compared servers as processes; see `benches/peers/README.md`.

use std::io;
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
    /// axum's WebSockets around a broadcast channel, which relays what `ws` does.
    Axum,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ws, Self::SockJs, Self::SocketIo, Self::Axum];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::SockJs => "sockjs-node",
            Self::SocketIo => "Socket.IO",
            Self::Axum => "axum",
        }
    }

    /// The server's script, a file in [`dir`]; `None` for the one that is this program itself.
    const fn script(self) -> Option<&'static str> {
        match self {
            Self::Ws => Some("ws.mjs"),
            Self::SockJs => Some("sockjs.mjs"),
            Self::SocketIo => Some("socketio.mjs"),
            Self::Axum => None,
        }
    }

    /// The client side of a new connection with a unique `number`.
    pub fn relay(self, number: u32) -> Box<dyn Relay> {
        match self {
            Self::Ws | Self::Axum => Box::new(Ws),
            Self::SockJs => Box::new(SockJs::new(number)),
            Self::SocketIo => Box::new(SocketIo::default()),
        }
    }

    /// The command that runs the server on a free port of `host` with this certificate and key
    /// (PEM). Its first line on stdout is for [`listening`]; it exits on SIGTERM.
    ///
    /// # Errors
    /// If this program's own file is not known.
    pub fn command(self, host: &str, cert: &Path, key: &Path) -> io::Result<Command> {
        let Some(script) = self.script() else {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["--broadcast", host]).arg(cert).arg(key);
            return Ok(command);
        };
        let mut command = Command::new("node");
        command.arg(dir().join(script)).args(["--host", host, "--port", "0"]);
        command.arg("--cert").arg(cert).arg("--key").arg(key);
        Ok(command)
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
