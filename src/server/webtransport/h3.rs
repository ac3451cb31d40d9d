//! The part of HTTP/3 that one WebTransport session needs (RFC 9114, RFC 9220,
//! draft-ietf-webtrans-http3): settings, the request, one stream, and an answer to whatever else
//! a client sends.
//!
//! One task polls everything on a connection, so a deadline over that task is a deadline over the
//! connection, and a half-finished request or stream keeps nothing alive.

mod critical;
mod fault;
mod fields;
mod items;
mod lane;
mod request;
mod streams;

use std::future::poll_fn;

use wtransport_proto::error::ErrorCode;
use wtransport_proto::frame::Frame;
use wtransport_proto::session::SessionResponse;
use wtransport_proto::settings::Settings;
use wtransport_proto::varint::VarInt as Integer;

pub(crate) use self::fault::{Fault, quic_code};
pub(crate) use self::lane::Lane;
pub(crate) use self::request::Request;
use crate::quic::connection::Connection;
use crate::quic::streams::SendStream;
use crate::webtransport::h3::streams::Streams;

/// Maximum number of frames, reads and streams before the lane opens. Browsers need about 12.
const STEPS: u32 = 100;

/// An HTTP/3 connection.
#[derive(Debug)]
pub(crate) struct Http3 {
    quic: Connection,
    /// The server's own control stream, which must stay open.
    _control: SendStream,
    streams: Streams,
    /// How many steps are left before the lane must be open.
    steps: u32,
}

impl Http3 {
    /// Opens the server's control stream and sends its settings.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) async fn open(quic: Connection) -> Result<Self, Fault> {
        let settings = Settings::builder()
            .qpack_max_table_capacity(Integer::from_u32(0))
            .qpack_blocked_streams(Integer::from_u32(0))
            .enable_connect_protocol()
            .enable_h3_datagrams()
            .enable_webtransport()
            .webtransport_max_sessions(Integer::from_u32(1))
            .build();
        let control = quic.open_uni().await.map_err(|_| Fault::Lost)?;
        let mut bytes = vec![0]; // The type of a control stream.
        write_frame(&settings.generate_frame(), &mut bytes);
        control.write_all(&bytes).await.map_err(|_| ErrorCode::ClosedCriticalStream)?;
        Ok(Self { quic, _control: control, streams: Streams::default(), steps: STEPS })
    }

    /// The QUIC connection underneath.
    pub(crate) fn quic(&self) -> &Connection {
        &self.quic
    }

    /// Waits for the client's settings and its request for a session.
    ///
    /// # Errors
    /// If the client breaks HTTP/3's rules or uses up its steps, or the connection is lost.
    pub(crate) async fn request(&mut self) -> Result<Request, Fault> {
        loop {
            if let Some(request) = self.streams.take_request() {
                return Ok(request);
            }
            self.counted_step().await?;
        }
    }

    /// Answers the request for a session. A refusal also ends the request's stream.
    ///
    /// # Errors
    /// If the client no longer accepts the answer.
    pub(crate) async fn answer(&mut self, response: &SessionResponse) -> Result<(), Fault> {
        let Some(send) = self.streams.session_send() else { return Err(Fault::Closed) };
        let mut bytes = Vec::new();
        write_frame(&response.headers().generate_frame(), &mut bytes);
        send.write_all(&bytes).await.map_err(|_| Fault::Closed)?;
        if !response.code().is_successful() {
            drop(send.finish());
            let _ = send.stopped().await;
        }
        Ok(())
    }

    /// Waits until the client opens the stream of its session.
    ///
    /// # Errors
    /// If the client breaks HTTP/3's rules or uses up its steps, ends the session, or the
    /// connection is lost.
    pub(crate) async fn lane(&mut self) -> Result<Lane, Fault> {
        loop {
            if let Some(lane) = self.streams.take_lane() {
                return Ok(lane);
            }
            self.counted_step().await?;
        }
    }

    /// The session's id: that of the stream that requested it.
    pub(crate) fn session_id(&self) -> u64 {
        self.streams.session_id().unwrap_or_default()
    }

    /// Takes a step and counts it, because the session's rate limit does not apply yet.
    async fn counted_step(&mut self) -> Result<(), Fault> {
        let count = self.step().await?;
        self.steps = self.steps.checked_sub(count).ok_or(ErrorCode::ExcessiveLoad)?;
        Ok(())
    }

    /// Waits for input outside the session's own lanes and handles it; returns how much that was,
    /// in frames. Cancel-safe.
    ///
    /// # Errors
    /// If the input ends the connection.
    pub(crate) async fn step(&mut self) -> Result<u32, Fault> {
        let Self { quic, streams, .. } = self;
        tokio::select! {
            // The connection's limits bound the new streams, so they cannot keep the others waiting.
            biased;
            stream = quic.accept_uni() => {
                streams.add_uni(stream.map_err(|_| Fault::Lost)?);
                Ok(1)
            }
            stream = quic.accept_bi() => {
                let (send, recv) = stream.map_err(|_| Fault::Lost)?;
                streams.add_bi(send, recv);
                Ok(1)
            }
            read = poll_fn(|cx| streams.poll_read(cx)) => read,
        }
    }
}

fn write_frame(frame: &Frame<'_>, bytes: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    drop(frame.write(bytes));
}
