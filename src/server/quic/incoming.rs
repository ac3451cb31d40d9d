//! A connection that a client opens, before anything is spent on it.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn_proto::{self as proto, ConnectionError};

use crate::quic::connection::Connection;
use crate::quic::hub::Hub;

/// Keeps an endpoint alive.
#[derive(Debug)]
pub(super) struct Owner(pub(super) Arc<Hub>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.orphan();
    }
}

/// A connection that a client opens. It is refused if it is dropped.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// `None` once there is an answer.
    incoming: Option<proto::Incoming>,
    address: SocketAddr,
    may_retry: bool,
    owner: Arc<Owner>,
}

impl Incoming {
    pub(super) fn new(incoming: proto::Incoming, owner: Arc<Owner>) -> Self {
        let (address, may_retry) = (incoming.remote_address(), incoming.may_retry());
        Self { incoming: Some(incoming), address, may_retry, owner }
    }

    /// Where the client says that it is.
    pub(crate) const fn remote_address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the client has yet to prove its address.
    pub(crate) const fn may_retry(&self) -> bool {
        self.may_retry
    }

    /// Asks the client to prove its address, which keeps no state here.
    pub(crate) fn retry(mut self) {
        self.incoming.take().into_iter().for_each(|incoming| self.owner.0.retry(incoming));
    }

    /// Refuses the connection.
    pub(crate) fn refuse(self) {
        drop(self);
    }

    /// Completes the handshake. Dropped half-way, it closes the connection.
    ///
    /// # Errors
    /// If the handshake fails.
    pub(crate) async fn accept(mut self) -> Result<Connection, ConnectionError> {
        let Some(incoming) = self.incoming.take() else {
            return Err(ConnectionError::LocallyClosed);
        };
        let connection = self.owner.0.accept(incoming)?;
        drop(self);
        connection.connected().await?;
        Ok(connection)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.incoming.take().into_iter().for_each(|incoming| self.owner.0.refuse(incoming));
    }
}
