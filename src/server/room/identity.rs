//! Who somebody is beyond one link: what resume tokens are made of, and the public identity that
//! follows from them.
//!
//! A token is the peer's number, the hour of its birth and 80 random bits. The public identity is
//! a keyed hash of the latter two and the room, so it tells nothing, nobody can choose it, nobody
//! is known again by it in another room, and a server that was restarted with the same secret
//! gives the same one to the same token.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ring::hmac;
use uuid::{Builder, Uuid};

use gpys_proto::wire::{PeerId, PublicId, ResumeToken};

/// Fewest bytes of the secret: as many as its hash has.
const MIN_SECRET: usize = 32;
/// How long an identity outlives the server that gave it, in hours.
const LASTS_HOURS: u16 = 24;

/// Why the secret of identities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("identity-secret: {} cannot be read: {}", .0.display(), .1)]
    Read(PathBuf, std::io::Error),
    /// It is too short.
    #[error(
        "identity-secret: {} has {} bytes and needs at least {MIN_SECRET}; \
        `openssl rand -out FILE {MIN_SECRET}` makes them", .0.display(), .1
    )]
    Short(PathBuf, usize),
}

/// An hour since 1970; the number begins anew after seven and a half years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hour(u16);

impl Hour {
    /// The hour of this time since 1970.
    pub(crate) const fn of(time: Duration) -> Self {
        Self((time.as_secs() / 3_600) as u16)
    }
}

/// What makes public identities of tokens.
#[derive(Clone, Debug)]
pub(crate) struct Secret(hmac::Key);

impl Secret {
    fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// One that nobody knows, for as long as the server runs.
    pub(crate) fn drawn() -> Self {
        Self::new(&[random(), random(), random()].concat())
    }

    /// That of a file.
    ///
    /// # Errors
    /// If it cannot be read or is too short.
    pub(crate) fn read(path: &Path) -> Result<Self, SecretError> {
        let bytes = std::fs::read(path).map_err(|why| SecretError::Read(path.to_owned(), why))?;
        if bytes.len() < MIN_SECRET {
            return Err(SecretError::Short(path.to_owned(), bytes.len()));
        }
        Ok(Self::new(&bytes))
    }

    /// A token for `id` that nobody had before, born now.
    pub(crate) fn fresh(id: PeerId, Hour(hour): Hour) -> ResumeToken {
        let ([a, b], [c, d, e, f, g, h, i, j, k, l, ..]) = (hour.to_le_bytes(), random());
        ResumeToken::mint(id, [a, b, c, d, e, f, g, h, i, j, k, l])
    }

    /// A token for `id` with the identity of an older one, unless that is too old or not born yet.
    pub(crate) fn again(id: PeerId, old: ResumeToken, Hour(now): Hour) -> Option<ResumeToken> {
        let secret @ [a, b, ..] = old.secret();
        let age = now.wrapping_sub(u16::from_le_bytes([a, b]));
        (age <= LASTS_HOURS).then(|| ResumeToken::mint(id, secret))
    }

    /// The public identity that belongs to a token in a room, whatever its number.
    pub(crate) fn public(&self, token: ResumeToken, room: &str) -> PublicId {
        // The token's part has a fixed length, so no two pairs are the same bytes.
        let tag = hmac::sign(&self.0, &[token.secret().as_slice(), room.as_bytes()].concat());
        let bytes = tag.as_ref().first_chunk().copied().unwrap_or_default();
        PublicId(Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// Random bytes.
fn random() -> [u8; 14] {
    // These bytes of a uuid are random to the last bit.
    let [a, b, c, d, e, f, _, g, _, h, i, j, k, l, m, n] = Uuid::new_v4().into_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
}

/// Mints what must not come twice.
#[derive(Debug)]
pub(crate) struct Mint {
    peers: AtomicU32,
    secret: Secret,
}

impl Mint {
    /// Nobody had a number yet; the secret makes public identities.
    pub(crate) fn new(secret: Secret) -> Self {
        Self { peers: AtomicU32::new(0), secret }
    }

    /// A number that no peer had before; `None` once all are used up.
    pub(crate) fn peer(&self) -> Option<PeerId> {
        let next = |last: u32| last.checked_add(1);
        let last = self.peers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        last.ok().map(PeerId)
    }

    /// The public identity and the token of a newcomer to `room`: those of the token that it brings along
    /// from before the server was restarted, unless that is too old or somebody has them.
    pub(crate) fn identity(
        &self,
        room: &str,
        peer: PeerId,
        brought: Option<ResumeToken>,
        now: Hour,
        taken: impl Fn(PublicId) -> bool,
    ) -> (PublicId, ResumeToken) {
        let again = brought.and_then(|old| Secret::again(peer, old, now));
        let again = again.map(|token| (self.secret.public(token, room), token));
        again.filter(|&(uuid, _)| !taken(uuid)).unwrap_or_else(|| {
            let token = Secret::fresh(peer, now);
            (self.secret.public(token, room), token)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;

    #[test]
    fn an_identity_follows_from_the_secret_and_not_from_the_number() {
        let (one, same, other) = (Secret::new(&[7; 32]), Secret::new(&[7; 32]), Secret::drawn());
        let token = Secret::fresh(PeerId(1), Hour(5));
        let again = Secret::again(PeerId(9), token, Hour(6)).unwrap();
        assert_eq!((token.id(), again.id()), (PeerId(1), PeerId(9)));
        let public = one.public(token, "stage");
        assert_eq!(public, same.public(again, "stage"));
        assert!(public != other.public(token, "stage"));
        assert!(public != one.public(token, "lobby"), "nobody is known again in another room");
        assert!(public != one.public(Secret::fresh(PeerId(1), Hour(5)), "stage"));
        assert_eq!(public.0.get_version_num(), 8);
        // Pinned: a change would give everybody another identity after an upgrade.
        let pinned = one.public(ResumeToken([1; 16]), "lobby").0.to_string();
        assert_eq!(pinned, "d7e974b3-f4d9-8c80-993f-0f55dc7bc478");
    }

    #[test]
    fn an_identity_lasts_for_a_day() {
        let born = Duration::from_secs(500_000 * HOUR);
        let token = Secret::fresh(PeerId(1), Hour::of(born));
        let lasts = |time: Duration| Secret::again(PeerId(2), token, Hour::of(time)).is_some();
        let hours = |n: u64| Duration::from_secs(n * HOUR);
        assert!(lasts(born) && lasts(born + hours(24)));
        assert!(!lasts(born + hours(25)) && !lasts(born + hours(500)));
        assert!(!lasts(born - hours(1)), "born in the future");
    }

    #[test]
    fn tokens_differ() {
        assert!(Secret::fresh(PeerId(1), Hour(0)) != Secret::fresh(PeerId(1), Hour(0)));
        assert_eq!(Secret::fresh(PeerId(7), Hour(0)).id(), PeerId(7));
    }

    #[test]
    fn a_secret_that_is_short_or_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(matches!(Secret::read(&path), Err(SecretError::Read(..))));
        std::fs::write(&path, [1; 31]).unwrap();
        let error = Secret::read(&path).unwrap_err().to_string();
        assert!(error.contains("31 bytes") && error.contains("openssl rand"), "{error}");
        std::fs::write(&path, [1; 32]).unwrap();
        Secret::read(&path).unwrap();
    }

    #[test]
    fn numbers_of_peers_do_not_come_twice() {
        let mint = Mint { peers: AtomicU32::new(u32::MAX - 2), secret: Secret::drawn() };
        assert_eq!(mint.peer(), Some(PeerId(u32::MAX - 2)));
        assert_eq!(mint.peer(), Some(PeerId(u32::MAX - 1)));
        assert_eq!(mint.peer(), None);
        assert_eq!(mint.peer(), None);
    }

    #[test]
    fn an_identity_that_is_brought_along_is_kept_unless_somebody_has_it() {
        let mint = Mint::new(Secret::drawn());
        let now = Hour::of(Duration::from_secs(3_600));
        let (uuid, token) = mint.identity("a", PeerId(1), None, now, |_| false);
        let (again, other) = mint.identity("a", PeerId(2), Some(token), now, |_| false);
        assert_eq!((again, other.id()), (uuid, PeerId(2)));
        let (fresh, _) = mint.identity("a", PeerId(3), Some(token), now, |taken| taken == uuid);
        assert!(fresh != uuid);
        let late = Hour::of(Duration::from_secs(26 * 3_600));
        assert!(mint.identity("a", PeerId(4), Some(token), late, |_| false).0 != uuid);
    }
}
