//! Attackers against a real server, doing what no honest client does.
//!
//! Reading order: [`tools`], [`socket`] and [`quic`] are their means; [`people`] are the bystanders
//! who must notice nothing; [`arena`] is where both meet; the other modules are attacks.

pub mod arena;
pub mod content;
pub mod deaf;
pub mod floods;
pub mod h3;
pub mod http;
pub mod identity;
pub mod messages;
pub mod packets;
pub mod people;
pub mod quic;
pub mod reflection;
pub mod rfc6455;
pub mod sessions;
pub mod slow;
pub mod socket;
pub mod talk;
pub mod tokens;
pub mod tools;
