//! Opening further links, for those who do not know how.

use std::pin::Pin;

use tokio::time::Instant;

use crate::error::ConnectError;
use crate::link::Link;
use crate::options::Transport;

/// A link that is being opened.
pub(crate) type Attempt = Pin<Box<dyn Future<Output = Result<Link, ConnectError>> + Send>>;

/// An access token that is being asked for.
pub(crate) type Token = Pin<Box<dyn Future<Output = Result<Option<String>, ConnectError>> + Send>>;

/// Opens links to the server, over the client's transports.
pub(crate) trait Dial: Send + Sync {
    /// Opens a link by `deadline`.
    fn dial(&self, deadline: Instant) -> Attempt;

    /// The access token for the next link, if the client has any.
    fn token(&self) -> Token;

    /// Whether there may be a new token after one that has ended.
    fn renews_token(&self) -> bool;

    /// Where links over `transport` lead.
    fn url(&self, transport: Transport) -> &str;
}

/// Waits until an attempt is over; forever if there is none.
pub(crate) async fn attempted(attempt: &mut Option<Attempt>) -> Result<Link, ConnectError> {
    match attempt {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}
