//! What the routes know.

use std::sync::Arc;

use crate::config::{Maps, Venue};
use crate::context::ServerContext;
use crate::http::assets::Assets;
use crate::http::files::Files;
use crate::http::reach::Reach;
use crate::webtransport::rotation::Hashes;

/// What the routes know.
#[derive(Debug)]
pub(crate) struct Site {
    /// What sessions share.
    pub(crate) context: Arc<ServerContext>,
    /// The page.
    pub(crate) assets: Assets,
    /// Where clients reach the server.
    pub(crate) reach: Reach,
    /// The hashes that pages expect; none if the certificate is a public CA's.
    pub(crate) hashes: Option<Hashes>,
    /// The purple pin.
    pub(crate) venue: Option<Venue>,
    /// The map below the people.
    pub(crate) map: Maps,
    /// Answers from files.
    pub(crate) files: Files,
}
