//! The key file (docs/TOKENS.md): the keys that sign access tokens, and the rooms that need none.
//!
//! Its errors never quote the file, because it holds secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;

use crate::files::{Content, File};
use crate::metrics::Reloaded;
use gpys_proto::wire::is_room_name;

/// Minimum length of an HS256 secret, in bytes: that of its hash (RFC 7518, section 3.2).
pub const MIN_SECRET: usize = 32;
/// The DER header in front of the 32 bytes of an Ed25519 public key (RFC 8410, section 4).
pub const ED25519_PUBLIC: [u8; 12] = [48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];

/// The PKCS #8 header in front of the 32 bytes of an Ed25519 private key (RFC 8410, section 7).
const ED25519_PRIVATE: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];

/// An error in a key file.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("access-keys: cannot read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// The file is invalid.
    #[error("access-keys: {} {wrong}; `gpys token --new-keys FILE` creates a valid one", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        wrong: String,
    },
}

/// The signature algorithm of tokens. The key file fixes it, so that clients cannot choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: the key that verifies tokens can also sign them.
    Hs256,
    /// Ed25519: the server holds only public keys.
    EdDsa,
}

impl Algorithm {
    /// The name in tokens and key files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The library's name for it.
    pub(crate) const fn jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    /// Parses a key.
    fn key(self, text: &str) -> Result<Key, &'static str> {
        match self {
            Self::Hs256 => {
                let secret = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('='));
                let secret = secret.ok().filter(|secret| secret.len() >= MIN_SECRET);
                secret.map(Key).ok_or("is not base64url of at least 32 bytes")
            }
            Self::EdDsa => {
                let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok();
                let key = der.and_then(|der| {
                    let key = der.strip_prefix(&ED25519_PUBLIC)?;
                    (key.len() == 32).then(|| Key(key.to_vec()))
                });
                key.ok_or("is not an Ed25519 public key in PEM")
            }
        }
    }
}

/// Encodes an Ed25519 private key as PKCS #8, in the form that OpenSSL also reads.
#[must_use]
pub fn pkcs8(seed: &[u8; 32]) -> Vec<u8> {
    [ED25519_PRIVATE.as_slice(), seed].concat()
}

/// An HS256 secret or an Ed25519 public key.
pub struct Key(pub Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The content of a key file.
#[derive(Debug)]
pub struct Keys {
    /// The signature algorithm of tokens.
    pub algorithm: Algorithm,
    /// Names of rooms that need no token; a trailing `*` matches anything.
    open_rooms: Vec<String>,
    /// The keys by their `kid`.
    pub keys: BTreeMap<String, Key>,
}

impl Keys {
    /// Reads a key file.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let bytes = fs::read(path).map_err(|error| Self::unreadable(path, error))?;
        Self::parse([(path, &bytes)])
    }

    /// Whether a room needs no token.
    pub(super) fn is_open(&self, room: &str) -> bool {
        self.open_rooms.iter().any(|open| match open.strip_suffix('*') {
            Some(start) => room.starts_with(start),
            None => room == open,
        })
    }

    /// Parses the text of a key file.
    ///
    /// # Errors
    /// What is wrong with the text, as a predicate.
    pub(super) fn from_toml(text: &str) -> Result<Self, String> {
        let mut table: toml::Table = text.parse().map_err(|error| not_toml(text, &error))?;
        let algorithm = match table.remove("algorithm").as_ref().and_then(toml::Value::as_str) {
            Some("HS256") => Algorithm::Hs256,
            Some("EdDSA") => Algorithm::EdDsa,
            _ => return Err("does not set algorithm = \"HS256\" or \"EdDSA\"".to_owned()),
        };
        let Some(toml::Value::Table(keys)) = table.remove("keys") else {
            return Err("has no [keys] table".to_owned());
        };
        let open_rooms = match table.remove("open-rooms") {
            Some(value) => open_rooms(&value)?,
            None => Vec::new(),
        };
        if let Some(name) = table.keys().next() {
            return Err(format!(
                "has {name}, which is not one of algorithm, open-rooms and [keys]"
            ));
        }
        if keys.is_empty() {
            return Err("has no key in [keys]".to_owned());
        }
        let key = |(kid, value): (String, toml::Value)| {
            let key = value.as_str().ok_or("is not a string").and_then(|text| algorithm.key(text));
            key.map(|key| (kid.clone(), key))
                .map_err(|wrong| format!("has a key {kid} that {wrong}"))
        };
        let keys = keys.into_iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self { algorithm, open_rooms, keys })
    }
}

fn open_rooms(value: &toml::Value) -> Result<Vec<String>, String> {
    let rooms = value.as_array().into_iter().flatten().filter_map(toml::Value::as_str);
    let rooms: Vec<_> = rooms.map(str::to_owned).collect();
    let fits = |room: &String| {
        let start = room.strip_suffix('*').unwrap_or(room);
        is_room_name(start) || room == "*"
    };
    let whole = value.as_array().is_some_and(|all| all.len() == rooms.len());
    if whole && rooms.iter().all(fits) {
        return Ok(rooms);
    }
    Err("has open-rooms that are not a list of room names, such as [\"lobby\", \"open-*\"]"
        .to_owned())
}

/// The error for invalid TOML, without the library's message, which quotes the line.
fn not_toml(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("is not TOML (line {})", before.matches('\n').count() + 1)
}

impl Content<1> for Keys {
    type Error = KeysError;
    const KIND: Reloaded = Reloaded::AccessKeys;

    fn parse([(path, bytes)]: [File<'_>; 1]) -> Result<Self, KeysError> {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not text".to_owned());
        let keys = text.and_then(Self::from_toml);
        keys.map_err(|wrong| KeysError::Wrong { path: path.to_owned(), wrong })
    }

    fn unreadable(path: &Path, reason: io::Error) -> KeysError {
        KeysError::Read { path: path.to_owned(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn parses_keys_and_open_rooms() {
        let text = format!(
            "algorithm = \"HS256\"\nopen-rooms = [\"lobby\", \"open-*\"]\n\
            [keys]\none = \"{SECRET}\"\n\"2026-11\" = \"{SECRET}=\"\n"
        );
        let keys = Keys::from_toml(&text).unwrap();
        assert_eq!(keys.keys.keys().collect::<Vec<_>>(), ["2026-11", "one"]);
        assert!(keys.keys.values().all(|key| key.0.len() == 32 && key.0[31] == 31));
        for (room, open) in [("lobby", true), ("lobby2", false), ("open-1", true), ("open", false)]
        {
            assert_eq!(keys.is_open(room), open, "{room}");
        }
        assert!(!format!("{keys:?}").contains("31"), "secrets are not printed");
        let none =
            Keys::from_toml(&format!("algorithm = \"HS256\"\nkeys.a = \"{SECRET}\"")).unwrap();
        assert!(!none.is_open("lobby"));
    }

    #[test]
    fn errors_name_the_fault_without_the_secret() {
        let pem = "-----BEGIN PUBLIC KEY-----\\nAAECAwQFBgcICQ==\\n-----END PUBLIC KEY-----\\n";
        for (text, wrong) in [
            (String::new(), "algorithm = "),
            (format!("algorithm = \"none\"\nkeys.a = \"{SECRET}\""), "algorithm = "),
            (format!("algorithm = \"RS256\"\nkeys.a = \"{SECRET}\""), "algorithm = "),
            ("algorithm = \"HS256\"".to_owned(), "[keys]"),
            ("algorithm = \"HS256\"\n[keys]\n".to_owned(), "no key"),
            (format!("algorithm = \"HS256\"\nkeys = \"{SECRET}\""), "[keys]"),
            ("algorithm = \"HS256\"\nkeys.a = 5".to_owned(), "key a that is not a string"),
            ("algorithm = \"HS256\"\nkeys.a = \"AAECAwQFBgcICQ\"".to_owned(), "32 bytes"),
            (format!("algorithm = \"HS256\"\nkeys.a = \"{SECRET}\"\n[more]"), "has more"),
            (format!("algorithm = \"EdDSA\"\nkeys.a = \"{SECRET}\""), "Ed25519"),
            (format!("algorithm = \"EdDSA\"\nkeys.a = \"{pem}\""), "Ed25519"),
            (
                format!("open-rooms = [5]\nalgorithm = \"HS256\"\nkeys.a = \"{SECRET}\""),
                "open-rooms",
            ),
            (
                format!("open-rooms = [\"a*b\"]\nalgorithm = \"HS256\"\nkeys.a = \"{SECRET}\""),
                "open-rooms",
            ),
            (format!("algorithm = \"HS256\"\n[keys]\na = {SECRET}"), "not TOML (line 3)"),
        ] {
            let error = Keys::from_toml(&text).map(|_| ()).unwrap_err();
            assert!(error.contains(wrong), "{text}\n{error}");
            assert!(!error.contains("AAECAw"), "{error}");
        }
    }
}
