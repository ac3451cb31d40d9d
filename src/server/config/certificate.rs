//! Where the certificate of HTTPS comes from.

use std::path::{Path, PathBuf};

use crate::config::acme::Acme;

/// The file name of the server's certificate, followed by the authority's.
pub const LEAF: &str = "gpys.pem";
/// The file name of its key.
pub const LEAF_KEY: &str = "gpys.key";
/// The directory in which `gpys certs` puts the certificate.
const CERTS_DIR: &str = "certs";

/// Where the certificate of HTTPS comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// PEM files.
    Files {
        /// The certificate, followed by those of its authorities.
        chain: PathBuf,
        /// The certificate's key.
        key: PathBuf,
        /// Whether it is from a CA that every browser trusts, so that WebTransport can use it as
        /// well.
        public: bool,
    },
    /// An ACME authority, which also renews it.
    Acme(Acme),
    /// The server itself, for one run.
    ThisRun,
}

impl Certificate {
    /// The certificate that `gpys certs` made, or else one for this run.
    pub(super) fn local() -> Self {
        let at = |name| Path::new(CERTS_DIR).join(name);
        let (chain, key) = (at(LEAF), at(LEAF_KEY));
        if chain.is_file() && key.is_file() {
            Self::Files { chain, key, public: false }
        } else {
            Self::ThisRun
        }
    }

    /// The authority that the certificate comes from.
    pub(super) const fn acme(&self) -> Option<&Acme> {
        match self {
            Self::Acme(acme) => Some(acme),
            Self::Files { .. } | Self::ThisRun => None,
        }
    }
}
