//! The state that the API's routes share.

use std::sync::Arc;

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::api::keys::ApiKeys;
use crate::context::ServerContext;
use crate::files::Shown;
use crate::handle::Handle;

/// Where the API is.
pub(crate) const ROOT: &str = "/v1";

/// Bodies that may be on their way at once: 32 MiB of memory.
pub(crate) const MAX_BODIES: usize = 32;

/// The state that the API's routes share.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) handle: Handle,
    pub(crate) context: Arc<ServerContext>,
    pub(crate) keys: Arc<Shown<ApiKeys>>,
    /// Marks this run of the server in the ids of events.
    pub(crate) run: Arc<str>,
    /// Turns for requests with a body.
    pub(crate) bodies: Semaphore,
}

impl Api {
    /// The state for the rooms of this server, and these keys.
    pub(crate) fn new(context: Arc<ServerContext>, keys: Arc<Shown<ApiKeys>>) -> Arc<Self> {
        let run = Uuid::new_v4().simple().to_string();
        Arc::new(Self {
            handle: Handle::new(Arc::clone(&context)),
            context,
            keys,
            run: run.get(..8).unwrap_or_default().into(),
            bodies: Semaphore::new(MAX_BODIES),
        })
    }
}
