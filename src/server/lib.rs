//! The I/O shell of GPyS: sockets, tasks and time around the core in `gpys-proto`.
//!
//! A program that embeds it binds a [`Server`] and runs it until it should stop:
//!
//! ```
//! use gpys_server::config::Config;
//! use gpys_server::{Page, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Settings are those of `gpys serve --help`, by name.
//! let config = Config::from_pairs([("listen", "127.0.0.1:0"), ("max-rooms", "10")])?;
//! // A page of one's own, or `Page::default()` for none.
//! let page = Page::new([("index.html".to_owned(), b"<!doctype html>Hello".into())]);
//! let server = Server::bind(config, page)?;
//! println!("open https://{}", server.https_address()?);
//! // Serves until the future is ready, here at once; then clients are told to reconnect.
//! server.run(async {}).await?;
//! # Ok(()) }
//! ```
//!
//! Its modules, top floor first:
//!
//! ```text
//! server                     binds, runs, drains
//! http                       the page, /config.json, the map file
//! webtransport  websocket    one transport each: accept, read and write
//! session       tcp          handling of client messages; listening and accepting
//! census                     what a server holds, for a program that embeds it
//! context                    state shared by all sessions
//! room                       the task that owns a world, and how to reach it
//! access        tls          who may enter; the server's certificates
//! link          limits       one client's send path, latest wins; who gets how much
//! quic                       all QUIC connections of a socket, in one task
//! config  files  metrics  panics  load  clock  lock  addresses  host  terminal
//! ```
//!
//! Imports point downwards only; `scripts/check` enforces it.

pub mod access;
pub mod addresses;
mod census;
pub mod clock;
pub mod config;
mod context;
mod files;
pub mod host;
mod http;
pub mod kind;
mod limits;
mod link;
mod load;
mod lock;
mod metrics;
pub mod panics;
mod quic;
mod room;
mod server;
mod session;
mod tcp;
pub mod terminal;
pub mod tls;
mod websocket;
mod webtransport;

pub use self::census::{Census, Held};
pub use self::http::Page;
pub use self::server::{Reloader, Server, StartError};
pub use self::webtransport::endpoint::Udp;
