//! A native client, for programs that walk on the map without a browser.
//!
//! ```no_run
//! # async fn example() -> Result<(), gpys_client::ConnectError> {
//! use gpys_client::{Connector, Options, Reading, Trust};
//! use gpys_proto::geo::Position;
//! use gpys_proto::pose::Accuracy;
//!
//! let server = Connector::new("https://localhost:4433", Trust::Public).await?;
//! let client = server.connect(Options::default()).await?;
//! if let Ok(position) = Position::from_degrees(45.75, 14.36) {
//!     client.send(Reading { position, orientation: None, accuracy: Accuracy::UNKNOWN });
//! }
//! for (id, figure) in client.view().figures() {
//!     println!("{id} is at {:?}", figure.position.degrees());
//! }
//! client.leave().await;
//! # Ok(()) }
//! ```
//!
//! A [`Connector`] holds what links to one server share (its configuration, a few UDP sockets, one
//! TLS configuration), so that a process can be thousands of clients; a [`Client`] is one peer on
//! one link. It does not reconnect by itself: [`Client::closed`] tells how the link ended, and
//! [`Options::resume`] comes back as the same peer.
//!
//! Reading order: `config` and `trust` (where the server is, and whether to believe it), `link`
//! with `webtransport` and `websocket`, `session` (the loop), [`clock`] and [`sender`] (its pure
//! parts).

mod client;
pub mod clock;
mod connector;
mod error;
pub mod link;
mod options;
pub mod sender;
pub mod server_info;
mod session;
pub mod trust;

pub use self::client::Client;
pub use self::connector::Connector;
pub use self::error::{ConnectError, Ended};
pub use self::options::{Event, Events, Options, Reading, Traffic, Transport};
pub use self::server_info::Config;
pub use self::trust::{Trust, TrustError};
