//! How fast rooms run, and how much a client gets.

use std::time::Duration;

use gpys_proto::wire::Limits;

use crate::config::parse::{hz, put, switch, within};
use crate::config::print::number;
use crate::config::setting::{Setting, Takes};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "tick-hz",
        takes: Takes::One("HZ"),
        help: "Ticks per second at the slowest pace, 1-120: how often a room sends frames while it \
               has no time for more",
        absent: None,
        read: |draft, text| put(&mut draft.config.room.tick_hz, hz(text, "ticks per second")),
        print: |config| Some(number(config.room.tick_hz)),
    },
    Setting {
        name: "max-people",
        takes: Takes::One("N"),
        help: "Maximum peers per room",
        absent: None,
        read: |draft, text| {
            put(&mut draft.config.room.max_people, within(text, "peers", 1..=1_000_000))
        },
        print: |config| Some(number(config.room.max_people)),
    },
    Setting {
        name: "max-things",
        takes: Takes::One("N"),
        help: "Maximum things per room, which programs put there (docs/EMBEDDING.md)",
        absent: None,
        read: |draft, text| {
            put(&mut draft.config.room.max_things, within(text, "things", 0..=1_000_000))
        },
        print: |config| Some(number(config.room.max_things)),
    },
    Setting {
        name: "max-rooms",
        takes: Takes::One("N"),
        help: "Maximum number of rooms",
        absent: None,
        read: |draft, text| {
            put(&mut draft.config.guard.rooms, within(text, "rooms", 1..=1_000_000))
        },
        print: |config| Some(number(config.guard.rooms)),
    },
    Setting {
        name: "pose-hz",
        takes: Takes::One("HZ"),
        help: "Maximum poses per second per client, 1-120; advertised to clients",
        absent: None,
        read: |draft, text| {
            put(&mut draft.config.room.limits.pose_hz, hz(text, "poses per second"))
        },
        print: |config| Some(number(config.room.limits.pose_hz)),
    },
    Setting {
        name: "max-connections",
        takes: Takes::One("N"),
        help: "Maximum connections in total",
        absent: Some("1024 more than --max-people"),
        read: |draft, text| {
            let connections = within(text, "connections", 1..=u32::MAX);
            put(&mut draft.config.guard.connections, connections.map(Some))
        },
        print: |config| config.guard.connections.map(number),
    },
    Setting {
        name: "max-per-address",
        takes: Takes::One("N"),
        help: "Maximum connections per IPv4 address or IPv6 /64",
        absent: None,
        read: |draft, text| {
            put(&mut draft.config.guard.per_network, within(text, "connections", 1..=u32::MAX))
        },
        print: |config| Some(number(config.guard.per_network)),
    },
    Setting {
        name: "handshakes-per-address",
        takes: Takes::One("HZ"),
        help: "Maximum new connections per second per IPv4 address or IPv6 /64, with bursts of \
               five times as many",
        absent: None,
        read: |draft, text| {
            let handshakes = within(text, "connections per second", 1..=1_000_000);
            put(&mut draft.config.guard.handshakes, handshakes)
        },
        print: |config| Some(number(config.guard.handshakes)),
    },
    Setting {
        name: "max-half-open",
        takes: Takes::One("N"),
        help: "Maximum connections with an unfinished handshake. From 1/64 of it on, QUIC clients \
               must prove their address first",
        absent: None,
        read: |draft, text| {
            put(&mut draft.config.guard.half_open, within(text, "connections", 1..=u32::MAX))
        },
        print: |config| Some(number(config.guard.half_open)),
    },
    Setting {
        name: "limit-local",
        takes: Takes::Switch,
        help: "Apply the limits per address to this computer's own connections, too",
        absent: None,
        read: |draft, text| put(&mut draft.config.guard.local, switch(text)),
        print: |config| Some(config.guard.local.into()),
    },
    Setting {
        name: "deadline",
        takes: Takes::One("SECONDS"),
        help: "Time limit in seconds, 1-60, for each step until a client has said hello",
        absent: None,
        read: |draft, text| {
            let seconds = within(text, "seconds", 1..=60);
            let deadline = seconds.map(|seconds| Duration::from_secs(seconds.into()));
            put(&mut draft.config.guard.deadline, deadline)
        },
        print: |config| i64::try_from(config.guard.deadline.as_secs()).ok().map(number),
    },
    Setting {
        name: "budget",
        takes: Takes::One("BYTES"),
        help: "Bytes of frames per second for a client that asks for no rate",
        absent: None,
        read: |draft, text| {
            let Limits { min_budget, max_budget, .. } = draft.config.room.limits;
            let budget = within(text, "bytes per second", min_budget..=max_budget);
            put(&mut draft.config.room.default_budget, budget)
        },
        print: |config| Some(number(config.room.default_budget)),
    },
];
