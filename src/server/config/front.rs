//! What is in front of the server: its public address, and the proxies that it believes.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::reader::Reader;
use crate::config::sources::Given;
use crate::host::{Host, Origin};

/// How the outside sees the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Front {
    /// The origin at which people open the page, if it is not one that requests tell.
    pub(crate) public_url: Option<Origin>,
    /// Where UDP can be reached from outside.
    pub(crate) public_udp: Option<PublicUdp>,
    /// Addresses whose word about clients is believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
}

/// Where UDP can be reached from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicUdp {
    /// The host; by default the one that the page was opened at.
    pub(crate) name: Option<String>,
    pub(crate) port: u16,
}

impl Front {
    /// Checks what was given; what is wrong is noted by the reader.
    pub(super) fn read(given: &Given, reader: &mut Reader<'_>) -> Self {
        let url = "the address at which people open the page, like https://map.example, without \
                   a path and as browsers send it (xn--... for other letters than a to z)";
        let udp = "a port, or a host and a port, like 4433 or udp.map.example:4433";
        let proxy = "an address or a network, like 127.0.0.1 or 172.16.0.0/12";
        let proxies = given.all("trusted-proxy").into_iter();
        Self {
            public_url: reader.read(given.one("public-url"), url, |text| {
                Origin::parse(&text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase())
            }),
            public_udp: reader.read(given.one("public-udp"), udp, PublicUdp::parse),
            trusted_proxies: proxies
                .filter_map(|it| reader.read(Some(it), proxy, parse_network))
                .collect(),
        }
    }

    /// A setting as TOML; `None` if it is not set or not one of these.
    pub(super) fn value(&self, name: &str) -> Option<toml::Value> {
        Some(match name {
            "public-url" => self.public_url.as_ref()?.to_string().into(),
            "public-udp" => {
                let PublicUdp { name, port } = self.public_udp.as_ref()?;
                name.as_ref()
                    .map_or_else(|| port.to_string(), |name| format!("{name}:{port}"))
                    .into()
            }
            "trusted-proxy" => {
                let all = self.trusted_proxies.iter().map(|it| toml::Value::from(it.to_string()));
                toml::Value::Array(all.collect())
            }
            _ => return None,
        })
    }
}

impl PublicUdp {
    fn parse(text: &str) -> Option<Self> {
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

fn parse_network(text: &str) -> Option<IpNet> {
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
    fn a_public_port_may_have_a_host() {
        let parse = |text| PublicUdp::parse(text).map(|it| (it.name, it.port));
        assert_eq!(parse("5134"), Some((None, 5134)));
        assert_eq!(parse("UDP.example:1"), Some((Some("udp.example".to_owned()), 1)));
        assert_eq!(parse("[2001:db8::1]:443"), Some((Some("[2001:db8::1]".to_owned()), 443)));
        for bad in ["0", "65536", "udp.example", "https://udp.example:1", "", "::1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
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
