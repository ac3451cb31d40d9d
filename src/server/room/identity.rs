//! A peer's identity beyond one link: the making of resume tokens, and the public identity derived
//! from them.
//!
//! A token is the peer's number, the hour of its creation and 80 random bits. The public identity
//! is a keyed hash of the latter two and the room. So it reveals nothing, cannot be chosen, cannot
//! be recognised in another room, and survives a restart with the same secret.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use ring::hmac;
use uuid::{Builder, Uuid};

use gpys_proto::wire::{PeerId, PublicId, ResumeToken};

/// Minimum length of the secret, in bytes: that of its hash.
const MIN_SECRET: usize = 32;
/// How long an identity outlives the server that issued it, in hours.
const LASTS_HOURS: u16 = 24;

/// Why the identity secret is unusable.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("identity-secret: cannot read {}: {}", .0.display(), .1)]
    Read(PathBuf, std::io::Error),
    /// The secret is too short.
    #[error(
        "identity-secret: {} has {} bytes but needs at least {MIN_SECRET}; \
        create it with `openssl rand -out FILE {MIN_SECRET}`", .0.display(), .1
    )]
    Short(PathBuf, usize),
}

/// An hour since 1970; the number wraps around after seven and a half years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hour(u16);

impl Hour {
    /// The hour of this time since 1970.
    pub(crate) const fn of(time: Duration) -> Self {
        Self((time.as_secs() / 3_600) as u16)
    }
}

/// The key that derives public identities from tokens.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    tokens: hmac::Key,
    subjects: hmac::Key,
    things: hmac::Key,
}

impl Secret {
    fn new(bytes: &[u8]) -> Self {
        let tokens = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        // Keys of their own: a client may present any bytes as a token.
        let key = |purpose: &[u8]| {
            let bytes = hmac::sign(&tokens, purpose);
            hmac::Key::new(hmac::HMAC_SHA256, bytes.as_ref())
        };
        let (subjects, things) = (key(b"subjects of access tokens"), key(b"things"));
        Self { tokens, subjects, things }
    }

    /// A random secret for the lifetime of the server.
    pub(crate) fn random() -> Self {
        Self::new(&[random(), random(), random()].concat())
    }

    /// Reads a secret from a file.
    ///
    /// # Errors
    /// If the file cannot be read or is too short.
    pub(crate) fn read(path: &Path) -> Result<Self, SecretError> {
        let bytes = std::fs::read(path).map_err(|why| SecretError::Read(path.to_owned(), why))?;
        if bytes.len() < MIN_SECRET {
            return Err(SecretError::Short(path.to_owned(), bytes.len()));
        }
        Ok(Self::new(&bytes))
    }

    /// A new token for `id`, created now.
    pub(crate) fn fresh(id: PeerId, Hour(hour): Hour) -> ResumeToken {
        let ([a, b], [c, d, e, f, g, h, i, j, k, l, ..]) = (hour.to_le_bytes(), random());
        ResumeToken::mint(id, [a, b, c, d, e, f, g, h, i, j, k, l])
    }

    /// A token for `id` with an older one's identity, unless that one has expired or is from the
    /// future.
    pub(crate) fn again(id: PeerId, old: ResumeToken, Hour(now): Hour) -> Option<ResumeToken> {
        let secret @ [a, b, ..] = old.secret();
        let age = now.wrapping_sub(u16::from_le_bytes([a, b]));
        (age <= LASTS_HOURS).then(|| ResumeToken::mint(id, secret))
    }

    /// The public identity of a token in a room, regardless of the token's peer number.
    pub(crate) fn public(&self, token: ResumeToken, room: &str) -> PublicId {
        // The token's part has a fixed length, so no two pairs give the same bytes.
        let tag = hmac::sign(&self.tokens, &[token.secret().as_slice(), room.as_bytes()].concat());
        public_id(tag)
    }

    /// What others in a room may know of the subject of an access token: who has the same.
    pub(crate) fn subject(&self, subject: &str, room: &str) -> PublicId {
        public_id(in_room(&self.subjects, room, subject))
    }

    /// The public identity of the thing that its program calls `key`.
    pub(crate) fn thing(&self, key: &str, room: &str) -> PublicId {
        public_id(in_room(&self.things, room, key))
    }
}

fn in_room(key: &hmac::Key, room: &str, text: &str) -> hmac::Tag {
    // A room's name has no zero byte, so no two pairs give the same bytes.
    hmac::sign(key, &[room.as_bytes(), &[0], text.as_bytes()].concat())
}

fn public_id(tag: hmac::Tag) -> PublicId {
    let bytes = tag.as_ref().first_chunk().copied().unwrap_or_default();
    PublicId(Builder::from_custom_bytes(bytes).into_uuid())
}

/// The distance between the seeds of two rooms: 2^64 divided by the golden ratio, which spreads any
/// number of them evenly.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Random bytes.
fn random() -> [u8; 14] {
    // These bytes of a UUID are fully random.
    let [a, b, c, d, e, f, _, g, _, h, i, j, k, l, m, n] = Uuid::new_v4().into_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n]
}

/// Mints unique peer numbers and identities, and the seeds of rooms.
#[derive(Debug)]
pub(crate) struct Mint {
    peers: AtomicU32,
    secret: Secret,
    seed: AtomicU64,
}

impl Mint {
    /// A mint that has issued no numbers; the secret derives public identities. Rooms get seeds
    /// that follow from `seed`.
    pub(crate) fn new(secret: Secret, seed: u64) -> Self {
        Self { peers: AtomicU32::new(0), secret, seed: AtomicU64::new(seed) }
    }

    /// Returns the seed of another room.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.fetch_add(SEED_STEP, Ordering::Relaxed)
    }

    /// Returns a number that no peer has had; `None` once all are used up.
    pub(crate) fn peer(&self) -> Option<PeerId> {
        let next = |last: u32| last.checked_add(1);
        let last = self.peers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        last.ok().map(PeerId)
    }

    /// Returns a number for a newcomer that presents this token: not the token's own. Otherwise a
    /// server that was restarted could give it that number and, with its identity, the same token;
    /// if its welcome were then lost, its next link would be taken for one of a client that knows
    /// this server.
    pub(crate) fn newcomer(&self, presented: Option<ResumeToken>) -> Option<PeerId> {
        let id = self.peer()?;
        if presented.is_some_and(|old| old.id() == id) { self.peer() } else { Some(id) }
    }

    /// Returns what others in a room may know of the subject of an access token.
    pub(crate) fn subject(&self, subject: &str, room: &str) -> PublicId {
        self.secret.subject(subject, room)
    }

    /// Returns a number for a new thing, and the public identity that it has whenever it is here.
    pub(crate) fn thing(&self, key: &str, room: &str) -> Option<(PeerId, PublicId)> {
        Some((self.peer()?, self.secret.thing(key, room)))
    }

    /// Returns the public identity and the token of a newcomer to `room`: those of the token it
    /// presents from before a restart, unless that has expired or the identity is taken.
    pub(crate) fn identity(
        &self,
        room: &str,
        peer: PeerId,
        presented: Option<ResumeToken>,
        now: Hour,
        taken: impl Fn(PublicId) -> bool,
    ) -> (PublicId, ResumeToken) {
        let again = presented.and_then(|old| Secret::again(peer, old, now));
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
    fn an_identity_depends_on_the_secret_but_not_on_the_number() {
        let (one, same, other) = (Secret::new(&[7; 32]), Secret::new(&[7; 32]), Secret::random());
        let token = Secret::fresh(PeerId(1), Hour(5));
        let again = Secret::again(PeerId(9), token, Hour(6)).unwrap();
        assert_eq!((token.id(), again.id()), (PeerId(1), PeerId(9)));
        let public = one.public(token, "stage");
        assert_eq!(public, same.public(again, "stage"));
        assert!(public != other.public(token, "stage"));
        assert!(public != one.public(token, "lobby"), "another room gives another identity");
        assert!(public != one.public(Secret::fresh(PeerId(1), Hour(5)), "stage"));
        assert_eq!(public.0.get_version_num(), 8);
        // Pinned: a change would give every peer a new identity after an upgrade.
        let pinned = one.public(ResumeToken([1; 16]), "lobby").0.to_string();
        assert_eq!(pinned, "d7e974b3-f4d9-8c80-993f-0f55dc7bc478");
    }

    #[test]
    fn a_subject_is_the_same_in_one_room_and_nowhere_else() {
        let (one, other) = (Secret::new(&[7; 32]), Secret::random());
        assert_eq!(one.subject("ada", "stage"), one.subject("ada", "stage"));
        assert!(one.subject("ada", "stage") != one.subject("ada", "lobby"));
        assert!(one.subject("ada", "stage") != one.subject("bob", "stage"));
        assert!(one.subject("ada", "stage") != other.subject("ada", "stage"));
        assert!(one.subject("ada", "stage") != one.thing("ada", "stage"));
    }

    #[test]
    fn an_identity_lasts_for_a_day() {
        let created = Duration::from_secs(500_000 * HOUR);
        let token = Secret::fresh(PeerId(1), Hour::of(created));
        let lasts = |time: Duration| Secret::again(PeerId(2), token, Hour::of(time)).is_some();
        let hours = |n: u64| Duration::from_secs(n * HOUR);
        assert!(lasts(created) && lasts(created + hours(24)));
        assert!(!lasts(created + hours(25)) && !lasts(created + hours(500)));
        assert!(!lasts(created - hours(1)), "from the future");
    }

    #[test]
    fn tokens_are_unique() {
        assert!(Secret::fresh(PeerId(1), Hour(0)) != Secret::fresh(PeerId(1), Hour(0)));
        assert_eq!(Secret::fresh(PeerId(7), Hour(0)).id(), PeerId(7));
    }

    #[test]
    fn a_short_or_missing_secret_is_reported() {
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
    fn peer_numbers_are_unique() {
        let mint = Mint { peers: AtomicU32::new(u32::MAX - 2), ..Mint::new(Secret::random(), 0) };
        assert_eq!(mint.peer(), Some(PeerId(u32::MAX - 2)));
        assert_eq!(mint.peer(), Some(PeerId(u32::MAX - 1)));
        assert_eq!(mint.peer(), None);
        assert_eq!(mint.peer(), None);
    }

    #[test]
    fn nobody_gets_the_token_that_it_presents() {
        let (mint, now) = (Mint::new(Secret::random(), 0), Hour(5));
        let old = Secret::fresh(PeerId(0), now);
        let id = mint.newcomer(Some(old)).unwrap();
        assert_eq!(id, PeerId(1));
        let (_, token) = mint.identity("a", id, Some(old), now, |_| false);
        assert!(token != old && token.secret() == old.secret());
        assert_eq!(mint.newcomer(Some(old)), Some(PeerId(2)));
        assert_eq!(mint.newcomer(None), Some(PeerId(3)));
    }

    #[test]
    fn a_presented_identity_is_kept_unless_it_is_taken() {
        let mint = Mint::new(Secret::random(), 0);
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
