//! Where clients reach this server, as `/config.json` tells them.

use std::net::SocketAddr;

use crate::config::{Front, PublicUdp};
use crate::host::{Host, Origin};

/// What the addresses follow from.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Where WebTransport listens.
    pub(crate) web_transport: SocketAddr,
    /// Whether pages know its certificate by a hash.
    pub(crate) by_hash: bool,
    /// What is in front.
    pub(crate) front: Front,
}

/// The origins of WebTransport and WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) web_transport: String,
    pub(crate) web_socket: String,
}

impl Reach {
    /// The host and the scheme of somebody who addressed `host` from a page of `origin`: a page
    /// that was opened at the public address stays there, whatever host a proxy names.
    pub(crate) fn seen(&self, host: &Host, secure: bool, origin: Option<&Origin>) -> (Host, bool) {
        match &self.front.public_url {
            Some(public) if origin == Some(public) => (public.host(), public.secure),
            Some(public) if *host == public.host() => (host.clone(), public.secure),
            _ => (host.clone(), secure),
        }
    }

    /// The addresses for somebody who addressed `host`.
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
        // Browsers take localhost for ::1 first and do not try again over QUIC. A certificate known
        // by its hash needs no name.
        let loopback = host.name == "localhost" && self.web_transport.is_ipv4() && self.by_hash;
        (if loopback { "127.0.0.1" } else { &host.name }, self.web_transport.port())
    }

    /// What a page may connect to that was opened at `host`, as sources of its policy. Where it is
    /// not known whether the page is encrypted, both schemes are, of which the browser lets an
    /// https page use one alone.
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

/// A host as a source of a policy. The grammar (CSP 3, section 2.3.1) has neither IPv6 addresses
/// nor underscores, and browsers skip a source that breaks it; any host of that port is the
/// narrowest that they understand.
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
    fn udp_is_beside_the_page_or_where_it_is_said_to_be() {
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
    fn a_page_of_the_public_address_is_there_whatever_the_proxy_names() {
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
    fn a_policy_has_no_source_that_browsers_skip() {
        let near = reach(None, None);
        let sources = |host| near.sources(Some(&Host::parse(host).unwrap()), None);
        assert_eq!(sources("[::1]:8080"), " https://*:4433 ws://*:8080 wss://*:8080");
        assert_eq!(sources("my_map:5187"), " https://*:4433 ws://*:5187 wss://*:5187");
        let secure = near.sources(Host::parse("a.example").as_ref(), Some(true));
        assert_eq!(secure, " https://a.example:4433 wss://a.example");
    }
}
