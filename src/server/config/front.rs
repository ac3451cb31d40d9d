//! The server as seen from outside: its public address, and the proxies in front of it.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::parse::{Wrong, expect};
use crate::host::{Host, Origin};

/// The server as seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Front {
    /// The origin at which users open the page, where requests do not show it.
    pub(crate) public_url: Option<Origin>,
    /// Where clients reach UDP from outside.
    pub(crate) public_udp: Option<PublicUdp>,
    /// Addresses of proxies whose headers about clients are trusted.
    pub(crate) trusted_proxies: Vec<IpNet>,
}

/// Where clients reach UDP from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicUdp {
    /// The host; by default the page's.
    pub(crate) name: Option<String>,
    pub(crate) port: u16,
}

impl PublicUdp {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, port) = match text.parse() {
            Ok(port) => (None, port),
            Err(_) => {
                let Host { name, port } = Host::parse(text)?;
                (Some(name), port?)
            }
        };
        (port > 0).then_some(Self { name, port })
    }
}

impl fmt::Display for PublicUdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}:")?;
        }
        write!(f, "{}", self.port)
    }
}

pub(super) fn parse_public_url(text: &str) -> Result<Origin, Wrong> {
    let kind = "the URL at which users open the page, such as https://map.example, without a \
                path and as browsers send it (xn--... for letters other than a to z)";
    let origin = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    expect(kind, Origin::parse(&origin))
}

pub(super) fn parse_network(text: &str) -> Option<IpNet> {
    let network: IpNet = match text.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().into(),
        Err(_) => text.parse().ok()?,
    };
    Some(network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_public_port_with_or_without_a_host() {
        let parse = |text| PublicUdp::parse(text).map(|it| (it.name, it.port));
        assert_eq!(parse("5134"), Some((None, 5134)));
        assert_eq!(parse("UDP.example:1"), Some((Some("udp.example".to_owned()), 1)));
        assert_eq!(parse("[2001:db8::1]:443"), Some((Some("[2001:db8::1]".to_owned()), 443)));
        for bad in ["0", "65536", "udp.example", "https://udp.example:1", "", "::1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn parses_a_proxy_as_an_address_or_a_network() {
        let parse = |text| parse_network(text).map(|it| it.to_string());
        assert_eq!(parse("127.0.0.1").as_deref(), Some("127.0.0.1/32"));
        assert_eq!(parse("::ffff:127.0.0.1").as_deref(), Some("127.0.0.1/32"));
        assert_eq!(parse("172.16.5.4/12").as_deref(), Some("172.16.0.0/12"));
        assert_eq!(parse("fd00::/8").as_deref(), Some("fd00::/8"));
        for bad in ["localhost", "10.0.0.0/33", "*", ""] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
