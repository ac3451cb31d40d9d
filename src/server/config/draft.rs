//! The settings while they are being read.

use std::path::PathBuf;

use url::Url;

use crate::config::acme::Acme;
use crate::config::model::Config;

/// The settings read so far. It keeps apart what only makes sense together.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// All the others.
    pub(super) config: Config,
    /// The certificate of HTTPS.
    pub(super) cert: Option<PathBuf>,
    /// Its key.
    pub(super) key: Option<PathBuf>,
    /// Whether it is from a public CA.
    pub(super) ca_signed: bool,
    /// The ACME authority, with the names to ask it for.
    pub(super) acme: Acme,
    /// The style of the map.
    pub(super) style: Option<Url>,
}
