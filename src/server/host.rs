//! Hosts and origins, as written in requests.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::uri::Authority;

/// Domains that public DNS never resolves (RFC 6761, RFC 6762, RFC 8375, and `internal`, which
/// ICANN has reserved).
const PRIVATE: [&str; 4] = [".localhost", ".local", ".internal", ".home.arpa"];

/// A host as written in a URL, checked to be safe in headers and URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A name in lower case without a trailing dot, an IPv4 address, or an IPv6 address in
    /// brackets.
    pub name: String,
    /// The port, if given.
    pub port: Option<u16>,
}

impl Host {
    /// Parses `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`.
    pub fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let name = authority.host().to_ascii_lowercase();
        let port = match text.strip_prefix(authority.host()) {
            Some("") => None,
            Some(port) => Some(port.strip_prefix(':')?.parse().ok()?),
            None => return None,
        };
        if let Some(address) = name.strip_prefix('[') {
            let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
            return Some(Self { name: format!("[{address}]"), port });
        }
        let name = name.strip_suffix('.').unwrap_or(&name);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let good = (1..=253).contains(&name.len()) && name.bytes().all(plain);
        good.then(|| Self { name: name.to_owned(), port })
    }

    /// The port, or the scheme's default.
    pub fn port_or_default(&self, secure: bool) -> u16 {
        self.port.unwrap_or(if secure { 443 } else { 80 })
    }

    /// Whether the host is an address, which needs no DNS.
    pub fn is_address(&self) -> bool {
        self.name.starts_with('[') || self.name.parse::<Ipv4Addr>().is_ok()
    }

    /// Whether public DNS cannot have resolved the host to this server.
    pub fn is_private(&self) -> bool {
        self.is_address()
            || !self.name.contains('.')
            || PRIVATE.iter().any(|domain| self.name.ends_with(domain))
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The origin of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether the scheme is https.
    pub secure: bool,
    /// The host's name, as in [`Host`].
    pub name: String,
    /// The port, or the scheme's default.
    pub port: u16,
}

impl Origin {
    /// Parses an origin as browsers write it; nothing may follow the port.
    pub fn parse(text: &str) -> Option<Self> {
        let (secure, host) = match text.split_once("://")? {
            ("https", host) => (true, host),
            ("http", host) => (false, host),
            _ => return None,
        };
        let host = Host::parse(host)?;
        let port = host.port_or_default(secure);
        Some(Self { secure, name: host.name, port })
    }

    /// The origin's host, with the port unless it is the scheme's default.
    pub fn host(&self) -> Host {
        let default = if self.secure { 443 } else { 80 };
        Host { name: self.name.clone(), port: (self.port != default).then_some(self.port) }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_safe_in_a_header() {
        let host = |name: &str, port| Some(Host { name: name.to_owned(), port });
        assert_eq!(Host::parse("LocalHost"), host("localhost", None));
        assert_eq!(Host::parse("10.0.0.1:80"), host("10.0.0.1", Some(80)));
        assert_eq!(Host::parse("[::1]:443"), host("[::1]", Some(443)));
        assert_eq!(Host::parse("[0:0::1]"), host("[::1]", None));
        assert_eq!(Host::parse("my_map:5187"), host("my_map", Some(5187)));
        assert_eq!(Host::parse("gpys.example.:80"), host("gpys.example", Some(80)));
        assert_eq!(Host::parse("xn--mnchen-3ya.example"), host("xn--mnchen-3ya.example", None));
        let bad =
            ["", ":1", "a b", "a;b", "user@host", "host:", "host:x", "[::zz]", "a'", ".", "é"];
        for bad in bad {
            assert_eq!(Host::parse(bad), None, "{bad}");
        }
    }
}
