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

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
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
pub(super) fn is_private(host: &str) -> bool {
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
pub(super) fn tls(verify: bool, protocol: &[u8]) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = if verify {
        builder.with_root_certificates(roots()?).with_no_client_auth()
    } else {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody { provider }))
            .with_no_client_auth()
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// The authorities that the platform knows.
///
/// # Errors
/// If it has none, or none of them can be read.
pub(super) fn roots() -> Result<RootCertStore, String> {
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

/// Takes any certificate, but insists that the server has its key.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
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
