//! Which server a client believes.
//!
//! A server of one's own, on one's own computer or network, has a certificate that nobody vouches
//! for: no public authority signs for `192.168.1.7`. Asking for `--insecure` there would only
//! teach people to write it everywhere. So [`Trust::Public`] takes any certificate from hosts
//! that no authority can vouch for (`localhost`, loopback, link-local and private addresses,
//! written as such in the URL) and asks the platform's roots about every other host. A *name*
//! that resolves to a private address is asked about too: whoever answers DNS must not be able
//! to choose.
//!
//! The link to such a host is still encrypted, but whoever sits between on the same network can
//! read and change it. WebTransport with certificate hashes is as strong as the `/config.json`
//! that named them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Which certificates are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those that the platform's roots vouch for, and any from a loopback or private address.
    #[default]
    Public,
    /// Any, from anybody.
    Insecure,
}

impl Trust {
    /// Whether the certificate of `host` (a name or an address, as in a URL) is verified.
    #[must_use]
    pub fn verifies(self, host: &str) -> bool {
        self == Self::Public && !is_private(host)
    }
}

/// Whether no authority can vouch for `host`.
pub fn is_private(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    match literal.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        Ok(IpAddr::V6(v6)) => {
            v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// A TLS configuration that verifies the server, or does not, and offers this protocol.
///
/// # Errors
/// If the platform has no roots to verify with, or none of them can be read.
pub fn tls(verify: bool, protocol: &[u8]) -> Result<ClientConfig, String> {
    if !verify {
        return tls_of(Arc::new(Anybody::new(())), protocol);
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots()?), provider);
    tls_of(verifier.build().map_err(|error| error.to_string())?, protocol)
}

/// A TLS configuration that leaves the server's certificate to `verifier`, and offers this
/// protocol.
///
/// # Errors
/// If TLS has no version in common with its cryptography.
pub fn tls_of(
    verifier: Arc<dyn ServerCertVerifier>,
    protocol: &[u8],
) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// The authorities that the platform knows.
///
/// # Errors
/// If it has none, or none of them can be read.
pub fn roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Platforms carry old roots that no longer parse; one good root is enough to go on.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
    Err(format!("this computer has no root certificates to verify the server with{why}"))
}

/// A certificate as a server shows it.
pub struct Certificate<'a> {
    /// The server's own.
    pub leaf: &'a CertificateDer<'a>,
    /// Those that came with it.
    pub others: &'a [CertificateDer<'a>],
    /// Whose it should be.
    pub name: &'a ServerName<'a>,
    /// The stapled OCSP response; empty if there is none.
    pub ocsp: &'a [u8],
    /// When it is verified.
    pub now: UnixTime,
}

/// What is done with a certificate that is taken anyway.
pub trait Look: fmt::Debug + Send + Sync {
    /// Looks at it.
    fn look(&self, certificate: Certificate<'_>);
}

/// Nobody looks.
impl Look for () {
    fn look(&self, _: Certificate<'_>) {}
}

/// Takes any certificate, but insists that the server has its key.
#[derive(Debug)]
pub struct Anybody<L> {
    algorithms: WebPkiSupportedAlgorithms,
    /// Who looks at it meanwhile.
    pub look: L,
}

impl<L: Look> Anybody<L> {
    /// Somebody looks at each certificate.
    pub fn new(look: L) -> Self {
        Self { algorithms: ring::default_provider().signature_verification_algorithms, look }
    }
}

impl<L: Look> ServerCertVerifier for Anybody<L> {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.look.look(Certificate { leaf, others, name, ocsp, now });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_that_nobody_vouches_for_go_unverified() {
        for host in ["localhost", "127.0.0.1", "[::1]", "192.168.1.7", "10.0.0.1", "[fe80::1]"] {
            assert!(!Trust::Public.verifies(host), "{host}");
        }
        for host in ["example.org", "8.8.8.8", "localhost.example.org", "[2001:db8::1]", "lan"] {
            assert!(Trust::Public.verifies(host), "{host}");
            assert!(!Trust::Insecure.verifies(host), "{host}");
        }
        assert!(!Trust::Public.verifies("::ffff:127.0.0.1"));
    }
}
