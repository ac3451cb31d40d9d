//! Which pages may connect, and which hosts a request may name.
//!
//! A browser sends the origin of the page that connects; a page of somebody else's site is
//! refused on both transports. Native clients send none and are let in, unless the operator
//! wants an origin of everybody.

use std::net::Ipv6Addr;

use http::uri::Authority;

/// The pages that may connect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    /// Ports of this server's own pages.
    pub(crate) ports: Vec<u16>,
    /// Origins that the operator allowed, as browsers write them; `*` allows any.
    pub(crate) allowed: Vec<String>,
    /// Whether a client that names no origin is refused.
    pub(crate) required: bool,
}

impl Origins {
    /// Whether a page of this origin may connect to the host that it addressed.
    pub(crate) fn admit(&self, origin: Option<&str>, addressed: Option<&str>) -> bool {
        let Some(origin) = origin else { return !self.required };
        if self.allowed.iter().any(|allowed| allowed == "*" || allowed == origin) {
            return true;
        }
        let Some((scheme, rest)) = origin.split_once("://") else { return false };
        let default_port = if scheme == "https" { 443 } else { 80 };
        let page = Host::parse(rest);
        let own = addressed.and_then(Host::parse);
        page.zip(own).is_some_and(|(page, own)| {
            let port = page.port.unwrap_or(default_port);
            let same_port = port == own.port.unwrap_or(default_port);
            // A server that listens on IPv4 alone sends its pages on localhost there by itself.
            let is_local = page.name == "localhost" && own.name == "127.0.0.1";
            (page.name == own.name || is_local) && (same_port || self.ports.contains(&port))
        })
    }
}

/// A host as a URL has it, checked so that it can be written into headers and URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// A name in lower case, an IPv4 address, or an IPv6 address in brackets.
    pub(crate) name: String,
    /// The port, if it is named.
    pub(crate) port: Option<u16>,
}

impl Host {
    /// Reads `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let name = authority.host().to_ascii_lowercase();
        let port = match text.strip_prefix(authority.host()) {
            Some("") => None,
            Some(port) => Some(port.strip_prefix(':')?.parse().ok()?),
            None => return None,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let good = match address {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => (1..=253).contains(&name.len()) && name.bytes().all(plain),
        };
        good.then_some(Self { name, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_and_allowed_pages_connect() {
        let allowed = vec!["https://friend.example".to_owned()];
        let origins = Origins { ports: vec![4433, 8080], allowed, required: false };
        let admit = |origin, host| origins.admit(Some(origin), Some(host));
        assert!(origins.admit(None, Some("localhost:4433")), "a native client");
        assert!(admit("http://localhost:8080", "localhost:4433"));
        assert!(admit("http://localhost:8080", "127.0.0.1:4433"), "sent there by the server");
        assert!(
            !admit("http://localhost:9999", "127.0.0.1:4433"),
            "somebody else on this computer"
        );
        assert!(!admit("http://localhost.evil.example:8080", "127.0.0.1:4433"));
        assert!(admit("https://192.168.1.7:4433", "192.168.1.7:4433"));
        assert!(admit("https://[fe80::1]:4433", "[fe80::1]:4433"));
        assert!(admit("https://gpys.example", "gpys.example"), "behind a proxy");
        assert!(admit("https://friend.example", "localhost:4433"));
        assert!(!admit("https://evil.example", "localhost:4433"));
        assert!(!admit("https://localhost:9999", "localhost:4433"));
        assert!(!admit("null", "localhost:4433"));
        assert!(!admit("https://localhost:4433.evil.example", "localhost:4433"));
        assert!(!origins.admit(Some("https://localhost:4433"), None));
        let strict = Origins { required: true, ..origins };
        assert!(!strict.admit(None, Some("localhost:4433")), "a native client");
        assert!(strict.admit(Some("https://localhost:4433"), Some("localhost:4433")));
    }

    #[test]
    fn a_host_is_what_can_be_written_into_a_header() {
        let host = |name: &str, port| Some(Host { name: name.to_owned(), port });
        assert_eq!(Host::parse("LocalHost"), host("localhost", None));
        assert_eq!(Host::parse("10.0.0.1:80"), host("10.0.0.1", Some(80)));
        assert_eq!(Host::parse("[::1]:443"), host("[::1]", Some(443)));
        for bad in ["", ":1", "a b", "a;b", "user@host", "host:", "host:x", "[::zz]", "h_x", "a'"] {
            assert_eq!(Host::parse(bad), None, "{bad}");
        }
    }
}
