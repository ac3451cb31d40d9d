//! HTTP/3 as far as one WebTransport session needs it (RFC 9114, RFC 9220,
//! draft-ietf-webtrans-http3): settings, the request, one stream, and an answer to whatever else
//! a client says.
//!
//! Everything of a connection is in one place that its one task polls, so a deadline over that
//! task is a deadline over the connection, and nothing that a client leaves half said keeps
//! anything alive.

mod critical;
mod fault;
mod fields;
mod items;
mod lane;
mod request;
mod streams;

use std::future::poll_fn;

use wtransport::quinn::{Connection, SendStream};
use wtransport_proto::error::ErrorCode;
use wtransport_proto::frame::Frame;
use wtransport_proto::session::SessionResponse;
use wtransport_proto::settings::Settings;
use wtransport_proto::varint::VarInt as Integer;

pub(crate) use self::fault::{Fault, quic_code};
pub(crate) use self::lane::Lane;
pub(crate) use self::request::Request;
use crate::webtransport::h3::streams::Streams;

/// Most frames, reads and streams until there is a session with its stream. Browsers need about 12.
const STEPS: u32 = 100;

/// A connection that speaks HTTP/3.
#[derive(Debug)]
pub(crate) struct Http3 {
    quic: Connection,
    /// The server's own control stream, which must not end.
    _control: SendStream,
    streams: Streams,
    /// How many more steps may lead to a session.
    steps: u32,
}

impl Http3 {
    /// Says the server's settings.
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
        let mut control = quic.open_uni().await.map_err(|_| Fault::Lost)?;
        let mut bytes = vec![0]; // The type of a control stream.
        write_frame(&settings.generate_frame(), &mut bytes);
        control.write_all(&bytes).await.map_err(|_| ErrorCode::ClosedCriticalStream)?;
        Ok(Self { quic, _control: control, streams: Streams::default(), steps: STEPS })
    }

    /// The connection.
    pub(crate) fn quic(&self) -> &Connection {
        &self.quic
    }

    /// Waits until a client whose settings are known asks for a session.
    ///
    /// # Errors
    /// Why none will.
    pub(crate) async fn request(&mut self) -> Result<Request, Fault> {
        loop {
            if let Some(request) = self.streams.take_request() {
                return Ok(request);
            }
            self.early_step().await?;
        }
    }

    /// Answers the request for a session. One that is refused gets no more than this answer.
    ///
    /// # Errors
    /// If the client does not want the answer.
    pub(crate) async fn answer(&mut self, response: &SessionResponse) -> Result<(), Fault> {
        let Some(send) = self.streams.session_send() else { return Err(Fault::Closed) };
        let mut bytes = Vec::new();
        write_frame(&response.headers().generate_frame(), &mut bytes);
        send.write_all(&bytes).await.map_err(|_| Fault::Closed)?;
        if !response.code().is_successful() {
            drop(send.finish());
            drop(send.stopped().await);
        }
        Ok(())
    }

    /// Waits until the client opens its session's stream.
    ///
    /// # Errors
    /// Why it will not.
    pub(crate) async fn lane(&mut self) -> Result<Lane, Fault> {
        loop {
            if let Some(lane) = self.streams.take_lane() {
                return Ok(lane);
            }
            self.early_step().await?;
        }
    }

    /// The number of the session: that of the stream on which it was asked for.
    pub(crate) fn session_id(&self) -> u64 {
        self.streams.session_id().unwrap_or_default()
    }

    /// A step while there is nobody else to count them.
    async fn early_step(&mut self) -> Result<(), Fault> {
        let said = self.step().await?;
        self.steps = self.steps.checked_sub(said).ok_or(ErrorCode::ExcessiveLoad)?;
        Ok(())
    }

    /// Waits until the client says something that is not the session's own, and deals with it;
    /// tells how much that is, in frames. Dropping the future loses nothing.
    ///
    /// # Errors
    /// If that ends the connection.
    pub(crate) async fn step(&mut self) -> Result<u32, Fault> {
        let Self { quic, streams, .. } = self;
        tokio::select! {
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
    // A vector does not end.
    drop(frame.write(bytes));
}
