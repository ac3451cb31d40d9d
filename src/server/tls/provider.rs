//! The cryptography that TLS and QUIC use.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The one provider of cryptography, named so that no other can become the process's default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
