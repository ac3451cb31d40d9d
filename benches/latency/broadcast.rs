//! A compared server in Rust: axum's WebSockets around one of tokio's broadcast channels, as axum's
//! own chat example has it. It relays the same bytes as `ws.mjs`: the sender's number (u32, little
//! endian) and what the sender sent.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use axum::serve::Listener as _;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::stock::Encrypted;

/// Messages that a client may be behind before it misses some: what a room of 200 sends in a third
/// of a second at 60 Hz.
const BEHIND: usize = 4_096;

struct Room {
    changes: broadcast::Sender<Bytes>,
    next: AtomicU32,
}

/// Serves on a free port of `host` until the process ends; prints the address like the others.
///
/// # Errors
/// If the certificate or the socket cannot be used.
pub fn serve(host: IpAddr, cert: &Path, key: &Path) -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async move {
        let listener = Encrypted::bind(SocketAddr::new(host, 0), cert, key).await?;
        println!("{}", serde_json::json!({ "listening": listener.local_addr()? }));
        let room = Room { changes: broadcast::Sender::new(BEHIND), next: AtomicU32::new(0) };
        let router = axum::Router::new().route("/", get(upgrade)).with_state(Arc::new(room));
        Ok(axum::serve(listener, router).await?)
    })
}

async fn upgrade(
    upgrade: WebSocketUpgrade,
    State(room): State<Arc<Room>>,
) -> axum::response::Response {
    upgrade.on_upgrade(|socket| relay(room, socket))
}

async fn relay(room: Arc<Room>, socket: WebSocket) {
    let number = room.next.fetch_add(1, Ordering::Relaxed).to_le_bytes();
    let mut changes = room.changes.subscribe();
    let (mut sink, mut stream) = socket.split();
    let sending = tokio::spawn(async move {
        loop {
            let mut next = changes.recv().await;
            // Whatever is there leaves in one write.
            loop {
                match next {
                    Ok(change) => {
                        if sink.feed(Message::Binary(change)).await.is_err() {
                            return;
                        }
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
                next = match changes.try_recv() {
                    Ok(change) => Ok(change),
                    Err(TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
                    Err(TryRecvError::Closed) => return,
                    Err(TryRecvError::Empty) => break,
                };
            }
            if sink.flush().await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Binary(pose) = message {
            // There is a receiver: this client itself.
            let _ = room.changes.send([&number[..], &pose].concat().into());
        }
    }
    sending.abort();
}
