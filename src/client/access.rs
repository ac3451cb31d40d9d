//! The access token with which a client enters a room that needs one.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::ConnectError;

/// What asking for a token comes to.
type Asked = Pin<Box<dyn Future<Output = Result<String, Box<dyn Error + Send + Sync>>> + Send>>;

/// Where a client's access tokens come from (docs/TOKENS.md).
#[derive(Clone)]
pub enum Access {
    /// One token, as long as it lasts.
    Token(String),
    /// A source that is asked before each link, so that a client goes on after a token has ended.
    Source(Source),
}

/// Where new access tokens come from.
#[derive(Clone)]
pub struct Source(Arc<dyn Fn() -> Asked + Send + Sync>);

impl Access {
    /// Tokens from `ask`, which is called before each link. An error counts as a failed attempt to
    /// open that link.
    ///
    /// ```
    /// use gpys_client::Access;
    ///
    /// let access = Access::ask(async || -> Result<String, std::io::Error> {
    ///     Ok("what your own service answers".to_owned())
    /// });
    /// ```
    pub fn ask<F, E>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::Source(Source(Arc::new(move || {
            let asked = ask();
            Box::pin(async move { asked.await.map_err(Into::into) })
        })))
    }

    /// The token for the next link.
    pub(crate) async fn token(&self) -> Result<String, ConnectError> {
        match self {
            Self::Token(token) => Ok(token.clone()),
            Self::Source(Source(ask)) => {
                ask().await.map_err(|source| ConnectError::Token { source })
            }
        }
    }
}

impl From<String> for Access {
    fn from(token: String) -> Self {
        Self::Token(token)
    }
}

impl From<&str> for Access {
    fn from(token: &str) -> Self {
        Self::Token(token.to_owned())
    }
}

impl fmt::Debug for Access {
    /// Leaves out the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Access::Token(..)",
            Self::Source(_) => "Access::Source(..)",
        })
    }
}
