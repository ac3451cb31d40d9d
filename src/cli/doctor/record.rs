//! Handshakes that accept any certificate, and record it.

use std::sync::{Arc, Mutex};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::{ClientConfig, Error};

use crate::cli::lock::lock;
use gpys_client::TrustError;
use gpys_client::trust::{self, AcceptAny, Certificate, Observer};

/// A certificate that a server showed, and the verdict of the platform's authorities.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// The server's own, in DER.
    pub(super) leaf: Vec<u8>,
    /// Number of certificates that came with it.
    pub(super) others: usize,
    pub(super) judged: Result<(), Error>,
}

/// The platform's authorities, or the reason why there are none.
pub(super) type Judge = Result<Arc<WebPkiServerVerifier>, Arc<TrustError>>;

/// Reads the platform's authorities, which takes a while.
pub(super) fn judge() -> Judge {
    trust::platform().map_err(Arc::new)
}

/// Records a certificate and the verdict on it.
#[derive(Debug)]
struct Recorder {
    judge: Judge,
    shown: Mutex<Option<Shown>>,
}

impl Observer for Recorder {
    fn observe(&self, Certificate { leaf, others, name, ocsp, now }: Certificate<'_>) {
        let judged = match &self.judge {
            Ok(judge) => judge.verify_server_cert(leaf, others, name, ocsp, now).map(drop),
            Err(error) => Err(Error::General(error.to_string())),
        };
        *lock(&self.shown) = Some(Shown { leaf: leaf.to_vec(), others: others.len(), judged });
    }
}

/// The record of a handshake.
#[derive(Clone, Debug)]
pub(super) struct Record(Arc<AcceptAny<Recorder>>);

impl Record {
    /// The certificate, once the handshake is done.
    pub(super) fn shown(&self) -> Option<Shown> {
        lock(&self.0.observer.shown).clone()
    }
}

/// A TLS configuration that offers this protocol, and accepts and records any certificate.
///
/// # Errors
/// If TLS has no version in common with its cryptography.
pub(super) fn recording(judge: &Judge, protocol: &[u8]) -> Result<(ClientConfig, Record), Error> {
    let recorder = Recorder { judge: judge.clone(), shown: Mutex::default() };
    let record = Record(Arc::new(AcceptAny::new(recorder)));
    let config = trust::tls_with(record.0.clone(), protocol)?;
    Ok((config, record))
}
