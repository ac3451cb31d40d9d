//! WebSocket: the fallback, with the same messages under the same rules.
//!
//! TCP keeps everything it is given, so it is given little: one frame at a time, and the next
//! one only when the kernel has taken the last. Nothing stale waits here; what waits in the path is
//! seen by the pings that lead the frames.
//!
//! The library shows whole messages alone, so what comes is counted beneath it: a message that
//! never ends, in fragments as empty as they may be, is seen by its bytes.

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
use crate::link::{Link, LinkEnd, SocketPath, ended};
use crate::metrics::{Limit, Part};
use crate::panics::caught;
use crate::session::{self, CLOSE_DEADLINE, Input, Over, Source};
use gpys_proto::wire::{CloseCode, DATAGRAM_LANE, DecodeError, MAX_CLIENT_MESSAGE};

/// Longest message or fragment that is read, in bytes. It is a little above what the protocol
/// allows, so that a client with a message too long is told so.
const MAX_MESSAGE: usize = 2 * 1024;
/// Most bytes that may come without a whole message: one of the longest, a byte a fragment.
const MAX_FRAGMENTS: u64 = 8 * 1024;
/// Read at a time, in bytes, and kept for as long as the socket lives: most messages are poses.
const READ_BUFFER: usize = 512;
/// Bytes that wait for what is written next: a ping leaves in one piece with its frame.
const WRITE_TOGETHER: usize = 64;
/// How often the server pings, whatever is sent.
const PING_EVERY: Duration = Duration::from_secs(5);

/// How long a client that was told why has to close the socket itself.
const LINGER: Duration = Duration::from_secs(1);

/// Answers an upgrade whose origin has been checked.
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
            // The library keeps a callback twice over in its task, so the callback is small.
            let session = Box::pin(serve(socket, &permit, &context));
            // What failed has been told.
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
    // A socket that is dropped with bytes unread is reset, and a reset can overtake the reason.
    let unread = async { while let Some(Ok(_)) = source.stream.next().await {} };
    drop(timeout(LINGER, unread).await);
}

/// Writes both lanes until the link ends, tells the client why, and closes.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut end: LinkEnd,
    path: &SocketPath,
    link: &Link,
) {
    let mut ending = end.ending.clone();
    let lanes = async {
        loop {
            let written = write_next(&mut sink, &mut end, path, link).await;
            if written.is_err() {
                // What the client said last, a close perhaps, is still to be read.
                let mut read = end.ending.clone();
                if timeout(LINGER, ended(&mut read)).await.is_err() {
                    link.close(Ending::gone("the socket is gone"));
                }
                return;
            }
        }
    };
    // A message that is cut short here is whole in the socket's own buffer.
    tokio::select! {
        biased;
        _ = ended(&mut ending) => {}
        () = lanes => {}
    }
    let Some(ending) = ended(&mut ending).await else { return };
    let told = async {
        sink.send(Message::Binary(ending.message().slice(LENGTH_PREFIX..))).await?;
        let reason = ending.reason.as_ref().into();
        sink.send(Message::Close(Some(CloseFrame { code: ending.code.websocket(), reason }))).await
    };
    // A client that does not read is not told; its connection ends all the same.
    drop(timeout(CLOSE_DEADLINE, told).await);
}

/// Writes for as long as there is something to write: a ping when it is time, what waits on the
/// reliable lane, and the newest frame.
async fn write_next(
    sink: &mut SplitSink<WebSocket, Message>,
    end: &mut LinkEnd,
    path: &SocketPath,
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
    path: Arc<SocketPath>,
    /// How many bytes came over the connection.
    came: Arc<AtomicU64>,
    /// How many had come at the last message.
    read: u64,
}

impl SocketSource {
    /// The next message.
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
        let message = message.await?.map_err(over)?;
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
                let reason = "text messages are not part of the protocol";
                Err(Ending::new(CloseCode::BadMessage, reason).into())
            }
            // The library answers it.
            Message::Ping(_) => Ok(Input::Other(1)),
            Message::Pong(payload) => {
                self.path.pong(&payload);
                Ok(Input::Stray)
            }
            Message::Close(close) => Err(closed(close.as_ref())),
        }
    }
}

/// Why a session is over whose client sent this close frame: browsers send 1001 for a page that
/// goes away, and 1000, or no code, if the page closes the socket. Other codes tell of a mistake,
/// here or in a proxy.
fn closed(close: Option<&CloseFrame>) -> Over {
    match close.map(|close| close.code) {
        None | Some(close_code::NORMAL | close_code::AWAY | close_code::STATUS) => Over::Closed,
        Some(_) => Over::Gone,
    }
}

/// Why a session is over whose socket failed.
fn over(error: axum::Error) -> Over {
    match error.into_inner().downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(_)) => {
            Ending::from(DecodeError::TooLong(MAX_CLIENT_MESSAGE)).into()
        }
        Some(tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        )) => Over::Gone,
        Some(tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_)) => {
            Ending::new(CloseCode::BadMessage, "the bytes are not a WebSocket's").into()
        }
        _ => Over::Gone,
    }
}
