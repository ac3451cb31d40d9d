//! The kinds of rooms that the operator sets.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use gpys_proto::kind::Kind;
use gpys_proto::wire::is_room_name;

use crate::config::parse::{Wrong, file};
use crate::kind::RoomKind;

/// The kinds of some rooms, by name, from a TOML file of a table for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomKinds {
    /// The file.
    pub file: Option<PathBuf>,
    /// What it says.
    pub kinds: BTreeMap<String, Kind>,
}

impl RoomKinds {
    pub(super) fn read(path: &str) -> Result<Self, Wrong> {
        let path = file(path)?;
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let written: BTreeMap<String, RoomKind> =
            toml::from_str(&text).map_err(|error| error.to_string())?;
        let kind = |(name, written): (String, RoomKind)| {
            if !is_room_name(&name) {
                return Err(format!("{name:?} is not 1 to 64 of a-z, 0-9 and -"));
            }
            let kind = Kind::try_from(&written).map_err(|error| format!("[{name}]: {error}"))?;
            Ok((name, kind))
        };
        let kinds = written.into_iter().map(kind).collect::<Result<_, _>>()?;
        Ok(Self { file: Some(path), kinds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RoomKinds, Wrong> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rooms.toml");
        fs::write(&path, text).unwrap();
        RoomKinds::read(path.to_str().unwrap())
    }

    #[test]
    fn reads_a_table_for_each_room() {
        let read = read(
            "[board]\nplane = { unit = \"px\", step = 0.5 }\n\
            state = [{ name = \"tool\", bits = 8 }, { name = \"down\" }]\n[city]\n",
        );
        let RoomKinds { kinds, .. } = read.unwrap();
        assert_eq!(kinds["board"].layout.bits(), 9);
        assert_eq!(kinds["city"], Kind::default());
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let reason = |text| match read(text).unwrap_err() {
            Wrong::Because(reason) | Wrong::Expected(reason) => reason,
        };
        assert_eq!(reason("[Board]"), "\"Board\" is not 1 to 64 of a-z, 0-9 and -");
        let step = reason("[board]\nplane = { unit = \"px\", step = 0.0 }");
        assert_eq!(step, "[board]: a step is a finite number above 0");
        assert!(reason("[board]\nplan = 1").contains("unknown field `plan`"));
        assert!(matches!(RoomKinds::read("/nowhere"), Err(Wrong::Expected(_))));
    }
}
