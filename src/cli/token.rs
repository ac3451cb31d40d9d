//! `gpys token`: creates access tokens, and the keys that sign them (docs/TOKENS.md).

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;

use crate::cli::parse;
use gpys_proto::wire::MAX_ACCESS;
use gpys_server::access::{ANY_ROOM, Claims, ED25519_PUBLIC, Keys, MIN_SECRET, mint, pkcs8};
pub use gpys_server::access::{Algorithm, KeysError, Right};
use gpys_server::clock::since_1970;

/// The end of the subcommand's help.
pub const HELP: &str = "\
A page takes its token from the URL, after #access=. `gpys swarm --access` and
`gpys doctor --access` take it from a file.

Examples:
  gpys token --new-keys keys.toml
        creates a file of keys, for `gpys --access-keys keys.toml`
  gpys token --keys keys.toml --room stage --for 2h --url https://gpys.example
        prints a link with which a user may share there for two hours
  gpys token --keys keys.toml --room stage --rights view --for 7days
  gpys token --new-keys keys.toml --algorithm EdDSA --private-key sign.pem
        the server then needs keys.toml only, which cannot sign tokens
  gpys token --keys keys.toml --private-key sign.pem --room \"*\" --rights host";

/// A value by its name, with its meaning.
type Choice<T> = (&'static str, T, &'static str);
const RIGHTS: [Choice<Right>; 3] = [
    ("view", Right::View, "watch"),
    ("share", Right::Share, "share a position"),
    ("host", Right::Host, "enter even if the room is full"),
];
const ALGORITHMS: [Choice<Algorithm>; 2] = [
    ("HS256", Algorithm::Hs256, "HMAC with SHA-256; the server could sign tokens, too"),
    ("EdDSA", Algorithm::EdDsa, "Ed25519; the server holds public keys only"),
];

/// Options of `gpys token`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The server's file of keys.
    #[arg(long, value_name = "FILE", required_unless_present = "new_keys")]
    pub keys: Option<PathBuf>,
    /// The room to admit to, or * for every room.
    #[arg(long, value_name = "NAME", required_unless_present = "new_keys", value_parser = parse_room)]
    pub room: Option<String>,
    /// What the token allows; each right includes those before it.
    #[arg(long, value_name = "RIGHT", default_value = "share", value_parser = one_of(&RIGHTS))]
    pub rights: Right,
    /// How long the token is valid, such as 30m, 2h or 7days.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub time: Duration,
    /// The key to sign with; required if the file has several.
    #[arg(long, value_name = "KID")]
    pub kid: Option<String>,
    /// With EdDSA: the file of the private key to sign with.
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// Also print a link that contains the token, for the server at this URL.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Instead of a token, create a file with a new key that only its owner can read; never
    /// overwrites a file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["keys", "room", "kid", "url"])]
    pub new_keys: Option<PathBuf>,
    /// The algorithm of the new key.
    #[arg(long, default_value = "HS256", value_parser = one_of(&ALGORITHMS), requires = "new_keys")]
    pub algorithm: Algorithm,
}

/// Parses one of a few values.
fn one_of<T: Clone + Send + Sync>(all: &'static [Choice<T>]) -> impl TypedValueParser<Value = T> {
    let names = all.iter().map(|(name, _, meaning)| PossibleValue::new(*name).help(*meaning));
    PossibleValuesParser::new(names).try_map(move |text| {
        let mut all = all.iter();
        all.find(|(name, ..)| *name == text).map(|(_, value, _)| value.clone()).ok_or("unknown")
    })
}

fn parse_room(text: &str) -> Result<String, String> {
    if text == ANY_ROOM {
        return Ok(text.to_owned());
    }
    parse::room(text).map_err(|hint| format!("{hint}; * is every room"))
}

/// Why `gpys token` failed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file of keys is invalid.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The file has no such key.
    #[error("{} has no key {}; it has {}", .0.display(), .1, .2)]
    NoKey(PathBuf, String, String),
    /// The file has several keys.
    #[error("{} has several keys; choose one with --kid ({})", .0.display(), .1)]
    WhichKey(PathBuf, String),
    /// The private key of EdDSA is missing.
    #[error(
        "with EdDSA the file of keys holds public keys only; name the file of the private key with --private-key"
    )]
    NoPrivateKey,
    /// The file of the private key does not hold one.
    #[error("{} is not an Ed25519 private key in PEM (PKCS #8)", .0.display())]
    PrivateKey(PathBuf),
    /// The file of keys lacks the public key.
    #[error("{} is not the private key of any key in {}", .0.display(), .1.display())]
    Stranger(PathBuf, PathBuf),
    /// The signature failed.
    #[error("cannot sign the token: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// No client could use the token.
    #[error(
        "the token has {0} bytes, but at most {MAX_ACCESS} are allowed; use a shorter name for the key"
    )]
    TooLong(usize),
    /// A file already exists.
    #[error("{} already exists and stays as it is; choose another file", .0.display())]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot read or write {}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// The system has no randomness.
    #[error("the system provides no random bytes")]
    Random,
}

/// Creates a token or a file of keys, and returns the text to print.
///
/// # Errors
/// If a file is invalid, or already exists.
pub fn run(args: &Args) -> Result<String, TokenError> {
    match (&args.new_keys, &args.keys) {
        (Some(path), _) => new_keys(path, args),
        (None, Some(path)) => token(path, args, since_1970()),
        // The command line requires one of the two.
        (None, None) => Ok(String::new()),
    }
}

/// Returns a token made at this time since 1970, and a link if the server's URL is known.
fn token(path: &Path, args: &Args, now: Duration) -> Result<String, TokenError> {
    let keys = Keys::read(path)?;
    let (kid, key) = match keys.algorithm {
        Algorithm::Hs256 => secret(path, &keys, args.kid.as_deref())?,
        Algorithm::EdDsa => private_key(path, &keys, args)?,
    };
    let room = args.room.clone().unwrap_or_default();
    let exp = now.saturating_add(args.time).as_secs();
    let token = mint(keys.algorithm, &kid, &key, &Claims::new(room, vec![args.rights], exp))?;
    if token.len() > MAX_ACCESS {
        return Err(TokenError::TooLong(token.len()));
    }
    let path = match args.room.as_deref() {
        Some(ANY_ROOM | "lobby") | None => String::new(),
        Some(room) => format!("r/{room}"),
    };
    let link = |url: &String| format!("{}/{path}#access={token}\n", url.trim_end_matches('/'));
    let link = args.url.as_ref().map(link).unwrap_or_default();
    Ok(format!("{token}\n{link}"))
}

fn names(keys: &Keys) -> String {
    keys.keys.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Returns the name and the bytes of the secret to sign with.
fn secret(path: &Path, keys: &Keys, kid: Option<&str>) -> Result<(String, Vec<u8>), TokenError> {
    let mut all = keys.keys.iter();
    let (kid, key) = match (kid, all.next(), all.next()) {
        (None, Some(only), None) => only,
        (None, ..) => return Err(TokenError::WhichKey(path.to_owned(), names(keys))),
        (Some(kid), ..) => keys
            .keys
            .get_key_value(kid)
            .ok_or_else(|| TokenError::NoKey(path.to_owned(), kid.to_owned(), names(keys)))?,
    };
    Ok((kid.clone(), key.0.clone()))
}

/// Returns the private key to sign with, under the name of its public key in the file.
fn private_key(path: &Path, keys: &Keys, args: &Args) -> Result<(String, Vec<u8>), TokenError> {
    let file = args.private_key.as_ref().ok_or(TokenError::NoPrivateKey)?;
    let pem = fs::read(file).map_err(|error| TokenError::File(file.clone(), error))?;
    let wrong = || TokenError::PrivateKey(file.clone());
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| wrong())?;
    let der = der.secret_pkcs8_der();
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| wrong())?;
    let ours = |(kid, key): &(&String, &gpys_server::access::Key)| {
        key.0 == pair.public_key().as_ref() && args.kid.as_ref().is_none_or(|it| it == *kid)
    };
    let (kid, _) = keys
        .keys
        .iter()
        .find(ours)
        .ok_or_else(|| TokenError::Stranger(file.clone(), path.to_owned()))?;
    Ok((kid.clone(), der.to_vec()))
}

/// Creates a file with a new key, named after today.
fn new_keys(path: &Path, args: &Args) -> Result<String, TokenError> {
    let mut random = [0; MIN_SECRET];
    SystemRandom::new().fill(&mut random).map_err(|_| TokenError::Random)?;
    let kid = OffsetDateTime::now_utc().date();
    let key = match args.algorithm {
        Algorithm::Hs256 => format!("\"{}\"", URL_SAFE_NO_PAD.encode(random)),
        Algorithm::EdDsa => {
            let file = args.private_key.as_ref().ok_or(TokenError::NoPrivateKey)?;
            if path.exists() {
                return Err(TokenError::Exists(path.to_owned()));
            }
            let der = pkcs8(&random);
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der);
            let pair = pair.map_err(|_| TokenError::PrivateKey(file.clone()))?;
            create(file, &pem("PRIVATE KEY", &der))?;
            let public = [&ED25519_PUBLIC, pair.public_key().as_ref()].concat();
            format!("'''\n{}'''", pem("PUBLIC KEY", &public))
        }
    };
    let text = format!(
        "# Keys of access tokens; see docs/TOKENS.md.\n\
        algorithm = \"{}\"\n\
        # Rooms that need no token, such as [\"lobby\", \"open-*\"].\n\
        open-rooms = []\n\n\
        [keys]\n\"{kid}\" = {key}\n",
        args.algorithm.name()
    );
    create(path, &text)?;
    Ok(instructions(path, args))
}

fn instructions(path: &Path, args: &Args) -> String {
    let keys = path.display();
    let (signer, secret) = match (args.algorithm, &args.private_key) {
        (Algorithm::EdDsa, Some(file)) => {
            (format!(" --private-key {}", file.display()), file.display().to_string())
        }
        _ => (String::new(), keys.to_string()),
    };
    format!(
        "\
Anyone who can read {secret} can create tokens.

  gpys --access-keys {keys}
  gpys token --keys {keys}{signer} --room stage --for 2h
"
    )
}

/// Encodes at most 48 bytes as PEM; they fit on one line.
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// Creates a file that only its owner can read.
fn create(path: &Path, text: &str) -> Result<(), TokenError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let fail = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => TokenError::Exists(path.to_owned()),
        _ => TokenError::File(path.to_owned(), error),
    };
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(fail)
}

#[cfg(test)]
mod tests {

    use super::*;

    fn args(dir: &Path, line: &str) -> Result<Args, clap::Error> {
        let words = line.split_whitespace().map(|word| match word.strip_prefix('@') {
            Some(file) => dir.join(file).display().to_string(),
            None => word.to_owned(),
        });
        parse::arguments(words)
    }

    fn token(dir: &Path, line: &str) -> Result<String, TokenError> {
        run(&args(dir, line).unwrap())
    }

    fn claims(token: &str) -> serde_json::Value {
        let part = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn signs_tokens_for_the_requested_time_with_a_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for (new, with) in [
            ("--new-keys @hs", "--keys @hs"),
            (
                "--new-keys @ed --algorithm EdDSA --private-key @pem",
                "--keys @ed --private-key @pem",
            ),
        ] {
            token(dir, new).unwrap();
            let again = token(dir, new).unwrap_err();
            assert!(matches!(again, TokenError::Exists(_)), "{again}");
            let line = format!("{with} --room stage --rights view --for 2h --url https://x:1/");
            let said = token(dir, &line).unwrap();
            let (made, link) = said.trim_end().split_once('\n').unwrap();
            assert_eq!(link, format!("https://x:1/r/stage#access={made}"));
            let claims = claims(made);
            assert_eq!((&claims["room"], &claims["rights"][0]), (&"stage".into(), &"view".into()));
            let left = claims["exp"].as_u64().unwrap() - since_1970().as_secs();
            assert!((7_190..=7_200).contains(&left), "{left}");
            assert_eq!(claims.as_object().unwrap().len(), 3, "{claims}");
        }
        let wrong = token(dir, "--keys @ed --room stage").unwrap_err();
        assert!(matches!(wrong, TokenError::NoPrivateKey));
        token(dir, "--new-keys @ed2 --algorithm EdDSA --private-key @pem2").unwrap();
        let wrong = token(dir, "--keys @ed --private-key @pem2 --room stage").unwrap_err();
        assert!(matches!(wrong, TokenError::Stranger(..)));
        let wrong = token(dir, "--keys @ed --private-key @hs --room stage").unwrap_err();
        assert!(matches!(wrong, TokenError::PrivateKey(_)));
    }

    #[test]
    #[cfg(unix)]
    fn only_the_owner_can_read_new_keys() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let new = "--new-keys @ed --algorithm EdDSA --private-key @pem";
        token(dir.path(), new).unwrap();
        for file in ["ed", "pem"] {
            let mode = fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn requires_a_choice_among_several_keys() {
        let dir = tempfile::tempdir().unwrap();
        let key = URL_SAFE_NO_PAD.encode([1; 32]);
        let long = "k".repeat(800);
        let text = format!("algorithm = \"HS256\"\nkeys.a = \"{key}\"\nkeys.{long} = \"{key}\"\n");
        fs::write(dir.path().join("keys"), text).unwrap();
        let wrong = |line: &str| token(dir.path(), line).unwrap_err();
        assert!(matches!(wrong("--keys @keys --room a"), TokenError::WhichKey(..)));
        assert!(matches!(wrong("--keys @keys --room a --kid b"), TokenError::NoKey(..)));
        let too_long = wrong(&format!("--keys @keys --room a --kid {long}"));
        assert!(matches!(too_long, TokenError::TooLong(_)));
        assert!(matches!(wrong("--keys @none --room a"), TokenError::Keys(_)));
        let any = token(dir.path(), "--keys @keys --room * --kid a --url http://x").unwrap();
        assert!(any.contains("http://x/#access="), "{any}");
        for line in ["", "--keys @keys", "--keys @keys --room A", "--new-keys @x --keys @y"] {
            assert!(args(dir.path(), line).is_err(), "{line}");
        }
    }
}
