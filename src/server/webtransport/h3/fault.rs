//! The faults that end a connection, in HTTP/3's terms.

use quinn_proto::VarInt;
use wtransport_proto::error::ErrorCode;

use crate::quic::connection::Connection;

/// Why a connection has no more input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The client broke HTTP/3's rules, with this error code.
    Http(ErrorCode),
    /// The client broke QPACK's rules, with this error code.
    Qpack(u32),
    /// The client ended its session.
    Closed,
    /// The connection is lost.
    Lost,
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self::Http(code)
    }
}

impl Fault {
    /// Closes the connection with the matching error code.
    pub(crate) fn close(self, quic: &Connection) {
        match self {
            Self::Http(code) => quic.close(quic_code(code), b""),
            Self::Qpack(code) => quic.close(VarInt::from_u32(code), b""),
            Self::Closed => quic.close(quic_code(ErrorCode::NoError), b""),
            Self::Lost => {}
        }
    }
}

/// Converts an HTTP/3 error code to QUIC's type.
pub(crate) fn quic_code(code: ErrorCode) -> VarInt {
    VarInt::from_u64(code.to_code().into_inner()).unwrap_or_default()
}
