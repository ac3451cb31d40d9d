//! Who may enter a room, and with which rights there: by access tokens (docs/TOKENS.md), or as a
//! [`Gate`] of the program's own decides.
//!
//! A token is a JSON Web Token. The server's own key file fixes its algorithm, and no claim is read
//! before the signature has been verified.

mod gate;
mod keys;
mod ring;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Deserializer, Serialize};

pub(crate) use self::gate::AnyGate;
pub use self::gate::{Entry, Gate, Grant, Refusal, Right};
pub use self::keys::{Algorithm, ED25519_PUBLIC, Key, Keys, KeysError, MIN_SECRET, pkcs8};
use crate::files::Shown;
use crate::kind::RoomKind;
use gpys_proto::kind::Kind;
use gpys_proto::wire::{Hello, MAX_ACCESS};

/// How far a token issuer's clock may be ahead. There is no such leeway at the end of a token,
/// because its session would end at once.
const LEEWAY: Duration = Duration::from_secs(30);
/// The `room` claim of a token for every room.
pub const ANY_ROOM: &str = "*";

/// The claims of a token. Any others are ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// When the token expires, in s since 1970.
    #[serde(deserialize_with = "seconds")]
    pub exp: u64,
    /// When the token becomes valid, in s since 1970.
    #[serde(default, deserialize_with = "seconds", skip_serializing)]
    nbf: u64,
    /// A room's name, or [`ANY_ROOM`].
    pub room: String,
    /// The rights granted; the highest counts.
    pub rights: Vec<Right>,
    /// Who holds the token: the same for all devices of one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The kind of the room, for its first peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RoomKind>,
}

/// Reads a time, which may have a fraction (RFC 7519, section 2), in whole seconds.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    f64::deserialize(deserializer).map(|seconds| seconds as u64)
}

impl Claims {
    /// Claims without a start time.
    #[must_use]
    pub const fn new(room: String, rights: Vec<Right>, exp: u64) -> Self {
        Self { exp, nbf: 0, room, rights, sub: None, kind: None }
    }
}

/// Signs a token.
///
/// # Errors
/// If the key does not fit the algorithm.
pub fn mint(
    algorithm: Algorithm,
    kid: &str,
    key: &[u8],
    claims: &Claims,
) -> jsonwebtoken::errors::Result<String> {
    ring::install();
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm.jwt()) };
    let key = match algorithm {
        Algorithm::Hs256 => EncodingKey::from_secret(key),
        Algorithm::EdDsa => EncodingKey::from_ed_der(key),
    };
    jsonwebtoken::encode(&header, claims, &key)
}

/// Decides who may enter.
pub(crate) enum Access {
    /// By access tokens.
    Tokens(Tokens),
    /// As the program decides.
    Gate(Arc<dyn AnyGate>),
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tokens(_) => "Access::Tokens(..)",
            Self::Gate(_) => "Access::Gate(..)",
        })
    }
}

impl Default for Access {
    fn default() -> Self {
        Self::Tokens(Tokens::default())
    }
}

impl Access {
    /// Returns the rights of the client that sent this hello at `now`, the time since 1970. A gate
    /// may take until `deadline`.
    ///
    /// # Errors
    /// If the client may not enter.
    pub(crate) async fn admit(
        &self,
        hello: &Hello,
        now: Duration,
        deadline: Duration,
    ) -> Result<Grant, Refusal> {
        match self {
            Self::Tokens(tokens) => tokens.admit(hello, now),
            Self::Gate(gate) => tokio::time::timeout(deadline, gate.ask(hello.into()))
                .await
                .unwrap_or(Err(Refusal::Undecided))?
                .allowing(hello.presence),
        }
    }
}

/// Checks access tokens.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Option<Arc<Shown<Keys>>>);

impl Tokens {
    /// Checks tokens with these keys; without any, every room is open.
    pub(crate) fn new(keys: Option<Arc<Shown<Keys>>>) -> Self {
        ring::install();
        Self(keys)
    }

    /// Returns the rights of the client that sent this hello; `now` is the time since 1970.
    ///
    /// # Errors
    /// If the client may not enter.
    pub(crate) fn admit(&self, hello: &Hello, now: Duration) -> Result<Grant, Refusal> {
        let Some(keys) = &self.0 else { return Ok(Grant::OPEN) };
        keys.get().admit(hello, now)
    }
}

/// The fields of a token's header that the server uses.
#[derive(Debug, Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

impl Keys {
    fn admit(&self, hello: &Hello, now: Duration) -> Result<Grant, Refusal> {
        if self.is_open(&hello.room) {
            return Ok(Grant::OPEN);
        }
        let token = hello.access.as_deref().ok_or(Refusal::Missing)?;
        let Claims { exp, nbf, room, rights, sub, kind } = self.verify(token)?;
        let (from, until) = (Duration::from_secs(nbf), Duration::from_secs(exp));
        if now.saturating_add(LEEWAY) < from {
            return Err(Refusal::Early);
        }
        let left = until.checked_sub(now).filter(|left| !left.is_zero());
        let left = left.ok_or(Refusal::Expired)?;
        if room != ANY_ROOM && room != hello.room {
            return Err(Refusal::Room);
        }
        let right = rights.into_iter().max().ok_or(Refusal::Claims)?;
        let grant = Grant {
            may_share: right >= Right::Share,
            host: right >= Right::Host,
            left: Some(left),
            subject: sub,
            kind: kind.as_ref().map(Kind::try_from).transpose().map_err(|_| Refusal::Claims)?,
        };
        grant.allowing(hello.presence)
    }

    /// Verifies a token's signature and returns its claims.
    fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        if token.len() > MAX_ACCESS {
            return Err(Refusal::Malformed);
        }
        let parts: Vec<_> = token.split('.').collect();
        let [head, _, _] = *parts else { return Err(Refusal::Malformed) };
        let head = URL_SAFE_NO_PAD.decode(head).map_err(|_| Refusal::Malformed)?;
        let head: Head = serde_json::from_slice(&head).map_err(|_| Refusal::Malformed)?;
        if head.alg != self.algorithm.name() {
            return Err(Refusal::Algorithm);
        }
        if head.crit.is_some() {
            return Err(Refusal::Malformed);
        }
        let key = head.kid.and_then(|kid| self.keys.get(&kid)).ok_or(Refusal::Key)?;
        let key = match self.algorithm {
            Algorithm::Hs256 => DecodingKey::from_secret(&key.0),
            Algorithm::EdDsa => DecodingKey::from_ed_der(&key.0),
        };
        let mut validation = Validation::new(self.algorithm.jwt());
        // `admit` checks the times against the server's clock; the audience is not used.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode(token, &key, &validation).map(|data| data.claims);
        claims.map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::Base64(_) => Refusal::Signature,
            // The header is known to be valid, so these are claims with a valid signature.
            ErrorKind::Json(_) | ErrorKind::Utf8(_) => Refusal::Claims,
            _ => Refusal::Malformed,
        })
    }
}

#[cfg(test)]
mod tests;
