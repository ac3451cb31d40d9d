//! The file of API keys (docs/API.md): who may ask for what over `/v1`.
//!
//! Its errors never quote the file, because it holds secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Deserialize;

use crate::api::problem::Problem;
use crate::files::{Content, File};
use crate::lock::lock;
use crate::metrics::Reloaded;
use gpys_proto::bucket::Bucket;
use gpys_proto::time::Time;
use gpys_proto::wire::is_room_name;
use gpys_proto::world::is_thing_key;

/// Minimum length of a key, in bytes before base64url.
pub const MIN_API_KEY: usize = 16;
/// Requests a second with one key, and the burst: a feed of 10,000 things sends ten batches a
/// second, and a program that asks for each room of many has room to do so.
pub(crate) const REQUESTS: (u64, u64) = (100, 200);
/// Requests that a look at a whole room, or at many rooms, counts as: it takes the rooms' tasks, too.
const LOOK: u64 = 5;

/// An error in a file of API keys.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeysError {
    /// The file cannot be read.
    #[error("api-keys: cannot read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// The file is invalid.
    #[error("api-keys: {} {wrong}; `gpys api-key` adds a valid key to a file", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        wrong: String,
    },
    /// The system has no randomness.
    #[error("api-keys: the system provides no random bytes")]
    Random,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiRight {
    /// See rooms, people and events.
    Read,
    /// Put things into a room and take them out, and see those.
    Feed,
    /// Everything.
    Admin,
}

impl ApiRight {
    /// All of them, by their names in the file.
    pub const ALL: [(&str, Self); 3] =
        [("read", Self::Read), ("feed", Self::Feed), ("admin", Self::Admin)];
}

/// A key as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    key: String,
    right: ApiRight,
    room: Option<String>,
    prefix: Option<String>,
}

/// What a key allows.
pub(crate) struct ApiKey {
    name: String,
    right: ApiRight,
    /// The only room that it is for.
    room: Option<String>,
    /// What the ids of its things begin with.
    prefix: String,
    tag: hmac::Tag,
    requests: Mutex<Bucket>,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ApiKey {
    /// Checks that the key may see who is in this room, or in any room.
    ///
    /// # Errors
    /// The answer to give.
    pub(crate) fn reads(&self, room: Option<&str>) -> Result<(), Problem> {
        if self.right == ApiRight::Feed {
            return Err(self.lacks("see people and events", "\"read\" or \"admin\""));
        }
        room.map_or(Ok(()), |room| self.enters(room))
    }

    /// Checks that the key may see this room, at least its own things there.
    ///
    /// # Errors
    /// The answer to give.
    pub(crate) fn enters(&self, room: &str) -> Result<(), Problem> {
        match &self.room {
            Some(own) if own != room => Err(Problem::forbidden(format!(
                "the key {:?} is for the room {own:?} alone; use one for this room",
                self.name
            ))),
            _ => Ok(()),
        }
    }

    /// Checks that the key may put things into this room and take them out.
    ///
    /// # Errors
    /// The answer to give.
    pub(crate) fn feeds(&self, room: &str) -> Result<(), Problem> {
        if self.right == ApiRight::Read {
            return Err(self.lacks("put or remove things", "\"feed\" or \"admin\""));
        }
        self.enters(room)
    }

    /// Checks that the key may say, announce, remove and close in this room.
    ///
    /// # Errors
    /// The answer to give.
    pub(crate) fn manages(&self, room: &str) -> Result<(), Problem> {
        if self.right != ApiRight::Admin {
            return Err(self.lacks("say, announce, remove or close", "\"admin\""));
        }
        self.enters(room)
    }

    /// Whether a thing of this id is one of the key's.
    pub(crate) fn owns(&self, id: &str) -> bool {
        id.starts_with(&self.prefix)
    }

    /// Checks that a thing of this id is one of the key's.
    ///
    /// # Errors
    /// The answer to give.
    pub(crate) fn names(&self, id: &str) -> Result<(), Problem> {
        if self.owns(id) {
            return Ok(());
        }
        let Self { name, prefix, .. } = self;
        Err(Problem::forbidden(format!(
            "the key {name:?} is for things whose ids begin with {prefix:?}"
        )))
    }

    /// What the ids of its things begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the key sees its own things alone.
    pub(crate) fn is_feed(&self) -> bool {
        self.right == ApiRight::Feed
    }

    /// The only room that the key is for, if it is for one.
    pub(crate) fn room(&self) -> Option<&str> {
        self.room.as_deref()
    }

    /// Counts a request; false if there are too many.
    pub(crate) fn spend(&self, now: Time) -> bool {
        lock(&self.requests).take(now)
    }

    /// Counts what a look takes beyond a request. It was had already, so the next ones wait.
    pub(crate) fn spend_look(&self, now: Time) {
        let mut requests = lock(&self.requests);
        let _all = (1..LOOK).all(|_| requests.take(now));
    }

    fn lacks(&self, what: &str, needed: &str) -> Problem {
        let name = &self.name;
        Problem::forbidden(format!(
            "the key {name:?} may not {what}; use one whose right is {needed}"
        ))
    }
}

/// The content of a file of API keys.
#[derive(Debug)]
pub struct ApiKeys {
    /// Tags are compared instead of keys, in constant time and under a secret of this process.
    secret: hmac::Key,
    keys: Vec<Arc<ApiKey>>,
}

impl ApiKeys {
    /// What the key with this text allows; `None` if the file has no such key.
    pub(crate) fn find(&self, text: &str) -> Option<Arc<ApiKey>> {
        let is = |key: &&Arc<ApiKey>| {
            hmac::verify(&self.secret, text.as_bytes(), key.tag.as_ref()).is_ok()
        };
        // All are looked at, so that the time does not tell which one it was.
        self.keys.iter().filter(is).fold(None, |_, key| Some(Arc::clone(key)))
    }

    /// Whether there is a key of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }

    /// Reads a file of keys.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid.
    pub fn read(path: &Path) -> Result<Self, ApiKeysError> {
        let bytes = std::fs::read(path).map_err(|reason| Self::unreadable(path, reason))?;
        Self::parse([(path, &bytes)])
    }

    fn from_toml(text: &str, secret: hmac::Key) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            format!("is not TOML (line {})", before.matches('\n').count() + 1)
        })?;
        let keys: BTreeMap<String, toml::Value> = table.into_iter().collect();
        let key = |(name, value): (String, toml::Value)| {
            let key = key(&name, value, &secret);
            key.map(Arc::new).map_err(|wrong| format!("has a key [{name}] {wrong}"))
        };
        let keys = keys.into_iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self { secret, keys })
    }
}

fn key(name: &str, value: toml::Value, secret: &hmac::Key) -> Result<ApiKey, String> {
    // The library's own words may quote the secret.
    let toml::Value::Table(table) = &value else { return Err("that is not a table".to_owned()) };
    let known = ["key", "right", "room", "prefix"];
    if let Some(other) = table.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("with {other}, which is not one of {}", known.join(", ")));
    }
    let has_right = |&(name, _): &(&str, ApiRight)| {
        table.get("right").and_then(toml::Value::as_str) == Some(name)
    };
    if !ApiRight::ALL.iter().any(has_right) {
        return Err("whose right is not \"read\", \"feed\" or \"admin\"".to_owned());
    }
    let Ok(Written { key, right, room, prefix }) = value.try_into() else {
        return Err("whose key, room or prefix is missing or not a string".to_owned());
    };
    let is_long = |bytes: &Vec<u8>| bytes.len() >= MIN_API_KEY;
    if URL_SAFE_NO_PAD.decode(key.trim_end_matches('=')).ok().as_ref().is_none_or(|it| !is_long(it))
    {
        return Err(format!("that is not base64url of at least {MIN_API_KEY} bytes"));
    }
    if room.as_deref().is_some_and(|room| !is_room_name(room)) {
        return Err("whose room is not 1 to 64 of a-z, 0-9 and -".to_owned());
    }
    if right == ApiRight::Feed && room.is_none() {
        return Err("whose right is \"feed\" but that has no room; name one".to_owned());
    }
    if prefix.as_deref().is_some_and(|prefix| !is_thing_key(prefix)) {
        return Err(
            "whose prefix cannot begin an id: 1 to 64 of a-z, A-Z, 0-9, _, -, . and :".to_owned()
        );
    }
    let (rate, burst) = REQUESTS;
    Ok(ApiKey {
        name: name.to_owned(),
        right,
        room,
        prefix: prefix.unwrap_or_default(),
        tag: hmac::sign(secret, key.as_bytes()),
        requests: Mutex::new(Bucket::new(rate, burst, Time::default())),
    })
}

impl Content<1> for ApiKeys {
    type Error = ApiKeysError;
    const KIND: Reloaded = Reloaded::ApiKeys;

    fn parse([(path, bytes)]: [File<'_>; 1]) -> Result<Self, ApiKeysError> {
        let secret = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let secret = secret.map_err(|_| ApiKeysError::Random)?;
        let text = std::str::from_utf8(bytes).map_err(|_| "is not text".to_owned());
        let keys = text.and_then(|text| Self::from_toml(text, secret));
        keys.map_err(|wrong| ApiKeysError::Wrong { path: path.to_owned(), wrong })
    }

    fn unreadable(path: &Path, reason: io::Error) -> ApiKeysError {
        ApiKeysError::Read { path: path.to_owned(), reason }
    }
}

/// A new key, as text.
///
/// # Errors
/// If the system has no randomness.
pub fn new_api_key() -> Result<String, ApiKeysError> {
    let mut bytes = [0; 2 * MIN_API_KEY];
    SystemRandom::new().fill(&mut bytes).map_err(|_| ApiKeysError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODw";

    fn keys(text: &str) -> Result<ApiKeys, String> {
        ApiKeys::parse([(Path::new("f"), text.as_bytes())]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_allows_what_its_right_room_and_prefix_say() {
        let text = format!(
            "[bus]\nkey = \"{KEY}\"\nright = \"feed\"\nroom = \"city\"\nprefix = \"bus-\"\n\
             [eye]\nkey = \"{KEY}AA\"\nright = \"read\"\n\
             [boss]\nkey = \"{KEY}BB\"\nright = \"admin\"\nroom = \"hall\"\n"
        );
        let keys = keys(&text).unwrap();
        let bus = keys.find(KEY).unwrap();
        assert!(bus.feeds("city").is_ok() && bus.feeds("hall").is_err());
        assert!(bus.names("bus-7").is_ok() && bus.names("tram-7").is_err());
        assert!(bus.reads(Some("city")).is_err() && bus.enters("city").is_ok());
        assert!(bus.manages("city").is_err());
        let eye = keys.find(&format!("{KEY}AA")).unwrap();
        assert!(eye.reads(None).is_ok() && eye.reads(Some("city")).is_ok());
        assert!(eye.feeds("city").is_err() && eye.manages("city").is_err());
        let boss = keys.find(&format!("{KEY}BB")).unwrap();
        assert!(boss.manages("hall").is_ok() && boss.feeds("hall").is_ok());
        assert!(boss.manages("city").is_err() && boss.reads(Some("city")).is_err());
        for no in ["", "AAECAwQFBgcICQoLDA0ODg", &KEY[..21]] {
            assert!(keys.find(no).is_none(), "{no}");
        }
        assert!(!format!("{keys:?}").contains(KEY));
    }

    #[test]
    fn a_key_has_so_many_requests() {
        let keys = keys(&format!("[a]\nkey = \"{KEY}\"\nright = \"read\"")).unwrap();
        let key = keys.find(KEY).unwrap();
        let allowed = (0..1_000).filter(|_| key.spend(Time::from_ms(5_000))).count();
        assert_eq!(allowed as u64, REQUESTS.1);
        assert!(key.spend(Time::from_ms(5_010)));
        key.spend_look(Time::from_ms(5_020));
        assert!(!key.spend(Time::from_ms(5_020)), "a look takes what there is");
        let now = Time::from_ms(10_000);
        let looks = (0..1_000)
            .filter(|_| {
                key.spend(now) && {
                    key.spend_look(now);
                    true
                }
            })
            .count();
        assert_eq!(looks as u64, REQUESTS.1 / LOOK);
    }

    #[test]
    fn errors_name_the_fault_without_the_key() {
        for (text, wrong) in [
            (format!("[a]\nkey = \"{KEY}\""), "[a] whose right is not \"read\""),
            (format!("[a]\nkey = \"{KEY}\"\nright = \"write\""), "right is not"),
            ("[a]\nright = \"read\"".to_owned(), "missing or not a string"),
            ("[a]\nright = \"read\"\nkey = \"AAEC\"".to_owned(), "at least 16 bytes"),
            (format!("[a]\nkey = \"{KEY}\"\nright = \"feed\""), "has no room"),
            (format!("[a]\nkey = \"{KEY}\"\nright = \"read\"\nroom = \"A\""), "room is not"),
            (format!("[a]\nkey = \"{KEY}\"\nright = \"read\"\nprefix = \"a b\""), "prefix cannot"),
            (format!("[a]\nkey = \"{KEY}\"\nright = \"read\"\nrooms = \"a\""), "with rooms, which"),
            (format!("a = \"{KEY}\""), "not a table"),
            (format!("[a]\nkey = {KEY}"), "not TOML (line 2)"),
        ] {
            let error = keys(&text).map(|_| ()).unwrap_err();
            assert!(error.contains(wrong), "{text}\n{error}");
            assert!(!error.contains("AAEC"), "{error}");
        }
        assert!(keys("").is_ok_and(|none| none.find("").is_none()), "no keys, nobody");
        let made = new_api_key().unwrap();
        assert!(made.len() >= 22 && made != new_api_key().unwrap());
    }
}
