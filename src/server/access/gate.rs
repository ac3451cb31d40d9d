//! Who may enter, and with which rights: the question, the answer, and who answers it.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::link::ending::Ending;
use crate::metrics::Failure;
use gpys_proto::kind::Kind;
use gpys_proto::wire::{CloseCode, Hello, Presence};

/// A client that asks to enter a room, or comes back to it on another link.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The room.
    pub room: String,
    /// The name that the client gives; may be empty.
    pub name: String,
    /// What the client says of itself, as it sent it: JSON, if it is right.
    pub profile: String,
    /// The presence that it asks for.
    pub presence: Presence,
    /// Its access token, whatever that is: a gate of the program's own decides.
    pub access: Option<String>,
    /// Whether it says that it was here before.
    pub resumes: bool,
}

impl fmt::Debug for Entry {
    /// Leaves out secrets and personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { presence, resumes, .. } = self;
        f.debug_struct("Entry")
            .field("presence", presence)
            .field("resumes", resumes)
            .finish_non_exhaustive()
    }
}

impl From<&Hello> for Entry {
    fn from(hello: &Hello) -> Self {
        let Hello { room, name, profile, presence, access, .. } = hello.clone();
        Self { room, name, profile, presence, access, resumes: hello.resume.is_some() }
    }
}

/// A right of a client. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Watch the room.
    View,
    /// Share a position.
    Share,
    /// Enter even if the room is full, announce, remove others, and close the room.
    Host,
}

/// The rights of an admitted client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whether the client may share its position.
    pub(crate) may_share: bool,
    /// Whether it may enter even if the room is full, and do what hosts do.
    pub(crate) host: bool,
    /// How long it may stay; `None` for no limit.
    pub(crate) left: Option<Duration>,
    /// Who it is: the same for all devices of one person.
    pub(crate) subject: Option<String>,
    /// The kind that the room has to be of.
    pub(crate) kind: Option<Kind>,
}

impl Grant {
    /// The grant of an open room, which requires no token.
    pub(crate) const OPEN: Self =
        Self { may_share: true, host: false, left: None, subject: None, kind: None };

    /// This right, for as long as the client likes.
    #[must_use]
    pub fn new(right: Right) -> Self {
        Self { may_share: right >= Right::Share, host: right >= Right::Host, ..Self::OPEN }
    }

    /// The same for this long; then the client is closed with `Expired`.
    #[must_use]
    pub fn for_time(self, time: Duration) -> Self {
        Self { left: Some(time), ..self }
    }

    /// The same for this person, whose devices are known as one to others in the room, by a hash.
    #[must_use]
    pub fn for_subject(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// The same in a room of this kind; the first client to enter makes the room so.
    #[must_use]
    pub fn in_kind(self, kind: Kind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// Checks that it allows the presence that a client asks for.
    pub(crate) fn allowing(self, presence: Presence) -> Result<Self, Refusal> {
        if presence == Presence::Sharing && !self.may_share {
            return Err(Refusal::Rights);
        }
        Ok(self)
    }
}

/// A reason to refuse entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No access token.
    #[error("this room requires an access token")]
    Missing,
    /// An access token that is none.
    #[error("the access token is not a JSON Web Token")]
    Malformed,
    /// An access token of another algorithm.
    #[error("the access token is not signed with this server's algorithm")]
    Algorithm,
    /// An access token of an unknown key.
    #[error("the access token names no key that this server knows")]
    Key,
    /// A wrong signature.
    #[error("the access token's signature is wrong")]
    Signature,
    /// Wrong claims.
    #[error("the access token has no exp, room or rights claim, or one that is not valid")]
    Claims,
    /// Too early.
    #[error("the access token is not valid yet")]
    Early,
    /// Too late; the client may come back with a new token.
    #[error("the access token has expired")]
    Expired,
    /// For another room.
    #[error("the access token is for another room")]
    Room,
    /// The client asks to share, and may only watch.
    #[error("the access token does not let you share, only watch")]
    Rights,
    /// A reason of the program's own, which the client shows.
    #[error("{0}")]
    Because(Cow<'static, str>),
    /// The program's gate did not answer in time; the client may try again.
    #[error("the server could not decide in time whether you may enter")]
    Undecided,
}

impl Refusal {
    /// A refusal for this reason, which the client shows.
    pub fn because(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Because(reason.into())
    }

    /// The cause under which the refusal is counted.
    pub(crate) const fn failure(&self) -> Failure {
        match self {
            Self::Missing => Failure::AccessMissing,
            Self::Malformed => Failure::AccessMalformed,
            Self::Algorithm => Failure::AccessAlgorithm,
            Self::Key => Failure::AccessKey,
            Self::Signature => Failure::AccessSignature,
            Self::Claims => Failure::AccessClaims,
            Self::Early => Failure::AccessEarly,
            Self::Expired => Failure::AccessExpired,
            Self::Room => Failure::AccessRoom,
            Self::Rights => Failure::AccessRights,
            Self::Because(_) => Failure::AccessGate,
            Self::Undecided => Failure::AccessUndecided,
        }
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Expired => CloseCode::Expired,
            Refusal::Undecided => CloseCode::Timeout,
            _ => CloseCode::Forbidden,
        };
        Self::new(code, refusal.to_string())
    }
}

/// Decides who may enter, in place of access keys. A server asks for every link, also for those
/// that come back, before a room hears of it.
///
/// ```
/// use gpys_server::access::{Entry, Gate, Grant, Refusal, Right};
///
/// struct Doorman;
///
/// impl Gate for Doorman {
///     async fn enter(&self, entry: Entry) -> Result<Grant, Refusal> {
///         match entry.access.as_deref() {
///             Some("stage pass") => Ok(Grant::new(Right::Host)),
///             _ if entry.room == "stage" => Err(Refusal::because("ask the band for a pass")),
///             _ => Ok(Grant::new(Right::Share)),
///         }
///     }
/// }
/// ```
pub trait Gate: Send + Sync + 'static {
    /// Returns the rights of a client. It has as long as a client may take for its hello (5 s
    /// unless set otherwise), and may be called many times at once.
    ///
    /// # Errors
    /// If the client may not enter.
    fn enter(&self, entry: Entry) -> impl Future<Output = Result<Grant, Refusal>> + Send;
}

/// An answer of a gate that is not known by its type.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Grant, Refusal>> + Send + 'a>>;

/// A gate that is not known by its type.
pub(crate) trait AnyGate: Send + Sync {
    /// See [`Gate::enter`].
    fn ask(&self, entry: Entry) -> Answer<'_>;
}

impl<G: Gate> AnyGate for G {
    fn ask(&self, entry: Entry) -> Answer<'_> {
        Box::pin(self.enter(entry))
    }
}
