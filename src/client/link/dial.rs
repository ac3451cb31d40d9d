//! Opening further links, for those who do not know how.

use std::pin::Pin;

use tokio::time::Instant;

use crate::error::ConnectError;
use crate::link::Link;

/// A link that is being opened.
pub(crate) type Attempt = Pin<Box<dyn Future<Output = Result<Link, ConnectError>> + Send>>;

/// Opens links to the server, over the client's transport.
pub(crate) trait Dial: Send + Sync {
    /// Opens a link by `deadline`.
    fn dial(&self, deadline: Instant) -> Attempt;

    /// Where they lead.
    fn url(&self) -> &str;
}

/// Waits until an attempt is over; forever if there is none.
pub(crate) async fn attempted(attempt: &mut Option<Attempt>) -> Result<Link, ConnectError> {
    match attempt {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}
