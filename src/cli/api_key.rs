//! `gpys api-key`: adds a key to the file of those who may use the API (docs/API.md).

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::parse;
use gpys_proto::world::is_thing_key;
use gpys_server::api::{ApiKeys, new_api_key};
pub use gpys_server::api::{ApiKeysError, ApiRight};

/// The end of the subcommand's help.
pub const HELP: &str = "\
Prints the key, which programs send as \"Authorization: Bearer KEY\". To withdraw one,
remove its table from the file: the server reads it again within 10 s.

Examples:
  gpys api-key --keys api-keys.toml --name admin --right admin
        creates the file, for `gpys --api-keys api-keys.toml`
  gpys api-key --keys api-keys.toml --name buses --right feed --room city --prefix bus-
        may put things into the room city whose ids begin with bus-
  gpys api-key --keys api-keys.toml --name board --right read --room city";

/// Options of `gpys api-key`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The server's file of API keys. A new one can be read by its owner only.
    #[arg(long, value_name = "FILE")]
    pub keys: PathBuf,
    /// What to call the key: 1 to 32 of a-z, A-Z, 0-9, _ and -.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub name: String,
    /// What it allows: read sees rooms, people and events; feed puts things into one room; admin
    /// may do everything.
    #[arg(long, value_name = "RIGHT", value_parser = right())]
    pub right: ApiRight,
    /// The only room that it is for; every room, unless given.
    #[arg(long, value_name = "NAME", value_parser = parse::room, required_if_eq("right", "feed"))]
    pub room: Option<String>,
    /// What the ids of its things begin with.
    #[arg(long, value_name = "TEXT", value_parser = parse_prefix)]
    pub prefix: Option<String>,
}

fn right() -> impl TypedValueParser<Value = ApiRight> {
    PossibleValuesParser::new(ApiRight::ALL.map(|(name, _)| name)).try_map(|text| {
        let mut all = ApiRight::ALL.into_iter();
        all.find(|(name, _)| *name == text).map(|(_, right)| right).ok_or("unknown")
    })
}

fn parse_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err("a key's name is 1 to 32 of a-z, A-Z, 0-9, _ and -".to_owned())
}

fn parse_prefix(text: &str) -> Result<String, String> {
    if is_thing_key(text) {
        return Ok(text.to_owned());
    }
    Err("an id of a thing is 1 to 64 of a-z, A-Z, 0-9, _, -, . and :".to_owned())
}

/// Why `gpys api-key` failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// The file is invalid.
    #[error(transparent)]
    Keys(#[from] ApiKeysError),
    /// The file has a key of this name.
    #[error("{} has a key {} already; choose another name, or remove that one", .0.display(), .1)]
    Known(PathBuf, String),
    /// The file cannot be written.
    #[error("cannot write {}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
}

/// Adds a key and returns it, as a line.
///
/// # Errors
/// If the file cannot be read or written, or has such a key.
pub fn run(args: &Args) -> Result<String, ApiKeyError> {
    let Args { keys: path, name, right, room, prefix } = args;
    let begun = path.exists();
    if begun && ApiKeys::read(path)?.has(name) {
        return Err(ApiKeyError::Known(path.clone(), name.clone()));
    }
    let key = new_api_key()?;
    let right = ApiRight::ALL.iter().find(|(_, it)| it == right).map_or("read", |(name, _)| name);
    let mut text =
        if begun { String::new() } else { "# Keys of the API; see docs/API.md.\n".into() };
    let _ = write!(text, "\n[{name}]\nkey = \"{key}\"\nright = \"{right}\"\n");
    for (name, value) in [("room", room), ("prefix", prefix)] {
        if let Some(value) = value {
            let _ = writeln!(text, "{name} = \"{value}\"");
        }
    }
    append(path, &text).map_err(|error| ApiKeyError::File(path.clone(), error))?;
    Ok(format!("{key}\n"))
}

/// Appends to a file, in one piece: the server may read it at any time.
fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(path: &Path, line: &str) -> Result<String, ApiKeyError> {
        let words = ["--keys".to_owned(), path.display().to_string()];
        let words = words.into_iter().chain(line.split_whitespace().map(str::to_owned));
        run(&parse::arguments::<Args>(words).unwrap())
    }

    #[test]
    fn adds_keys_to_a_file_that_its_owner_alone_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let first = add(&path, "--name boss --right admin").unwrap();
        let second = add(&path, "--name bus --right feed --room city --prefix bus-").unwrap();
        assert_ne!(first, second);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(first.trim()) && text.contains(second.trim()), "{text}");
        assert!(text.ends_with("right = \"feed\"\nroom = \"city\"\nprefix = \"bus-\"\n"), "{text}");
        let keys = ApiKeys::read(&path).unwrap();
        assert!(keys.has("boss") && keys.has("bus") && !keys.has("eye"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let again = add(&path, "--name bus --right read").unwrap_err();
        assert!(again.to_string().contains("has a key bus already"), "{again}");
        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(add(&path, "--name eye --right read"), Err(ApiKeyError::Keys(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "nonsense");
    }

    #[test]
    fn wrong_keys_are_refused() {
        for line in [
            "--name a --right write",
            "--name a.b --right read",
            "--name a --right feed",
            "--name a --right read --room A",
            "--name a --right read --prefix a/b",
            "--right read",
        ] {
            let words = ["--keys", "x"].into_iter().chain(line.split_whitespace());
            assert!(parse::arguments::<Args>(words).is_err(), "{line}");
        }
    }
}
