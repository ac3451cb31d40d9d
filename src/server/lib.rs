//! The I/O shell of GPyS: sockets, tasks and time around the core in `gpys-proto`.
//!
//! A program that embeds it binds a [`Server`] and runs it until it should stop:
//!
//! ```
//! use axum::Router;
//! use axum::routing::get;
//! use gpys_server::Server;
//! use gpys_server::access::{Entry, Gate, Grant, Refusal, Right};
//! use gpys_server::config::Config;
//!
//! /// Lets everybody in, but only to watch.
//! struct Gallery;
//!
//! impl Gate for Gallery {
//!     async fn enter(&self, _: Entry) -> Result<Grant, Refusal> {
//!         Ok(Grant::new(Right::View))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Settings are those of `gpys serve --help`, by name.
//! let config = Config::from_pairs([("listen", "127.0.0.1:0"), ("max-rooms", "10")])?;
//! let server = Server::builder(config)
//!     .gate(Gallery)
//!     .router(Router::new().route("/", get(async || "a page of one's own")))
//!     .bind()?;
//! println!("open https://{}", server.https_address()?);
//! let mut events = server.events();
//! tokio::spawn(async move {
//!     while let Some(event) = events.next().await {
//!         println!("{}: {:?}", event.room, event.what);
//!     }
//! });
//! // Serves until the future is ready, here at once; then clients are told to reconnect.
//! server.run(async {}).await?;
//! # Ok(()) }
//! ```
//!
//! docs/EMBEDDING.md says more, and `examples/embed` is a whole program.
//!
//! Its modules, top floor first:
//!
//! ```text
//! builder  server            puts together, binds, runs, drains
//! http                       the page, /config.json, the map file
//! api                        /v1, for programs beside the server
//! webtransport  websocket    one transport each: accept, read and write
//! session       tcp          handling of client messages; listening and accepting
//! census        handle       for a program that embeds it: what the server holds, and its rooms
//! context                    state shared by all sessions
//! room                       the task that owns a world, and how to reach it
//! access        tls          who may enter; the server's certificates
//! link          limits       one client's send path, latest wins; who gets how much
//! quic                       all QUIC connections of a socket, in one task
//! config  events  files  metrics  panics  load  alarm  clock  lock  addresses  host  terminal
//! ```
//!
//! Imports point downwards only; `scripts/check` enforces it.

pub mod access;
pub mod addresses;
mod alarm;
pub mod api;
mod builder;
mod census;
pub mod clock;
pub mod config;
mod context;
pub mod events;
mod files;
mod handle;
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

pub use self::builder::Builder;
pub use self::census::{Census, Held};
pub use self::handle::{Handle, HandleError};
pub use self::http::{PAGE_PATHS, PATHS, Page, PathsError};
pub use self::room::order::{People, RoomInfo, Unreached};
pub use self::room::thing::{DEFAULT_TTL, MAX_TTL, Moving, NotPut, Thing};
pub use self::server::{Reloader, Server, StartError};
pub use self::webtransport::endpoint::Udp;
pub use gpys_proto::place::{Place, PlaceError};
