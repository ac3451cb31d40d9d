//! Handshakes that go on with any certificate, and remember it.

use std::sync::{Arc, Mutex};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::client::session::lock;
use crate::client::trust;

/// A certificate that a server showed, and what the platform's authorities say of it.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// DER of the server's own.
    pub(super) leaf: Vec<u8>,
    /// How many came with it.
    pub(super) others: usize,
    pub(super) judged: Result<(), Error>,
}

/// The platform's authorities, or why there are none.
pub(super) type Judge = Result<Arc<WebPkiServerVerifier>, String>;

/// Reads the platform's authorities, which takes a while.
pub(super) fn judge() -> Judge {
    let provider = Arc::new(ring::default_provider());
    WebPkiServerVerifier::builder_with_provider(Arc::new(trust::roots()?), provider)
        .build()
        .map_err(|error| error.to_string())
}

/// Takes every certificate and remembers what would have been said of it; it insists that the
/// server has the key.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    judge: Judge,
    shown: Mutex<Option<Shown>>,
}

/// What a handshake showed.
#[derive(Clone, Debug)]
pub(super) struct Record(Arc<Recorder>);

impl Record {
    /// The certificate, once the handshake is done.
    pub(super) fn shown(&self) -> Option<Shown> {
        lock(&self.0.shown).clone()
    }
}

/// A TLS configuration that offers this protocol and records what certificate it is shown.
///
/// # Errors
/// If TLS has no version in common with its cryptography.
pub(super) fn recording(judge: &Judge, protocol: &[u8]) -> Result<(ClientConfig, Record), String> {
    let provider = Arc::new(ring::default_provider());
    let (judge, shown) = (judge.clone(), Mutex::default());
    let recorder = Arc::new(Recorder { provider: Arc::clone(&provider), judge, shown });
    let verifier: Arc<dyn ServerCertVerifier> = recorder.clone();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok((config, Record(recorder)))
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = match &self.judge {
            Ok(judge) => judge.verify_server_cert(leaf, others, name, ocsp, now).map(drop),
            Err(error) => Err(Error::General(error.clone())),
        };
        *lock(&self.shown) = Some(Shown { leaf: leaf.to_vec(), others: others.len(), judged });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
