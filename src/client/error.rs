//! Why a client cannot join, and how its link ends.

use crate::server_info::ConfigError;

/// Why a client cannot join.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no server, or it is not one.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The link cannot be opened, or breaks before the welcome.
    #[error("cannot connect to {url}: {reason}")]
    Link {
        /// Where to.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The server closes the link instead of a welcome.
    #[error("the server refuses: {reason} (code {code})")]
    Refused {
        /// The close code (docs/PROTOCOL.md, section 3).
        code: u8,
        /// In words.
        reason: String,
        /// Come back after this long plus a random part of as much again, in ms; `None`: do not.
        retry_ms: Option<u32>,
    },
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client left, or was dropped.
    Left,
    /// The server closed it.
    Closed {
        /// The close code (docs/PROTOCOL.md, section 3).
        code: u8,
        /// In words.
        reason: String,
        /// Come back after this long plus a random part of as much again, in ms; `None`: do not.
        retry_ms: Option<u32>,
    },
    /// The link broke.
    Lost(String),
    /// Nothing arrived for 15 s.
    Silent,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Left => f.write_str("left"),
            Self::Closed { code, reason, .. } => {
                write!(f, "closed by the server: {reason} ({code})")
            }
            Self::Lost(reason) => write!(f, "lost: {reason}"),
            Self::Silent => f.write_str("nothing arrived for 15 s"),
        }
    }
}
