//! Who may connect, and as whom.

use crate::config::kinds::RoomKinds;
use crate::config::parse::{file, loopback, origin, put, switch};
use crate::config::print::{list, path, text as shown};
use crate::config::setting::{Setting, Takes};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "allow-origin",
        takes: Takes::Many("ORIGIN"),
        help: "Let pages of this origin connect, besides the server's own; * for any origin",
        absent: None,
        read: |draft, text| {
            draft.config.allow_origins.push(origin(text)?);
            Ok(())
        },
        print: |config| Some(list(&config.allow_origins)),
    },
    Setting {
        name: "require-origin",
        takes: Takes::Switch,
        help: "Reject clients that send no Origin header (non-browsers)",
        absent: None,
        read: |draft, text| put(&mut draft.config.require_origin, switch(text)),
        print: |config| Some(config.require_origin.into()),
    },
    Setting {
        name: "access-keys",
        takes: Takes::One("FILE"),
        help: "Require an access token signed by a key in this file; see `gpys token --help`",
        absent: Some("every room is open"),
        read: |draft, text| put(&mut draft.config.access_keys, file(text).map(Some)),
        print: |config| config.access_keys.as_deref().map(path),
    },
    Setting {
        name: "api-keys",
        takes: Takes::One("FILE"),
        help: "Serve the API for programs, /v1, to the keys in this file; see `gpys api-key --help` \
               and docs/API.md",
        absent: Some("no API"),
        read: |draft, text| put(&mut draft.config.api_keys, file(text).map(Some)),
        print: |config| config.api_keys.as_deref().map(path),
    },
    Setting {
        name: "api-listen",
        takes: Takes::One("ADDR:PORT"),
        help: "Serve the API over plain HTTP at this loopback address, and not where the page is",
        absent: Some("where the page is"),
        read: |draft, text| put(&mut draft.config.api_listen, loopback(text).map(Some)),
        print: |config| config.api_listen.map(shown),
    },
    Setting {
        name: "room-kinds",
        takes: Takes::One("FILE"),
        help: "Set the kinds of rooms (a plane, the state of its people) from this TOML file; see \
               docs/TOKENS.md",
        absent: Some("the first to join decides"),
        read: |draft, text| put(&mut draft.config.room_kinds, RoomKinds::read(text)),
        print: |config| config.room_kinds.file.as_deref().map(path),
    },
    Setting {
        name: "identity-secret",
        takes: Takes::One("FILE"),
        help: "Derive public identities from this file of at least 32 random bytes, so that peers \
               keep theirs when the server restarts",
        absent: Some("a new secret at each start"),
        read: |draft, text| put(&mut draft.config.identity_secret, file(text).map(Some)),
        print: |config| config.identity_secret.as_deref().map(path),
    },
];
