//! The cryptography provider of TLS and QUIC.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The crypto provider, passed explicitly so that nothing depends on the process's default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
