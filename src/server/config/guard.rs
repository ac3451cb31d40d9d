//! What the server lets in, before and until somebody is in a room.

use std::time::Duration;

use crate::config::reader::{Reader, parse, within};
use crate::config::sources::Given;

/// The limits of the door. Zero is none of them: a door that lets nobody in is no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Most connections in all, over both transports; `None` for the people of a full room and
    /// 1,024 more, which load the page.
    pub connections: Option<u32>,
    /// Most connections from one network address.
    pub per_network: u32,
    /// Handshakes a second from one network address; five times as many at once.
    pub handshakes: u32,
    /// Most connections whose handshake is not done; from a 64th of it on, QUIC clients must
    /// prove their address first.
    pub half_open: u32,
    /// Whether the limits per address hold for this computer, too.
    pub local: bool,
    /// Most rooms.
    pub rooms: u32,
    /// How long a client has for each step until it has said hello: TLS, QUIC with the request
    /// for a session, the head of a request, the stream, the hello.
    pub deadline: Duration,
}

impl Default for Guard {
    /// A crowd behind one address may scan a code together: 200 handshakes a second cost a
    /// twentieth of one core. Whoever has not shaken hands after 5 s is gone.
    fn default() -> Self {
        Self {
            connections: None,
            per_network: 1_024,
            handshakes: 200,
            half_open: 4_096,
            local: false,
            rooms: 10_000,
            deadline: Duration::from_secs(5),
        }
    }
}

impl Guard {
    /// Checks what was given; what is wrong is noted by the reader.
    pub(super) fn read(given: &Given, reader: &mut Reader<'_>) -> Self {
        let defaults = Self::default();
        let mut number = |name, most: u32| {
            let words = match most {
                u32::MAX => "a whole number from 1".to_owned(),
                most => format!("a whole number from 1 to {most}"),
            };
            reader.read(given.one(name), &words, within(1, most))
        };
        Self {
            connections: number("max-connections", u32::MAX),
            per_network: number("max-per-address", u32::MAX).unwrap_or(defaults.per_network),
            handshakes: number("handshakes-per-address", 1_000_000).unwrap_or(defaults.handshakes),
            half_open: number("max-half-open", u32::MAX).unwrap_or(defaults.half_open),
            rooms: number("max-rooms", 1_000_000).unwrap_or(defaults.rooms),
            deadline: number("deadline", 60)
                .map_or(defaults.deadline, |seconds| Duration::from_secs(seconds.into())),
            local: reader
                .read(given.one("limit-local"), "true or false", parse)
                .unwrap_or(defaults.local),
        }
    }

    /// A setting as TOML; `None` if it is not set or not one of these.
    pub(super) fn value(&self, name: &str) -> Option<toml::Value> {
        let number = match name {
            "max-connections" => self.connections?,
            "max-per-address" => self.per_network,
            "handshakes-per-address" => self.handshakes,
            "max-half-open" => self.half_open,
            "max-rooms" => self.rooms,
            "deadline" => u32::try_from(self.deadline.as_secs()).unwrap_or(u32::MAX),
            "limit-local" => return Some(self.local.into()),
            _ => return None,
        };
        Some(i64::from(number).into())
    }
}
