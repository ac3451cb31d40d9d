//! The addresses at which clients reach this server, as published in `/config.json`.

use std::net::SocketAddr;

use crate::config::{Front, PublicUdp};
use crate::host::{Host, Origin};

/// The settings that determine the addresses.
#[derive(Debug)]
pub(crate) struct Reach {
    /// The address on which WebTransport listens.
    pub(crate) web_transport: SocketAddr,
    /// Whether pages pin its certificate by hash.
    pub(crate) by_hash: bool,
    /// What is in front of the server.
    pub(crate) front: Front,
}

/// The origins of WebTransport and WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) web_transport: String,
    pub(crate) web_socket: String,
}

impl Reach {
    /// The host of a client that addressed `host` from a page of `origin`, and whether to use TLS
    /// there. A page opened at the public address stays there, whatever host a proxy forwards.
    pub(crate) fn seen(&self, host: &Host, secure: bool, origin: Option<&Origin>) -> (Host, bool) {
        match &self.front.public_url {
            Some(public) if origin == Some(public) => (public.host(), public.secure),
            Some(public) if *host == public.host() => (host.clone(), public.secure),
            _ => (host.clone(), secure),
        }
    }

    /// The addresses for a client that addressed `host`.
    pub(crate) fn at(&self, host: &Host, secure: bool) -> Addresses {
        let scheme = if secure { "wss" } else { "ws" };
        let (name, port) = self.udp(host);
        Addresses {
            web_transport: format!("https://{name}:{port}"),
            web_socket: format!("{scheme}://{host}"),
        }
    }

    fn udp<'a>(&'a self, host: &'a Host) -> (&'a str, u16) {
        if let Some(PublicUdp { name, port }) = &self.front.public_udp {
            return (name.as_ref().unwrap_or(&host.name), *port);
        }
        // Browsers resolve localhost to ::1 first and do not retry over QUIC. A certificate pinned
        // by hash needs no name.
        let loopback = host.name == "localhost" && self.web_transport.is_ipv4() && self.by_hash;
        (if loopback { "127.0.0.1" } else { &host.name }, self.web_transport.port())
    }

    /// The CSP sources to which a page opened at `host` may connect. If it is unknown whether the
    /// page came over TLS, both schemes are listed; browsers let an https page use only one.
    pub(crate) fn sources(&self, host: Option<&Host>, secure: Option<bool>) -> String {
        let public = self.front.public_url.as_ref().map(Origin::host);
        let mut sources: Vec<String> = Vec::new();
        for host in [host, public.as_ref()].into_iter().flatten() {
            let (name, udp) = self.udp(host);
            let page = source(&host.name);
            let port = host.port.map(|port| format!(":{port}")).unwrap_or_default();
            sources.push(format!("https://{}:{udp}", source(name)));
            sources.push(format!("wss://{page}{port}"));
            if secure != Some(true) {
                sources.push(format!("ws://{page}{port}"));
            }
        }
        sources.sort();
        sources.dedup();
        sources.iter().map(|source| format!(" {source}")).collect()
    }
}

/// Formats a host as a CSP source. The grammar (CSP 3, section 2.3.1) allows neither IPv6
/// addresses nor underscores, and browsers skip invalid sources; `*` with the port is the narrowest
/// source that they accept.
fn source(name: &str) -> &str {
    if name.starts_with('[') || name.contains('_') { "*" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(public_url: Option<&str>, udp: Option<(Option<&str>, u16)>) -> Reach {
        let front = Front {
            public_url: public_url.map(|url| Origin::parse(url).unwrap()),
            public_udp: udp.map(|(name, port)| PublicUdp { name: name.map(str::to_owned), port }),
            trusted_proxies: Vec::new(),
        };
        Reach { web_transport: "127.0.0.1:4433".parse().unwrap(), by_hash: true, front }
    }

    fn at(reach: &Reach, host: &str, secure: bool) -> (String, String) {
        let it = reach.at(&Host::parse(host).unwrap(), secure);
        (it.web_transport, it.web_socket)
    }

    fn both(web_transport: &str, web_socket: &str) -> (String, String) {
        (web_transport.to_owned(), web_socket.to_owned())
    }

    #[test]
    fn udp_is_at_the_page_s_host_unless_set_otherwise() {
        let near = reach(None, None);
        let local = both("https://127.0.0.1:4433", "ws://localhost:8080");
        assert_eq!(at(&near, "localhost:8080", false), local);
        let proxied = both("https://map.example:4433", "wss://map.example");
        assert_eq!(at(&near, "map.example", true), proxied);
        let six = both("https://[::1]:4433", "ws://[::1]:8080");
        assert_eq!(at(&near, "[::1]:8080", false), six);
        let mapped = reach(None, Some((None, 5134)));
        let docker = both("https://localhost:5134", "wss://localhost:5134");
        assert_eq!(at(&mapped, "localhost:5134", true), docker);
        let elsewhere = reach(None, Some((Some("udp.example"), 443)));
        let apart = both("https://udp.example:443", "wss://map.example");
        assert_eq!(at(&elsewhere, "map.example", true), apart);
    }

    #[test]
    fn a_page_at_the_public_address_stays_there_behind_a_proxy() {
        let reach = reach(Some("https://map.example"), None);
        let page = Origin::parse("https://map.example").unwrap();
        let other = Origin::parse("http://localhost:8080").unwrap();
        let inner = Host::parse("127.0.0.1:8080").unwrap();
        let public = (Host::parse("map.example").unwrap(), true);
        assert_eq!(reach.seen(&inner, false, Some(&page)), public);
        assert_eq!(reach.seen(&public.0, false, None), public);
        assert_eq!(reach.seen(&inner, false, Some(&other)), (inner.clone(), false));
        let sources = reach.sources(Some(&inner), None);
        for source in [" https://map.example:4433", " wss://map.example", " ws://127.0.0.1:8080"] {
            assert!(sources.contains(source), "{sources}");
        }
    }

    #[test]
    fn writes_only_sources_that_browsers_accept() {
        let near = reach(None, None);
        let sources = |host| near.sources(Some(&Host::parse(host).unwrap()), None);
        assert_eq!(sources("[::1]:8080"), " https://*:4433 ws://*:8080 wss://*:8080");
        assert_eq!(sources("my_map:5187"), " https://*:4433 ws://*:5187 wss://*:5187");
        let secure = near.sources(Host::parse("a.example").as_ref(), Some(true));
        assert_eq!(secure, " https://a.example:4433 wss://a.example");
    }
}
