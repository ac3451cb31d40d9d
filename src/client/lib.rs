//! A native client of GPyS: be on the map, and see who else is, from a program without a browser.
//!
//! # The first five minutes
//!
//! A [`Connector`] asks a server how to reach it and holds what links to that server share, so one
//! process can be thousands of clients. A [`Client`] is one peer on one link: it sends its poses,
//! says what it looks at, and keeps a view of the peers in it.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use gpys_client::{ConnectError, Connector, Options, Reading, Transport, Trust};
//! use gpys_proto::geo::{Position, Viewport};
//! use gpys_proto::pose::Accuracy;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Connector::new("https://localhost:4433", Trust::Public).await?;
//! let options = || Options { room: "stage".into(), name: "Ada".into(), ..Options::default() };
//!
//! // Connect. Every cause of a failure that calls for another action is a variant.
//! let client = match server.connect(options()).await {
//!     Err(ConnectError::UdpBlocked { .. }) => {
//!         let transport = Transport::WebSocket;
//!         server.connect(Options { transport, ..options() }).await?
//!     }
//!     Err(ConnectError::Full { retry_ms: Some(ms), .. }) => {
//!         tokio::time::sleep(Duration::from_millis(ms.into())).await;
//!         server.connect(options()).await?
//!     }
//!     connected => connected?,
//! };
//!
//! // Send. The newest reading wins; the client repeats the last one in case it was lost.
//! let position = Position::from_degrees(45.75, 14.36)?;
//! client.send(Reading { position, orientation: None, accuracy: Accuracy::from_metres(5.0) });
//!
//! // Look. The server sends only what is in the viewport (here 0.1 degrees a side).
//! client.set_viewport(Viewport {
//!     south: 457_000_000,
//!     west: 143_000_000,
//!     north: 458_000_000,
//!     east: 144_000_000,
//!     zoom: 130,
//! });
//! tokio::time::sleep(Duration::from_secs(1)).await;
//! for (id, figure) in client.view().figures() {
//!     println!("{id} is at {:?}", figure.position.degrees());
//! }
//!
//! // Come back after the link ends. With the token, others see the same peer.
//! let ended = client.closed().await;
//! println!("{ended}");
//! let resume = Some(client.welcome().token);
//! let client = server.connect(Options { resume, ..options() }).await?;
//! assert!(client.welcome().resumed, "within the time that the server keeps the peer");
//! client.leave().await;
//! # Ok(()) }
//! ```
//!
//! A client has one link: [`Client::closed`] returns how that ended, and [`Options::resume`] comes
//! back as the same peer. With [`Options::redials`] it does so by itself. It opens a second link
//! beside one that has been silent for 1.5 s, and goes on with whichever speaks first; after one
//! that is over it dials again, at once and then with growing pauses, for as long as it takes. It
//! gives up when it leaves, and when the server says that it must not come back.
//!
//! # Reading order
//!
//! [`server_info`] and [`trust`] (where the server is, and whether to trust it), [`link`] (one
//! link, over either transport), `session` (the loop), [`clock`], [`sender`] and [`redial`] (its pure
//! parts).

mod client;
pub mod clock;
mod connector;
mod error;
pub mod link;
mod options;
pub mod redial;
pub mod sender;
pub mod server_info;
mod session;
pub mod trust;

pub use self::client::Client;
pub use self::connector::{Connector, Sockets};
pub use self::error::{ConnectError, Ended};
pub use self::link::webtransport::Udp;
pub use self::options::{Event, Events, Options, Reading, Traffic, Transport};
pub use self::server_info::Config;
pub use self::trust::{Trust, TrustError};
