//! Where the server listens, and how clients reach it.

use crate::config::front::{PublicUdp, parse_network, parse_public_url};
use crate::config::parse::{expect, loopback, put, socket};
use crate::config::print::{list, text};
use crate::config::setting::{Setting, Takes};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        takes: Takes::One("ADDR:PORT"),
        help: "Listen on this address and port, over TCP for HTTPS and WebSocket and over UDP for \
               WebTransport",
        absent: Some("port 4433 on every address, IPv4 and IPv6"),
        read: |draft, text| put(&mut draft.config.listen, socket(text).map(Some)),
        print: |config| config.listen.map(text),
    },
    Setting {
        name: "http",
        takes: Takes::One("ADDR:PORT"),
        help: "Also serve plain HTTP on this address and port. Browsers give the location to \
               http://localhost, but to no other plain HTTP page",
        absent: Some("off"),
        read: |draft, text| put(&mut draft.config.http, socket(text).map(Some)),
        print: |config| config.http.map(text),
    },
    Setting {
        name: "metrics",
        takes: Takes::One("ADDR:PORT"),
        help: "Serve OpenMetrics at /metrics on this loopback address",
        absent: Some("off"),
        read: |draft, text| put(&mut draft.config.metrics, loopback(text).map(Some)),
        print: |config| config.metrics.map(text),
    },
    Setting {
        name: "public-url",
        takes: Takes::One("URL"),
        help: "The URL at which users open the page, if a proxy or a port mapping is in front of \
               the server, such as https://map.example",
        absent: None,
        read: |draft, text| {
            put(&mut draft.config.front.public_url, parse_public_url(text).map(Some))
        },
        print: |config| config.front.public_url.as_ref().map(text),
    },
    Setting {
        name: "public-udp",
        takes: Takes::One("[HOST:]PORT"),
        help: "Where clients reach WebTransport's UDP from outside",
        absent: Some("the page's host, and the port of --listen"),
        read: |draft, text| {
            let kind = "a port, or a host and a port, such as 4433 or udp.map.example:4433";
            let udp = expect(kind, PublicUdp::parse(text));
            put(&mut draft.config.front.public_udp, udp.map(Some))
        },
        print: |config| config.front.public_udp.as_ref().map(text),
    },
    Setting {
        name: "trusted-proxy",
        takes: Takes::Many("ADDR[/BITS]"),
        help: "Trust the Forwarded and X-Forwarded-* headers of this proxy, an address or a \
               network such as 127.0.0.1 or 172.16.0.0/12",
        absent: None,
        read: |draft, text| {
            let kind = "an address or a network, such as 127.0.0.1 or 172.16.0.0/12";
            let network = expect(kind, parse_network(text))?;
            draft.config.front.trusted_proxies.push(network);
            Ok(())
        },
        print: |config| Some(list(&config.front.trusted_proxies)),
    },
];
