//! What is counted apart: a label's values, all of them here.

use http::StatusCode;

use gpys_proto::wire::{CloseCode, Field};

/// A kind with a counter of its own.
pub(crate) trait Kind: Copy {
    /// The label's values.
    const LABELS: &'static [&'static str];

    /// Where this one is among them.
    fn index(self) -> usize;
}

macro_rules! kinds {
    ($(#[$about:meta])* $name:ident { $($(#[$words:meta])* $kind:ident = $label:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$words])* $kind,)*
        }

        impl Kind for $name {
            const LABELS: &'static [&'static str] = &[$($label),*];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

kinds! {
    /// A limit that can be hit.
    Limit {
        /// Connections in all: refused.
        Connections = "connections",
        /// Connections of one network: refused.
        PerNetwork = "connections_per_address",
        /// Handshakes of one network: refused.
        Handshakes = "handshakes_per_address",
        /// Connections whose handshake is not done: refused.
        HalfOpen = "half_open",
        /// Bytes or fields of a request's head: answered with 431.
        RequestHead = "request_head",
        /// Rooms: told `Full`.
        Rooms = "rooms",
        /// People in a room: told `Full`.
        People = "people",
        /// Places of one network whose links are gone: the oldest is given up.
        Places = "places_per_address",
        /// Poses of a peer: dropped.
        Poses = "poses",
        /// Poses far above what is read, for long: told `TooFast`.
        PoseAbuse = "pose_abuse",
        /// Datagrams of any kind: told `TooFast`.
        Datagrams = "datagrams",
        /// Reliable messages: told `TooFast`.
        Messages = "messages",
        /// Viewports: told `TooFast`.
        Viewports = "viewports",
        /// Pings: not answered.
        Pings = "pings",
        /// Refused values: the client is not told.
        Refusals = "refusals",
        /// Bytes of a message: told `BadMessage`.
        MessageBytes = "message_bytes",
        /// Reliable messages that a client does not read: told `TooSlow`.
        Unread = "unread",
        /// Bytes of answers over HTTP, and requests, in all: they wait.
        Answers = "answers",
        /// Answers from files at once: told to come back.
        FileAnswers = "file_answers",
        /// Seconds for which a client takes nothing of what it is sent: told `TooSlow`.
        Stalled = "stalled",
        /// Bytes to an address that has not proved to be its sender's: kept until more comes from
        /// there.
        Unproven = "unproven_address",
    }
}

kinds! {
    /// Why a client did not get as far as a room.
    Failure {
        /// TLS over TCP was not done in time.
        TlsTimeout = "tls_timeout",
        /// Plain HTTP where TLS is spoken: sent there.
        Plain = "plain",
        /// TLS over TCP failed.
        Tls = "tls",
        /// QUIC and the request for a session were not done in time.
        QuicTimeout = "quic_timeout",
        /// QUIC or the request for a session failed.
        Quic = "quic",
        /// The head of the first request was not there in time.
        HeadTimeout = "head_timeout",
        /// The request was no HTTP.
        Http = "http",
        /// A page of another site.
        Origin = "origin",
        /// A session for a path that has none.
        Path = "path",
        /// No stream was opened in time.
        StreamTimeout = "stream_timeout",
        /// No hello came in time.
        HelloTimeout = "hello_timeout",
        /// The hello was refused.
        Hello = "hello",
        /// The client went before it said hello.
        Gone = "gone",
        /// No access token, in a room that asks for one.
        AccessMissing = "access_missing",
        /// An access token that is none.
        AccessMalformed = "access_malformed",
        /// An access token of another algorithm than the configured one.
        AccessAlgorithm = "access_algorithm",
        /// An access token of a key that is not known, or of none.
        AccessKey = "access_key",
        /// An access token with a wrong signature.
        AccessSignature = "access_signature",
        /// An access token without a claim that it needs, or with one that is no such thing.
        AccessClaims = "access_claims",
        /// An access token whose time has not come.
        AccessEarly = "access_early",
        /// An access token whose time is over.
        AccessExpired = "access_expired",
        /// An access token for another room.
        AccessRoom = "access_room",
        /// An access token without the right to what was asked.
        AccessRights = "access_rights",
    }
}

kinds! {
    /// A UDP datagram that belongs to no connection.
    Stray {
        /// Too short for anything.
        Short = "short",
        /// Of a version that is not spoken.
        Version = "version",
        /// One that would begin a connection, and is too short for that.
        SmallInitial = "small_initial",
        /// One that begins a connection, or goes on with that.
        Initial = "initial",
        /// For a connection that there never was.
        Nobody = "nobody",
    }
}

kinds! {
    /// How an HTTP request was answered.
    Answer {
        /// It became a WebSocket.
        Switched = "1xx",
        /// With what it asked for.
        Good = "2xx",
        /// With another place to go to, or with nothing new.
        Elsewhere = "3xx",
        /// It was wrong.
        Wrong = "4xx",
        /// The server could not.
        Failed = "5xx",
    }
}

impl From<StatusCode> for Answer {
    fn from(status: StatusCode) -> Self {
        match status.as_u16() {
            100..200 => Self::Switched,
            200..300 => Self::Good,
            300..400 => Self::Elsewhere,
            400..500 => Self::Wrong,
            _ => Self::Failed,
        }
    }
}

kinds! {
    /// How a link entered its room.
    How {
        /// As somebody new.
        New = "new",
        /// As the peer it was.
        Resumed = "resumed",
    }
}

kinds! {
    /// Why a link left its room.
    Leave {
        /// `Bye`.
        Bye = "bye",
        /// `BadMessage`.
        BadMessage = "bad_message",
        /// `BadVersion`.
        BadVersion = "bad_version",
        /// `BadRoom`.
        BadRoom = "bad_room",
        /// `TooFast`.
        TooFast = "too_fast",
        /// `TooSlow`.
        TooSlow = "too_slow",
        /// `Replaced`.
        Replaced = "replaced",
        /// `Timeout`.
        Timeout = "timeout",
        /// `Full`.
        Full = "full",
        /// `Restarting`.
        Restarting = "restarting",
        /// `Forbidden`.
        Forbidden = "forbidden",
        /// `Expired`.
        Expired = "expired",
        /// The client's side of the transport ended, without a word.
        Gone = "gone",
        /// The client closed the transport in good order, but did not say that it leaves.
        Closed = "closed",
    }
}

impl Leave {
    /// Whether whoever left this way will not come back by itself, and need not be waited for.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::BadMessage | Self::Forbidden)
    }
}

impl From<CloseCode> for Leave {
    fn from(code: CloseCode) -> Self {
        match code {
            CloseCode::Bye => Self::Bye,
            CloseCode::BadMessage => Self::BadMessage,
            CloseCode::BadVersion => Self::BadVersion,
            CloseCode::BadRoom => Self::BadRoom,
            CloseCode::TooFast => Self::TooFast,
            CloseCode::TooSlow => Self::TooSlow,
            CloseCode::Replaced => Self::Replaced,
            CloseCode::Timeout => Self::Timeout,
            CloseCode::Full => Self::Full,
            CloseCode::Restarting => Self::Restarting,
            CloseCode::Forbidden => Self::Forbidden,
            CloseCode::Expired => Self::Expired,
        }
    }
}

kinds! {
    /// What a refused value was for.
    Refusal {
        /// A position.
        Position = "position",
        /// An accuracy.
        Accuracy = "accuracy",
        /// An orientation.
        Orientation = "orientation",
        /// A viewport.
        Viewport = "viewport",
        /// A presence.
        Presence = "presence",
    }
}

impl From<Field> for Refusal {
    fn from(field: Field) -> Self {
        match field {
            Field::Position => Self::Position,
            Field::Accuracy => Self::Accuracy,
            Field::Orientation => Self::Orientation,
            Field::Viewport => Self::Viewport,
            Field::Presence => Self::Presence,
        }
    }
}

kinds! {
    /// What came of files that changed.
    Reload {
        /// The new content counts.
        Done = "done",
        /// It cannot be used.
        Failed = "failed",
    }
}

/// What is read again when its files change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reloaded {
    /// The certificate of HTTPS.
    Certificate,
    /// The keys of access tokens.
    AccessKeys,
}

impl Reloaded {
    /// What it is called.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Certificate => "certificate's pair of files",
            Self::AccessKeys => "file of access keys",
        }
    }
}

kinds! {
    /// A part that a panic can end.
    Part {
        /// A connection that is in no room.
        Connection = "connection",
        /// A peer's session.
        Session = "session",
        /// A room.
        Room = "room",
    }
}

kinds! {
    /// What carries a link.
    Transport {
        /// WebTransport.
        WebTransport = "webtransport",
        /// WebSocket.
        WebSocket = "websocket",
    }
}
