//! The server's settings: flags before `GPYS_*` in the environment before a TOML file before
//! defaults, checked once and all together.
//!
//! Reading order: `model` (the values), `settings` (the table of settings: how each is named,
//! explained, read and printed), `sources` (where values come from), `load` (what ties them
//! together).

mod acme;
mod archive;
mod certificate;
mod draft;
mod foreign;
mod front;
mod guard;
mod kinds;
mod load;
mod maps;
mod model;
mod parse;
mod print;
mod setting;
mod settings;
mod sources;
mod venue;

pub use self::acme::Acme;
pub use self::archive::{Archive, Tiles};
pub use self::certificate::{Certificate, LEAF, LEAF_KEY};
pub use self::front::Front;
pub(crate) use self::front::PublicUdp;
pub use self::guard::Guard;
pub use self::kinds::RoomKinds;
pub use self::load::ConfigError;
pub use self::maps::Maps;
pub use self::model::{Config, LogFormat};
pub use self::setting::{Group, Setting, Takes};
pub use self::settings::GROUPS;
pub use self::sources::{DEFAULT_FILE, Sources};
pub use self::venue::Venue;
