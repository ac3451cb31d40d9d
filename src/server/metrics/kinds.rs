//! The kinds of events counted separately, with all their label values.

use http::StatusCode;

use gpys_proto::wire::{CloseCode, Field};

/// A set of kinds, each with its own counter.
pub(crate) trait Kind: Copy {
    /// The label's values.
    const LABELS: &'static [&'static str];

    /// The index of this kind in [`LABELS`](Self::LABELS).
    fn index(self) -> usize;
}

macro_rules! kinds {
    ($(#[$summary:meta])* $name:ident { $($(#[$doc:meta])* $kind:ident = $label:literal,)* }) => {
        $(#[$summary])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$doc])* $kind,)*
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
        /// Connections in total: refused.
        Connections = "connections",
        /// Connections per network: refused.
        PerNetwork = "connections_per_address",
        /// Handshakes per network: refused.
        Handshakes = "handshakes_per_address",
        /// Connections with an unfinished handshake: refused.
        HalfOpen = "half_open",
        /// Bytes or fields of a request's head: answered with 431.
        RequestHead = "request_head",
        /// Rooms: closed with `Full`.
        Rooms = "rooms",
        /// Peers in a room: closed with `Full`.
        People = "people",
        /// Things in a room: not put.
        Things = "things",
        /// Puts of things in a room, and the news that they make: not put.
        Puts = "puts",
        /// Places of one network whose links are gone: the oldest is given up.
        Places = "places_per_address",
        /// Poses of a peer: dropped.
        Poses = "poses",
        /// Poses far above the rate for too long: closed with `TooFast`.
        PoseAbuse = "pose_abuse",
        /// Datagrams of any kind: closed with `TooFast`.
        Datagrams = "datagrams",
        /// Reliable messages: closed with `TooFast`.
        Messages = "messages",
        /// Viewports: closed with `TooFast`.
        Viewports = "viewports",
        /// Pings: not answered.
        Pings = "pings",
        /// Messages of one peer to others, and changes of its name and profile: refused, or dropped
        /// on the datagram lane.
        Says = "says",
        /// Deliveries of messages in a room: the same.
        RoomSays = "room_says",
        /// Refused values: not reported to the client.
        Refusals = "refusals",
        /// Bytes of a message: closed with `BadMessage`.
        MessageBytes = "message_bytes",
        /// Unread reliable messages: closed with `TooSlow`.
        Unread = "unread",
        /// Bytes of HTTP requests and responses in total: delayed.
        Answers = "answers",
        /// Concurrent responses from files: asked to retry.
        FileAnswers = "file_answers",
        /// Requests with one API key: answered with 429.
        ApiRequests = "api_requests",
        /// Bodies of API requests on their way: answered with 429.
        ApiBodies = "api_bodies",
        /// Bytes of the body of an API request: answered with 413.
        ApiBodyBytes = "api_body_bytes",
        /// Readers of the API's events: answered with 429.
        ApiReaders = "api_readers",
        /// Seconds in which a client takes nothing of what it is sent: closed with `TooSlow`.
        Stalled = "stalled",
        /// Bytes to an address that its sender has not proved to own: held until more comes from
        /// there.
        Unproven = "unproven_address",
    }
}

kinds! {
    /// Why a client failed to enter a room.
    Failure {
        /// TLS over TCP timed out.
        TlsTimeout = "tls_timeout",
        /// Plain HTTP on the HTTPS port: redirected.
        Plain = "plain",
        /// TLS over TCP failed.
        Tls = "tls",
        /// QUIC and the session request timed out.
        QuicTimeout = "quic_timeout",
        /// QUIC or the session request failed.
        Quic = "quic",
        /// The head of the first request timed out.
        HeadTimeout = "head_timeout",
        /// The request was not HTTP.
        Http = "http",
        /// A page of another site.
        Origin = "origin",
        /// A session request for an unknown path.
        Path = "path",
        /// No stream was opened in time.
        StreamTimeout = "stream_timeout",
        /// No hello arrived in time.
        HelloTimeout = "hello_timeout",
        /// The hello was refused.
        Hello = "hello",
        /// The client left before its hello.
        Gone = "gone",
        /// No access token, in a room that requires one.
        AccessMissing = "access_missing",
        /// A malformed access token.
        AccessMalformed = "access_malformed",
        /// An access token with another algorithm than the configured one.
        AccessAlgorithm = "access_algorithm",
        /// An access token with an unknown key, or none.
        AccessKey = "access_key",
        /// An access token with a wrong signature.
        AccessSignature = "access_signature",
        /// An access token with a missing or malformed claim.
        AccessClaims = "access_claims",
        /// An access token that is not valid yet.
        AccessEarly = "access_early",
        /// An expired access token.
        AccessExpired = "access_expired",
        /// An access token for another room.
        AccessRoom = "access_room",
        /// An access token without the required rights.
        AccessRights = "access_rights",
        /// Refused by the program's own gate.
        AccessGate = "access_gate",
        /// The program's own gate did not answer in time.
        AccessUndecided = "access_undecided",
    }
}

kinds! {
    /// A UDP datagram of no known connection.
    Stray {
        /// Too short to be anything.
        Short = "short",
        /// Of an unsupported version.
        Version = "version",
        /// An Initial packet that is too short.
        SmallInitial = "small_initial",
        /// A valid Initial packet, which opens a connection or belongs to one being opened.
        Initial = "initial",
        /// For a connection that never existed.
        Nobody = "nobody",
    }
}

kinds! {
    /// Why an API request was refused.
    ApiRefusal {
        /// It has no key.
        Missing = "missing",
        /// Its key is not in the file.
        Unknown = "unknown",
        /// Its key does not allow it.
        Right = "right",
    }
}

kinds! {
    /// How an HTTP request was answered.
    Answer {
        /// Upgraded to a WebSocket.
        Switched = "1xx",
        /// Successful.
        Good = "2xx",
        /// Redirected or not modified.
        Elsewhere = "3xx",
        /// A client error.
        Wrong = "4xx",
        /// A server error.
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
        /// As a new peer.
        New = "new",
        /// As a resumed peer.
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
        /// `WrongKind`.
        WrongKind = "wrong_kind",
        /// `Removed`.
        Removed = "removed",
        /// `Ended`.
        Ended = "ended",
        /// The client's transport ended without a close.
        Gone = "gone",
        /// The client closed the transport cleanly, but without a leave message.
        Closed = "closed",
    }
}

impl Leave {
    /// Whether a client that left this way will not reconnect on its own, so its place can go.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::BadMessage | Self::Forbidden | Self::Removed | Self::Ended)
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
            CloseCode::WrongKind => Self::WrongKind,
            CloseCode::Removed => Self::Removed,
            CloseCode::Ended => Self::Ended,
        }
    }
}

kinds! {
    /// The kind of a refused value.
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
        /// A pose's state.
        State = "state",
        /// Terms of sharing.
        Sharing = "sharing",
        /// A profile or a name.
        Profile = "profile",
        /// A message to others.
        Say = "say",
        /// What only a host may do.
        Host = "host",
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
            Field::State => Self::State,
            Field::Sharing => Self::Sharing,
            Field::Profile => Self::Profile,
            Field::Say => Self::Say,
            Field::Host => Self::Host,
        }
    }
}

kinds! {
    /// The outcome of a reload.
    Reload {
        /// The new content is in use.
        Done = "done",
        /// The new content is unusable.
        Failed = "failed",
    }
}

/// Content that is reloaded when its files change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reloaded {
    /// The HTTPS certificate.
    Certificate,
    /// The access keys.
    AccessKeys,
    /// The API keys.
    ApiKeys,
}

impl Reloaded {
    /// A name for log messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::AccessKeys => "access key file",
            Self::ApiKeys => "API key file",
        }
    }
}

kinds! {
    /// A part of the server that a panic can end.
    Part {
        /// A connection outside any room.
        Connection = "connection",
        /// A peer's session.
        Session = "session",
        /// A room.
        Room = "room",
    }
}

kinds! {
    /// The transport that carries a link.
    Transport {
        /// WebTransport.
        WebTransport = "webtransport",
        /// WebSocket.
        WebSocket = "websocket",
    }
}
