//! Handshakes that go on with any certificate, and remember it.

use std::sync::{Arc, Mutex};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::{ClientConfig, Error};

use crate::cli::lock::lock;
use gpys_client::TrustError;
use gpys_client::trust::{self, AcceptAny, Certificate, Observer};

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
pub(super) type Judge = Result<Arc<WebPkiServerVerifier>, Arc<TrustError>>;

/// Reads the platform's authorities, which takes a while.
pub(super) fn judge() -> Judge {
    trust::platform().map_err(Arc::new)
}

/// Remembers a certificate and what would have been said of it.
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

/// What a handshake showed.
#[derive(Clone, Debug)]
pub(super) struct Record(Arc<AcceptAny<Recorder>>);

impl Record {
    /// The certificate, once the handshake is done.
    pub(super) fn shown(&self) -> Option<Shown> {
        lock(&self.0.observer.shown).clone()
    }
}

/// A TLS configuration that offers this protocol, takes every certificate and records it.
///
/// # Errors
/// If TLS has no version in common with its cryptography.
pub(super) fn recording(judge: &Judge, protocol: &[u8]) -> Result<(ClientConfig, Record), Error> {
    let recorder = Recorder { judge: judge.clone(), shown: Mutex::default() };
    let record = Record(Arc::new(AcceptAny::new(recorder)));
    let config = trust::tls_with(record.0.clone(), protocol)?;
    Ok((config, record))
}
