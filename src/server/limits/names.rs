//! The host names of this server.
//!
//! A page on evil.example can point its own name at an address on this computer or network and then
//! read what a server there answers (DNS rebinding). TLS prevents that by its certificate; on plain
//! HTTP, a request must name a host that no outsider can point here.

use std::sync::Arc;

use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::addresses;
use crate::files::Shown;
use crate::host::{Host, Origin};

/// The host names that this server accepts on plain HTTP.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: Vec<String>,
    /// The HTTPS certificate, if it comes from files.
    certificate: Option<Arc<Shown<CertifiedKey>>>,
    /// Whether pages of any origin may connect, which leaves nothing to protect.
    any: bool,
}

impl Names {
    /// The names of this computer, of the public address, of the allowed origins and of the
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

    /// Whether this host is this server.
    pub(crate) fn own(&self, host: &Host) -> bool {
        host.is_private()
            || self.known.contains(&host.name)
            || self.certificate.as_ref().is_some_and(|shown| {
                let key = shown.get();
                key.cert.first().is_some_and(|certificate| is_for(certificate, &host.name))
            })
    }

    /// The same, or whether any origin may connect.
    pub(crate) fn welcome(&self, host: &Host) -> bool {
        self.any || self.own(host)
    }
}

/// Whether a certificate covers this DNS name, which is in lower case.
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
    fn rejects_names_that_an_outsider_could_point_here() {
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
    fn a_certificate_adds_its_names() {
        let names = ["GPyS.example", "*.wild.example"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let is = |name| is_for(made.cert.der(), name);
        assert!(is("gpys.example") && is("a.wild.example"));
        assert!(!is("a.b.wild.example") && !is("wild.example") && !is("evil.example"));
        assert!(!is_for(b"nonsense", "gpys.example"));
    }
}
