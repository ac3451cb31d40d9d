//! Why a connection ends, in HTTP/3's terms.

use wtransport::quinn::{Connection, VarInt};
use wtransport_proto::error::ErrorCode;

/// Why there is nothing more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The client breaks HTTP/3's rules in this way.
    Http(ErrorCode),
    /// The client breaks QPACK's rules; with its code.
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
    /// Closes the connection for this reason.
    pub(crate) fn close(self, quic: &Connection) {
        match self {
            Self::Http(code) => quic.close(quic_code(code), b""),
            Self::Qpack(code) => quic.close(VarInt::from_u32(code), b""),
            Self::Closed => quic.close(quic_code(ErrorCode::NoError), b""),
            Self::Lost => {}
        }
    }
}

/// A code of HTTP/3 as QUIC has it.
pub(crate) fn quic_code(code: ErrorCode) -> VarInt {
    VarInt::from_u64(code.to_code().into_inner()).unwrap_or_default()
}
