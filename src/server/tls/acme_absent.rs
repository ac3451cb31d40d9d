//! In place of `acme` in a program that is built without it.

use std::sync::Arc;

use rustls::server::ResolvesServerCert;

use crate::config::Acme as Settings;
use crate::metrics::Metrics;
use crate::tls::CertificateError;

/// A certificate from an authority: there is none.
#[derive(Debug)]
pub(crate) enum Acme {}

impl Acme {
    /// Always fails.
    pub(crate) fn load(_settings: Settings) -> Result<Self, CertificateError> {
        Err(CertificateError::NoAcme)
    }

    /// Is never called.
    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        match *self {}
    }

    /// Is never called.
    pub(crate) fn watch(self, _port: u16, _metrics: Arc<Metrics>) -> std::future::Ready<()> {
        match self {}
    }
}
