//! A native client of GPyS: be on the map, and see who else is, from a program without a browser.
//!
//! # The first five minutes
//!
//! A [`Room`] is all that most programs need: it joins, stays, sees who is there and says where its
//! own client is. It holds the better of two transports, comes back by itself after a lost network,
//! and is a stream of what happens.
//!
//! ```no_run
//! use gpys_client::{Move, Room, RoomEvent, RoomOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = RoomOptions { name: "Ada".into(), ..RoomOptions::default() };
//! let room = Room::join("https://localhost:4433/r/stage", options).await?;
//! room.move_to(Move::earth(45.75, 14.36).with_accuracy(5.0))?;
//! for person in room.people() {
//!     println!("{} is at {:?}", person.name(), person.place());
//! }
//! while let Some(event) = room.next().await {
//!     match event {
//!         RoomEvent::Enter(person) => println!("{} is here", person.name()),
//!         RoomEvent::Moved(person) => println!("{} is at {:?}", person.name(), person.place()),
//!         RoomEvent::Closed(closed) if closed.terminal => println!("{}", closed.ended),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! In a room on a plane, or with state, one declaration is the layout and the type:
//!
//! ```no_run
//! use gpys_client::{Move, Room, RoomOptions, State as _, state};
//! use gpys_client::proto::kind::{Number, Plane, Space};
//! use gpys_client::proto::wire::To;
//!
//! state! {
//!     struct Cursor { tool: u8, down: bool }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let space = Some(Space::Plane(Plane { unit: "px".into(), step: Number(0.5) }));
//! let options = RoomOptions { space, state: Some(Cursor::layout()), ..RoomOptions::default() };
//! let room = Room::join("https://localhost:4433/r/board", options).await?;
//! room.move_to(Move::plane(640.5, -12.0))?;
//! room.set_state(&Cursor { tool: 2, down: true })?;
//! room.say("emoji", &"👋", To::Near, false)?;
//! let tools = room.people().iter().filter_map(|it| it.state::<Cursor>()).map(|it| it.tool).max();
//! # drop(tools);
//! room.leave().await;
//! # Ok(()) }
//! ```
//!
//! # Below a room
//!
//! A [`Connector`] holds what links to one server share, so that one process can be thousands of
//! clients. A [`Client`] is the peer inside a room, for programs that measure, or that decide by
//! themselves what becomes of a link: it calls back on the task that reads the link, over one
//! transport unless it [races](Options::races), and until [`Client::closed`] unless it
//! [redials](Options::redials).
//!
//! ```no_run
//! use gpys_client::{ConnectError, Connector, Options, Transport, Trust};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Connector::new("https://localhost:4433", Trust::Public).await?;
//! let options = |transport| Options { transport, room: "stage".into(), ..Options::default() };
//! // Every cause of a failure that calls for another action is a variant.
//! let client = match server.connect(options(Transport::WebTransport)).await {
//!     Err(ConnectError::UdpBlocked { .. }) => {
//!         server.connect(options(Transport::WebSocket)).await?
//!     }
//!     connected => connected?,
//! };
//! println!("{}", client.closed().await);
//! # Ok(()) }
//! ```
//!
//! A client that redials opens a second link beside one that has been silent for 1.5 s, and goes on
//! with whichever speaks first; after one that is over it dials again, at once and then with growing
//! pauses, for as long as it takes.
//!
//! # Reading order
//!
//! [`server_info`] and [`trust`] (where the server is, and whether to trust it), [`link`] (one
//! link, over either transport), `session` (the loop), [`clock`], [`sender`] and [`redial`] (its pure
//! parts), `room` (what a program is told).

mod access;
mod client;
pub mod clock;
mod connector;
mod error;
pub mod link;
mod options;
pub mod redial;
mod room;
pub mod sender;
pub mod server_info;
mod session;
pub mod trust;

pub use self::access::Access;
pub use self::client::Client;
pub use self::connector::{Connector, Sockets};
pub use self::error::{ConnectError, Ended, SayError};
pub use self::link::webtransport::Udp;
pub use self::options::{Event, Events, Options, Reading, Traffic, Transport};
#[doc(hidden)]
pub use self::room::range;
pub use self::room::{
    Bounds, Closed, Field, Move, Person, Phase, Room, RoomEvent, RoomOptions, Said, State,
    StateError, Status,
};
pub use self::server_info::Config;
pub use self::trust::{Trust, TrustError};
pub use gpys_proto as proto;
pub use gpys_proto::place::{Place, PlaceError};
