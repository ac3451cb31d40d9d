//! Which servers a client trusts.
//!
//! No public authority signs for `192.168.1.7`, so a server on one's own computer or network has a
//! certificate that no root vouches for. Asking for `--insecure` there would only teach people to
//! write it everywhere. [`Trust::Public`] therefore accepts any certificate from hosts that no
//! authority can vouch for (`localhost`, loopback, link-local and private addresses, written as
//! such in the URL) and verifies every other host against the platform's roots. A *name* that
//! resolves to a private address is verified too, because DNS must not decide.
//!
//! The link to a private host is still encrypted, but an attacker on the same network can read and
//! change it. WebTransport with certificate hashes is as strong as the `/config.json` that named
//! them.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Which certificates are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those that the platform's roots vouch for, and any from a loopback or private address.
    #[default]
    Public,
    /// Any, from any host.
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
#[must_use]
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

/// Why this computer cannot verify servers.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The platform has no root certificates, or none that can be read.
    #[error(
        "this computer has no root certificates to verify the server with{}; install them (on \
         Debian: apt install ca-certificates)",
        .source.as_ref().map(|it| format!(" ({it})")).unwrap_or_default()
    )]
    NoRoots {
        /// The first error in reading them, if there was one.
        source: Option<rustls_native_certs::Error>,
    },
    /// The root certificates are of no use to the verifier.
    #[error("the root certificates of this computer cannot be used: {0}")]
    Verifier(#[from] VerifierBuilderError),
    /// TLS has no version in common with its cryptography.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// A TLS configuration that verifies the server, or accepts any certificate, and offers `protocol`.
///
/// # Errors
/// If the platform has no roots to verify with, or none of them can be read.
pub fn tls(verify: bool, protocol: &[u8]) -> Result<ClientConfig, TrustError> {
    Ok(tls_with(verifier(verify)?, protocol)?)
}

/// A TLS configuration that leaves the server's certificate to `verifier`, and offers `protocol`.
///
/// # Errors
/// If TLS has no version in common with its cryptography.
pub fn tls_with(
    verifier: Arc<dyn ServerCertVerifier>,
    protocol: &[u8],
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// A verifier that asks the platform's roots, or accepts any certificate.
///
/// # Errors
/// If the platform has no roots to verify with, or none of them can be read.
pub fn verifier(verify: bool) -> Result<Arc<dyn ServerCertVerifier>, TrustError> {
    if verify { Ok(platform()?) } else { Ok(Arc::new(AcceptAny::new(()))) }
}

/// The platform's authorities as a verifier.
///
/// # Errors
/// If it has none, or none of them can be read.
pub fn platform() -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Platforms carry old roots that no longer parse; one good root is enough to go on.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(TrustError::NoRoots { source: found.errors.into_iter().next() });
    }
    let provider = Arc::new(ring::default_provider());
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
}

/// A certificate as a server shows it.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// The server's own.
    pub leaf: &'a CertificateDer<'a>,
    /// Those that came with it.
    pub others: &'a [CertificateDer<'a>],
    /// The name it should be for.
    pub name: &'a ServerName<'a>,
    /// The stapled OCSP response; empty if there is none.
    pub ocsp: &'a [u8],
    /// The time at which it is verified.
    pub now: UnixTime,
}

/// Sees the certificates that [`AcceptAny`] accepts.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Sees one certificate.
    fn observe(&self, certificate: Certificate<'_>);
}

/// Ignores them.
impl Observer for () {
    fn observe(&self, _: Certificate<'_>) {}
}

/// A verifier that accepts any certificate, but insists that the server has its key.
#[derive(Debug)]
pub struct AcceptAny<O> {
    algorithms: WebPkiSupportedAlgorithms,
    /// Sees each certificate.
    pub observer: O,
}

impl<O: Observer> AcceptAny<O> {
    /// A verifier that shows each certificate to `observer`.
    pub fn new(observer: O) -> Self {
        Self { algorithms: ring::default_provider().signature_verification_algorithms, observer }
    }
}

impl<O: Observer> ServerCertVerifier for AcceptAny<O> {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.observer.observe(Certificate { leaf, others, name, ocsp, now });
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

/// A verifier that remembers the last verdict of another, because the errors of QUIC lose it.
#[derive(Debug)]
pub(crate) struct Witness {
    verifier: Arc<dyn ServerCertVerifier>,
    verdict: Mutex<Option<Result<(), rustls::Error>>>,
}

impl Witness {
    pub(crate) fn new(verifier: Arc<dyn ServerCertVerifier>) -> Self {
        Self { verifier, verdict: Mutex::default() }
    }

    /// The last verdict; `None` if no server has shown a certificate yet.
    pub(crate) fn verdict(&self) -> Option<Result<(), rustls::Error>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.verifier.verify_server_cert(leaf, others, name, ocsp, now);
        let verdict = verified.as_ref().map(drop).map_err(Clone::clone);
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_without_an_authority_go_unverified() {
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
