//! The core of GPyS, a live map on which people see where the others are and how they hold their
//! devices: the bytes on the wire, the state of a room, and the state of a viewer.
//!
//! A *peer* sends *poses* over unreliable datagrams. A *room* is a [`World`](world::World) on the
//! server: it keeps each peer's latest pose, and as often as it can afford makes one *frame* for
//! each *viewer*, with the people in its viewport that changed, as far as the viewer's byte rate
//! allows.
//! At the other end a [`View`](view::View) takes in frames in any order. Both lanes may lose
//! anything but the reliable one's messages (who joined, left, hid), and nothing is sent twice for
//! it: what a viewer missed is new to it, and comes with a later frame.
//!
//! ```text
//!  peer                       room, on the server                          viewer
//!  Pose ──Sample──► World::handle_pose ─tick─► World::poll_frame ──bytes──► View::handle_frame
//!       ──message─► World::handle_message ───► World::poll_event ──message► View::handle_message
//! ```
//!
//! The crate does no I/O. It opens no socket, reads no clock, draws no random number and knows no
//! async runtime: time, ids, secrets and seeds are arguments. Equal inputs therefore give equal
//! outputs, and a simulation replays any run from its seed. The lints below enforce this (the bans
//! are listed in `.clippy.toml`). [`World`](world::World) documents how to drive a room, with an
//! example that is a whole server and client in 25 lines.
//!
//! # Where to begin
//!
//! 1. The values: [`time`], [`geo`] (positions, viewports, cells), [`pose`], [`motion`], [`kind`]
//!    (planes and state), [`place`] (as programs give them), [`blur`] (approximate positions) and
//!    [`text`] (names).
//! 2. [`wire`], the bytes that `docs/PROTOCOL.md` specifies: messages and datagrams, and
//!    [`wire::frame`] over [`wire::bits`].
//! 3. [`world`], the server's half, and [`view`], the receiver's.

#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

pub mod blur;
pub mod bucket;
pub mod geo;
pub mod kind;
pub mod motion;
pub mod place;
pub mod pose;
pub mod text;
pub mod time;
pub mod uplink;
pub mod view;
pub mod wire;
pub mod world;
