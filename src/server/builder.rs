//! Puts a server together from its settings and what the program around it brings.

use std::sync::Arc;

use axum::Router;

use crate::access::Gate;
use crate::config::Config;
use crate::http::Page;
use crate::server::{Parts, Server, StartError};
use crate::webtransport::endpoint::Udp;

/// A server to be: settings, and what the program brings.
#[derive(Default)]
pub struct Builder {
    config: Config,
    page: Page,
    parts: Parts,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Builder {
    /// Serves `page` at `/`, `/r/NAME` and `/bench`, unless the configuration names a directory.
    #[must_use]
    pub fn page(self, page: Page) -> Self {
        Self { page, ..self }
    }

    /// Asks `gate` who may enter, in place of access keys.
    #[must_use]
    pub fn gate(mut self, gate: impl Gate) -> Self {
        self.parts.gate = Some(Arc::new(gate));
        self
    }

    /// Serves the program's own pages beside the server's. The server's paths are
    /// [`PATHS`](crate::PATHS), and with a page also [`PAGE_PATHS`](crate::PAGE_PATHS) and its
    /// files, for which it needs the fallback. All of it passes the server's checks and limits: its
    /// own host names only, one rate for all answers, and a strict Content-Security-Policy where an
    /// answer has none of its own.
    #[must_use]
    pub fn router(mut self, router: Router) -> Self {
        self.parts.router = Some(router);
        self
    }

    /// Opens the ports and loads the certificates. Needs a tokio runtime.
    ///
    /// # Errors
    /// If a port cannot be opened, a certificate or another secret is unusable, or what the program
    /// brings contradicts the settings or the server's own paths.
    pub fn bind(self) -> Result<Server, StartError> {
        Server::bind(self.config, self.page, self.parts)
    }

    /// The same with WebTransport over `udp`. TCP, for pages and WebSocket, is the system's.
    ///
    /// # Errors
    /// As with [`bind`](Self::bind).
    pub fn bind_over(self, udp: Udp) -> Result<Server, StartError> {
        Server::bind_over(self.config, self.page, self.parts, udp)
    }
}

impl Server {
    /// Begins a server with these settings.
    #[must_use]
    pub fn builder(config: Config) -> Builder {
        Builder { config, ..Builder::default() }
    }
}
