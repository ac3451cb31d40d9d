//! The state of the routes.

use std::sync::Arc;

use crate::config::{Maps, Venue};
use crate::context::ServerContext;
use crate::http::assets::Assets;
use crate::http::files::Files;
use crate::http::reach::Reach;
use crate::webtransport::rotation::Hashes;

/// The state that the routes share.
#[derive(Debug)]
pub(crate) struct Site {
    /// The state that sessions share.
    pub(crate) context: Arc<ServerContext>,
    /// The page's files.
    pub(crate) assets: Assets,
    /// Where clients reach the server.
    pub(crate) reach: Reach,
    /// The certificate hashes that pages pin; `None` if the certificate is a public CA's.
    pub(crate) hashes: Option<Hashes>,
    /// The venue, drawn as a purple pin.
    pub(crate) venue: Option<Venue>,
    /// The base map.
    pub(crate) map: Maps,
    /// Responses from files.
    pub(crate) files: Files,
}
