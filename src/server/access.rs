//! Who may enter which room and what they may do there: access tokens (docs/TOKENS.md).
//!
//! A token is a JSON Web Token. Its algorithm is fixed by the server's own file of keys, and
//! nothing that it claims is looked at before its signature was checked.

mod keys;
mod ring;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Deserializer, Serialize};

pub use self::keys::{Algorithm, ED25519_PUBLIC, Key, Keys, KeysError, MIN_SECRET, pkcs8};
use crate::files::Shown;
use crate::link::ending::Ending;
use crate::metrics::Failure;
use gpys_proto::wire::{CloseCode, Hello, MAX_ACCESS, Presence};

/// How far the clock of whoever makes tokens may be ahead. A token that is about to end needs no
/// such patience: whoever came in with it would be sent away at once.
const LEEWAY: Duration = Duration::from_secs(30);
/// The room of a token for every room.
pub const ANY_ROOM: &str = "*";

/// What a token lets its bearer do. Each right includes those before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// To watch.
    View,
    /// To share a position.
    Share,
    /// To come in although the room is full.
    Host,
}

/// What a token claims. Others than these are ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// When it ends, in s since 1970.
    #[serde(deserialize_with = "seconds")]
    pub exp: u64,
    /// When it begins, in s since 1970.
    #[serde(default, deserialize_with = "seconds", skip_serializing)]
    nbf: u64,
    /// A room's name, or [`ANY_ROOM`].
    pub room: String,
    /// The rights; the highest counts.
    pub rights: Vec<Right>,
}

/// A time, which may have a fraction (RFC 7519, section 2).
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    f64::deserialize(deserializer).map(|seconds| seconds as u64)
}

impl Claims {
    /// Claims that count from the beginning of time.
    #[must_use]
    pub const fn new(room: String, rights: Vec<Right>, exp: u64) -> Self {
        Self { exp, nbf: 0, room, rights }
    }
}

/// Makes a token.
///
/// # Errors
/// If the key is not one of the algorithm.
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

/// What somebody may do who was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Whether it may share its position.
    pub(crate) may_share: bool,
    /// Whether it gets in although the room is full.
    pub(crate) host: bool,
    /// How long it may stay.
    pub(crate) left: Option<Duration>,
}

impl Grant {
    /// That of a room that asks for no token.
    pub(crate) const OPEN: Self = Self { may_share: true, host: false, left: None };
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this room asks for an access token")]
    Missing,
    #[error("the access token is not a JSON Web Token")]
    Malformed,
    #[error("the access token is not signed with this server's algorithm")]
    Algorithm,
    #[error("the access token names no key that this server knows")]
    Key,
    #[error("the access token's signature is wrong")]
    Signature,
    #[error("the access token does not say exp, room and rights as it should")]
    Claims,
    #[error("the access token is not valid yet")]
    Early,
    #[error("the access token has expired")]
    Expired,
    #[error("the access token is for another room")]
    Room,
    #[error("the access token does not let you share, only watch")]
    Rights,
}

impl Refusal {
    /// What it is counted as.
    pub(crate) const fn failure(self) -> Failure {
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
        }
    }
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Expired => CloseCode::Expired,
            _ => CloseCode::Forbidden,
        };
        Self::new(code, refusal.to_string())
    }
}

/// What decides who may enter.
#[derive(Debug, Default)]
pub(crate) struct Access(Option<Arc<Shown<Keys>>>);

impl Access {
    /// By these keys; without any, every room is open.
    pub(crate) fn new(keys: Option<Arc<Shown<Keys>>>) -> Self {
        ring::install();
        Self(keys)
    }

    /// What whoever says this hello may do, at this time since 1970.
    ///
    /// # Errors
    /// Why it may not enter.
    pub(crate) fn admit(&self, hello: &Hello, now: Duration) -> Result<Grant, Refusal> {
        let Some(keys) = &self.0 else { return Ok(Grant::OPEN) };
        keys.get().admit(hello, now)
    }
}

/// The parts of a token's header that this server goes by.
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
        let Claims { exp, nbf, room, rights } = self.verify(token)?;
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
        };
        if hello.presence == Presence::Sharing && !grant.may_share {
            return Err(Refusal::Rights);
        }
        Ok(grant)
    }

    /// The claims of a token that one of the keys has signed.
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
        // Times are compared with the server's own, by `admit`; nobody else is addressed.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode(token, &key, &validation).map(|data| data.claims);
        claims.map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::Base64(_) => Refusal::Signature,
            // The header has been read, so this is what follows it, with the right signature.
            ErrorKind::Json(_) | ErrorKind::Utf8(_) => Refusal::Claims,
            _ => Refusal::Malformed,
        })
    }
}

#[cfg(test)]
mod tests;
