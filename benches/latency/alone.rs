//! A WebTransport stream for each message.

use std::sync::Arc;

use anyhow::{Result, bail};
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use wtransport::{Connection, RecvStream};

use crate::room::MAX_FRAME;

/// Streams of one connection that may wait for their acknowledgement at the same time: QUIC's
/// default limit of open streams, more than a second's at 60 Hz.
const OPEN: usize = 100;

/// A sender that gives each message a stream of its own, until the connection ends.
pub fn sender(connection: &Connection) -> UnboundedSender<Bytes> {
    let (messages, mut queue) = unbounded_channel::<Bytes>();
    let (connection, open) = (connection.clone(), Arc::new(Semaphore::new(OPEN)));
    tokio::spawn(async move {
        while let Some(message) = queue.recv().await {
            // It is never closed.
            let Ok(turn) = Arc::clone(&open).acquire_owned().await else { return };
            let connection = connection.clone();
            // A stream ends with its acknowledgement, so the next one must not wait for that.
            tokio::spawn(async move {
                // The connection's own tasks notice its end.
                let _ = write(&connection, &message).await;
                drop(turn);
            });
        }
    });
    messages
}

async fn write(connection: &Connection, message: &[u8]) -> Result<()> {
    let mut stream = connection.open_uni().await?.await?;
    stream.write_all(message).await?;
    Ok(stream.finish().await?)
}

/// Reads a stream to its end.
///
/// # Errors
/// If it breaks off, or has more than a message.
pub async fn read(mut stream: RecvStream) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 2 * MAX_FRAME];
    let mut length = 0;
    while let Some(more) = stream.read(&mut bytes[length..]).await? {
        length += more;
        if length == bytes.len() {
            bail!("a stream of more than a frame");
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}
