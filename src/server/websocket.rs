//! WebSocket: the fallback, with the same messages under the same rules.
//!
//! TCP keeps everything it is given, so it is given little: one frame at a time, and the next
//! only when the kernel has taken the last. Nothing stale waits here; the pings sent ahead of
//! frames reveal what waits in the path.
//!
//! The library delivers only whole messages, so bytes are counted beneath it: a message that never
//! ends, even in empty fragments, shows up as bytes.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite;

use crate::context::ServerContext;
use crate::limits::gate::Permit;
use crate::link::ending::{Ending, LENGTH_PREFIX};
use crate::link::socket::SocketCarrier;
use crate::link::{Link, LinkEnd, ended};
use crate::metrics::{Limit, Part};
use crate::panics::caught;
use crate::session::{self, CLOSE_DEADLINE, Input, Over, Source};
use gpys_proto::wire::{CloseCode, DATAGRAM_LANE, DecodeError, MAX_CLIENT_MESSAGE};

/// Maximum size of a message or fragment, in bytes. It is a little above the protocol's limit, so
/// that a client whose message is too long learns why its link ends.
const MAX_MESSAGE: usize = 2 * 1024;
/// Maximum bytes without a whole message: the longest message, at one byte per fragment.
const MAX_FRAGMENTS: u64 = 8 * 1024;
/// Size of the read buffer, in bytes; each socket keeps one, and most messages are poses.
const READ_BUFFER: usize = 512;
/// Bytes to hold back for the next write, so that a ping leaves together with its frame.
const WRITE_TOGETHER: usize = 64;
/// How often the server pings, whatever else it sends.
const PING_EVERY: Duration = Duration::from_secs(5);

/// How long a client that knows the reason has to close the socket itself.
const LINGER: Duration = Duration::from_secs(1);

/// Answers an upgrade request whose origin has been checked.
pub(crate) fn upgrade(
    upgrade: WebSocketUpgrade,
    context: Arc<ServerContext>,
    permit: Arc<Permit>,
) -> Response {
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_TOGETHER)
        .max_write_buffer_size(256 * 1024)
        .on_upgrade(move |socket| async move {
            let _counted = context.count_session();
            // The library's task stores the callback twice, so it is boxed to keep it small.
            let session = Box::pin(serve(socket, &permit, &context));
            // `caught` has already counted and logged a failure.
            drop(caught(&context.metrics, Part::Connection, session).await);
            drop(permit);
        })
}

async fn serve(socket: WebSocket, permit: &Permit, context: &Arc<ServerContext>) {
    let (sink, stream) = socket.split();
    let (link, end, path) = Link::web_socket(context.clock);
    link.count_for(permit.network());
    let ending = end.ending.clone();
    let came = Arc::clone(permit.came());
    let read = came.load(Ordering::Relaxed);
    let mut source =
        SocketSource { stream, link: link.clone(), path: Arc::clone(&path), came, read };
    let writer = async {
        let writer = write(sink, end, &path, &link);
        if caught(&context.metrics, Part::Session, writer).await.is_err() {
            link.close(Ending::failed());
        }
    };
    tokio::join!(session::run(context, &link, ending, &mut source), writer);
    // Dropping a socket with unread bytes resets it, and the reset can overtake the reason.
    let unread = async { while let Some(Ok(_)) = source.stream.next().await {} };
    drop(timeout(LINGER, unread).await);
}

/// Writes both lanes until the link ends, sends the reason, and closes.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut end: LinkEnd,
    path: &SocketCarrier,
    link: &Link,
) {
    let mut ending = end.ending.clone();
    let lanes = async {
        loop {
            let written = write_lanes(&mut sink, &mut end, path, link).await;
            if written.is_err() {
                // The client's last message, perhaps a close, may still be unread.
                let mut read = end.ending.clone();
                if timeout(LINGER, ended(&mut read)).await.is_err() {
                    link.close(Ending::gone("the socket is gone"));
                }
                return;
            }
        }
    };
    // A send cancelled here has its whole message in the socket's buffer already.
    tokio::select! {
        biased;
        _ = ended(&mut ending) => {}
        () = lanes => {}
    }
    let Some(ending) = ended(&mut ending).await else { return };
    let sent = async {
        sink.send(Message::Binary(ending.message().slice(LENGTH_PREFIX..))).await?;
        let reason = ending.reason.as_ref().into();
        sink.send(Message::Close(Some(CloseFrame { code: ending.code.websocket(), reason }))).await
    };
    // A client that does not read misses the reason; its connection ends all the same.
    drop(timeout(CLOSE_DEADLINE, sent).await);
}

/// Writes until the socket fails: pings when due, messages of the reliable lane, and the newest
/// frame.
async fn write_lanes(
    sink: &mut SplitSink<WebSocket, Message>,
    end: &mut LinkEnd,
    path: &SocketCarrier,
    link: &Link,
) -> Result<(), axum::Error> {
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = pings.tick() => {
                let ping = Message::Ping(path.ping().unwrap_or_default());
                link.writing(sink.send(ping)).await?;
            }
            Some(framed) = end.reliable.recv() => {
                let message = Message::Binary(framed.slice(LENGTH_PREFIX.min(framed.len())..));
                link.writing(sink.send(message)).await?;
            }
            () = path.filled() => {
                while let Some(bytes) = path.take() {
                    if let Some(ping) = path.ping() {
                        link.writing(sink.feed(Message::Ping(ping))).await?;
                    }
                    link.writing(sink.send(Message::Binary(bytes))).await?;
                }
            }
        }
    }
}

/// The receiving half of a socket.
struct SocketSource {
    stream: SplitStream<WebSocket>,
    link: Link,
    path: Arc<SocketCarrier>,
    /// Bytes received over the connection so far.
    came: Arc<AtomicU64>,
    /// The same at the last message.
    read: u64,
}

impl SocketSource {
    /// Waits for the next message, and counts the bytes until it is whole.
    async fn message(&mut self) -> Result<Message, Over> {
        let Self { stream, came, read, .. } = self;
        let message = poll_fn(|cx| match stream.poll_next_unpin(cx) {
            Poll::Ready(message) => Poll::Ready(message.ok_or(Over::Gone)),
            Poll::Pending if came.load(Ordering::Relaxed) - *read > MAX_FRAGMENTS => {
                let reason = "more than 8192 bytes without a whole message";
                let ending = Ending::at(Limit::MessageBytes, CloseCode::BadMessage, reason);
                Poll::Ready(Err(ending.into()))
            }
            Poll::Pending => Poll::Pending,
        });
        let message = message.await?.map_err(end_from_error)?;
        *read = came.load(Ordering::Relaxed);
        Ok(message)
    }
}

impl Source for SocketSource {
    async fn next(&mut self) -> Result<Input, Over> {
        let message = self.message().await?;
        self.link.touch();
        match message {
            Message::Binary(bytes) => Ok(match bytes.first() {
                Some(&first) if first >= DATAGRAM_LANE => Input::Datagram(bytes),
                _ => Input::Reliable(bytes),
            }),
            Message::Text(_) => {
                let reason = "text messages are not part of this protocol";
                Err(Ending::new(CloseCode::BadMessage, reason).into())
            }
            // The library sends the pong.
            Message::Ping(_) => Ok(Input::Other(1)),
            Message::Pong(payload) => {
                self.path.pong(&payload);
                Ok(Input::Stray)
            }
            Message::Close(close) => Err(end_from_close(close.as_ref())),
        }
    }
}

/// Maps a close frame to how the session ends: browsers send 1001 when a page goes away, and 1000
/// or no code when the page closes the socket. Other codes mean an error, here or in a proxy.
fn end_from_close(close: Option<&CloseFrame>) -> Over {
    match close.map(|close| close.code) {
        None | Some(close_code::NORMAL | close_code::AWAY | close_code::STATUS) => Over::Closed,
        Some(_) => Over::Gone,
    }
}

/// Maps a socket error to how the session ends.
fn end_from_error(error: axum::Error) -> Over {
    match error.into_inner().downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(_)) => {
            Ending::from(DecodeError::TooLong(MAX_CLIENT_MESSAGE)).into()
        }
        Some(tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        )) => Over::Gone,
        Some(tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_)) => {
            Ending::new(CloseCode::BadMessage, "the bytes are not valid WebSocket frames").into()
        }
        _ => Over::Gone,
    }
}
