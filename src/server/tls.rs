//! The server's certificates.
//!
//! Pages come over HTTPS with a certificate from files or from an ACME authority, or with one
//! generated for this run, about which browsers warn. WebTransport has no warning to click through:
//! unless the certificate is a public CA's, pages pin its hash (`rotation`).

#[cfg_attr(not(feature = "acme"), path = "tls/acme_absent.rs")]
pub(crate) mod acme;
pub(crate) mod certificates;
mod chain;
pub mod pem;
pub(crate) mod provider;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quinn_proto::crypto::rustls::NoInitialCipherSuite;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use time::OffsetDateTime;
use wtransport::tls::Certificate;
use wtransport::tls::error::InvalidCertificate;

use crate::clock::unix_now;
use crate::files::{Content, File, Shown};
use crate::metrics::Reloaded;
use crate::terminal;
use crate::tls::pem::{Fault, PemError};
use crate::tls::provider::provider;

/// ALPN protocol of an authority's validation handshake (RFC 8737, section 6.2).
pub(crate) const PROOF: &[u8] = b"acme-tls/1";
pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 24 * HOUR;
/// How far a client's clock may be off, in s. Certificates are backdated by this much.
pub(crate) const SKEW: i64 = DAY;
/// Lifetime of the self-signed HTTPS certificate generated at startup, in s.
const RUN_VALID: i64 = 397 * DAY;

/// An error in loading or generating a certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A certificate or key file cannot be used.
    #[error(transparent)]
    File(#[from] PemError),
    /// A file holds a certificate for names other than those configured.
    #[error("{} holds a certificate for other names", .0.display())]
    Names(PathBuf),
    /// A file holds no certificate.
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    /// TLS does not accept the certificate or the key.
    #[error("TLS does not accept this certificate with this key: {0}")]
    Refused(#[from] rustls::Error),
    /// A certificate cannot be generated.
    #[error("cannot generate a certificate: {0}")]
    Mint(#[from] rcgen::Error),
    /// This computer's clock is far off.
    #[error("this computer's clock shows a time that no certificate can have: {0}")]
    Clock(#[from] time::error::ComponentRange),
    /// A generated certificate is invalid.
    #[error("cannot generate a certificate: {0}")]
    Made(#[from] InvalidCertificate),
    /// The settings require a feature that this program was built without.
    #[cfg(not(feature = "acme"))]
    #[error("this program was built without `--features acme`")]
    NoAcme,
    /// QUIC does not accept the configuration.
    #[error("QUIC does not accept this configuration: {0}")]
    Quic(#[from] NoInitialCipherSuite),
}

/// A certificate chain and its key.
#[derive(Debug)]
pub(crate) struct ServerCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Clone for ServerCertificate {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl ServerCertificate {
    /// Converts the chain and its key for use with TLS.
    ///
    /// # Errors
    /// If the key does not match the certificate.
    pub(crate) fn certified(self) -> Result<CertifiedKey, CertificateError> {
        Ok(CertifiedKey::from_der(self.chain, self.key, &provider())?)
    }

    /// Generates a self-signed certificate: ECDSA on P-256, valid between two times in s since
    /// 1970.
    ///
    /// # Errors
    /// If a name or a time cannot be in a certificate.
    pub(crate) fn mint(
        names: Vec<String>,
        (from, until): (i64, i64),
    ) -> Result<Self, CertificateError> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "GPyS");
        params.not_before = OffsetDateTime::from_unix_timestamp(from)?;
        params.not_after = OffsetDateTime::from_unix_timestamp(until)?;
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Ok(Self { chain: vec![certificate.der().clone()], key })
    }

    /// Generates a certificate for HTTPS that serves for this run of the server.
    ///
    /// # Errors
    /// If a name cannot be in a certificate.
    pub(crate) fn for_this_run(names: Vec<String>) -> Result<Self, CertificateError> {
        let now = unix_now();
        Self::mint(names, (now - SKEW, now - SKEW + RUN_VALID))
    }

    /// The SHA-256 of the certificate.
    ///
    /// # Errors
    /// If the certificate is invalid.
    pub(crate) fn hash(&self) -> Result<Hash, CertificateError> {
        let certificate = self.chain.first().map(|first| first.to_vec()).unwrap_or_default();
        Ok(*Certificate::from_der(certificate)?.hash().as_ref())
    }

    /// A resolver that returns this certificate in every handshake.
    ///
    /// # Errors
    /// If the key does not match the certificate.
    pub(crate) fn single(self) -> Result<Arc<dyn ResolvesServerCert>, CertificateError> {
        Ok(Arc::new(SingleCertAndKey::from(self.certified()?)))
    }
}

/// The TLS configuration of HTTPS; `proves` enables the validation handshakes of an authority.
///
/// # Errors
/// If the cryptography provider supports no version of TLS.
pub(crate) fn https(
    certificate: Arc<dyn ResolvesServerCert>,
    proves: bool,
) -> Result<ServerConfig, CertificateError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if proves {
        config.alpn_protocols.push(PROOF.to_vec());
    }
    Ok(config)
}

/// The SHA-256 of a certificate.
pub(crate) type Hash = [u8; 32];

impl Content<2> for CertifiedKey {
    type Error = PemError;
    const KIND: Reloaded = Reloaded::Certificate;

    fn parse([chain, key]: [File<'_>; 2]) -> Result<Self, PemError> {
        let (certified, notes) = pem::certified(chain, key, unix_now())?;
        for note in notes {
            tracing::warn!("{note}");
        }
        Ok(certified)
    }

    fn unreadable(path: &Path, error: std::io::Error) -> PemError {
        PemError { file: terminal::file(path), fault: Fault::Read(error) }
    }
}

impl ResolvesServerCert for Shown<CertifiedKey> {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}
