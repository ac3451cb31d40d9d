//! Hosts and origins as requests name them, and the names that this server goes by.
//!
//! A page of evil.example can point its own name at an address of this computer or network and
//! then read what a server there answers (DNS rebinding). TLS stops that by its certificate; on
//! plain HTTP a request must name a host that nobody outside can point here.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use http::uri::Authority;
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::server::addresses;
use crate::server::reload::Shown;

/// Domains that no name server of the internet answers for (RFC 6761, RFC 6762, RFC 8375, and
/// `internal`, which ICANN has reserved).
const PRIVATE: [&str; 4] = [".localhost", ".local", ".internal", ".home.arpa"];

/// A host as a URL has it, checked so that it can be written into headers and URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// A name in lower case without a dot at its end, an IPv4 address, or an IPv6 address in
    /// brackets.
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
        if let Some(address) = name.strip_prefix('[') {
            let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
            return Some(Self { name: format!("[{address}]"), port });
        }
        let name = name.strip_suffix('.').unwrap_or(&name);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let good = (1..=253).contains(&name.len()) && name.bytes().all(plain);
        good.then(|| Self { name: name.to_owned(), port })
    }

    /// The port, or that of the scheme.
    pub(crate) fn port_or_default(&self, secure: bool) -> u16 {
        self.port.unwrap_or(if secure { 443 } else { 80 })
    }

    /// Whether it is an address, which needs no name server.
    pub(crate) fn is_address(&self) -> bool {
        self.name.starts_with('[') || self.name.parse::<Ipv4Addr>().is_ok()
    }

    /// Whether a name server of the internet cannot have led here.
    fn is_private(&self) -> bool {
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
pub(crate) struct Origin {
    /// Whether its scheme is https.
    pub(crate) secure: bool,
    /// As in [`Host`].
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl Origin {
    /// Reads an origin as browsers write it; nothing may follow the port.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (secure, host) = match text.split_once("://")? {
            ("https", host) => (true, host),
            ("http", host) => (false, host),
            _ => return None,
        };
        let host = Host::parse(host)?;
        let port = host.port_or_default(secure);
        Some(Self { secure, name: host.name, port })
    }

    /// Its host, without the port that the scheme has anyway.
    pub(crate) fn host(&self) -> Host {
        let default = if self.secure { 443 } else { 80 };
        Host { name: self.name.clone(), port: (self.port != default).then_some(self.port) }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.host())
    }
}

/// The names that this server goes by on plain HTTP.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: Vec<String>,
    /// What HTTPS shows, if it is from files.
    certificate: Option<Arc<Shown<CertifiedKey>>>,
    /// Whether pages of any origin may connect, so that there is nothing to keep from anybody.
    any: bool,
}

impl Names {
    /// This computer's, those of the public address, of the allowed origins and of the
    /// certificate, and `domains`.
    pub(crate) fn new(
        public: Option<&Origin>,
        allowed: &[String],
        domains: &[String],
        certificate: Option<Arc<Shown<CertifiedKey>>>,
    ) -> Self {
        let origins = allowed.iter().filter_map(|origin| Origin::parse(origin));
        let origins = origins.chain(public.cloned()).map(|origin| origin.name);
        let domains = domains.iter().map(|name| name.to_ascii_lowercase());
        let known = addresses::names().into_iter().chain(origins).chain(domains).collect();
        Self { known, certificate, any: allowed.iter().any(|origin| origin == "*") }
    }

    /// Whether a request for this host is for this server.
    pub(crate) fn own(&self, host: &Host) -> bool {
        host.is_private()
            || self.known.contains(&host.name)
            || self.certificate.as_ref().is_some_and(|shown| {
                let key = shown.get();
                key.cert.first().is_some_and(|certificate| is_for(certificate, &host.name))
            })
    }

    /// The same where pages of any origin may be welcome.
    pub(crate) fn welcome(&self, host: &Host) -> bool {
        self.any || self.own(host)
    }
}

/// Whether a certificate is for this DNS name, which is in lower case.
fn is_for(certificate: &[u8], name: &str) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let names = certificate.subject_alternative_name().ok().flatten();
    let mut names = names.into_iter().flat_map(|names| &names.value.general_names);
    names.any(|it| {
        let GeneralName::DNSName(pattern) = it else { return false };
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_prefix("*.") {
            Some(parent) => name.split_once('.').is_some_and(|(_, rest)| rest == parent),
            None => pattern == name,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_can_be_written_into_a_header() {
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

    #[test]
    fn names_that_anybody_could_point_here_are_not_own() {
        let public = Origin::parse("https://map.example").unwrap();
        let allowed = ["https://friend.example".to_owned()];
        let domains = ["GPyS.example".to_owned()];
        let names = Names::new(Some(&public), &allowed, &domains, None);
        let own = |host| names.own(&Host::parse(host).unwrap());
        for host in [
            "localhost:8080",
            "gpys.localhost",
            "127.0.0.1",
            "[::1]:80",
            "192.0.2.7",
            "map.example:9",
            "friend.example",
            "gpys.example.",
            "my_map:5187",
            "box.local",
        ] {
            assert!(own(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "sub.map.example",
            "evil-local.example",
        ] {
            assert!(!own(host), "{host}");
        }
        let (any, host) = (["*".to_owned()], Host::parse("evil.example").unwrap());
        let names = Names::new(None, &any, &[], None);
        assert!(names.welcome(&host) && !names.own(&host));
    }

    #[test]
    fn a_certificate_tells_names() {
        let names = ["GPyS.example", "*.wild.example"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let is = |name| is_for(made.cert.der(), name);
        assert!(is("gpys.example") && is("a.wild.example"));
        assert!(!is("a.b.wild.example") && !is("wild.example") && !is("evil.example"));
        assert!(!is_for(b"nonsense", "gpys.example"));
    }
}
