//! A stand-in for `acme` in a build without that feature.

use std::sync::Arc;

use rustls::server::ResolvesServerCert;

use crate::config::Acme as Settings;
use crate::metrics::Metrics;
use crate::tls::CertificateError;

/// An uninhabited stand-in for the ACME client.
#[derive(Debug)]
pub(crate) enum Acme {}

impl Acme {
    /// Always fails.
    pub(crate) fn load(_settings: Settings) -> Result<Self, CertificateError> {
        Err(CertificateError::NoAcme)
    }

    /// Unreachable.
    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        match *self {}
    }

    /// Unreachable.
    pub(crate) fn watch(self, _port: u16, _metrics: Arc<Metrics>) -> std::future::Ready<()> {
        match self {}
    }
}
