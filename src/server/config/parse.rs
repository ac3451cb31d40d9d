//! From the text of one value to the value, or to what is wrong with it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is not of this kind.
    Expected(String),
    /// It cannot be used for this reason.
    Because(String),
}

impl Wrong {
    /// The whole sentence about a value of this setting.
    pub(super) fn sentence(&self, setting: &str, value: &str) -> String {
        match self {
            Self::Expected(kind) => format!("{setting} is {value:?}; expected {kind}"),
            Self::Because(reason) => format!("{setting} is {value:?}: {reason}"),
        }
    }
}

impl From<String> for Wrong {
    fn from(reason: String) -> Self {
        Self::Because(reason)
    }
}

/// Puts a value in its place, if it is right.
pub(super) fn put<T>(place: &mut T, value: Result<T, Wrong>) -> Result<(), Wrong> {
    *place = value?;
    Ok(())
}

/// The value, or that something of this kind was expected.
pub(super) fn expect<T>(kind: &str, value: Option<T>) -> Result<T, Wrong> {
    value.ok_or_else(|| Wrong::Expected(kind.to_owned()))
}

pub(super) fn parsed<T: FromStr>(kind: &str, text: &str) -> Result<T, Wrong> {
    expect(kind, text.parse().ok())
}

pub(super) fn switch(text: &str) -> Result<bool, Wrong> {
    parsed("true or false", text)
}

pub(super) fn socket(text: &str) -> Result<SocketAddr, Wrong> {
    parsed("an address and a port, such as 0.0.0.0:4433 or [::]:4433", text)
}

pub(super) fn loopback(text: &str) -> Result<SocketAddr, Wrong> {
    let address = text.parse().ok().filter(|it: &SocketAddr| it.ip().is_loopback());
    expect("a loopback address and a port, such as 127.0.0.1:9433", address)
}

/// A whole number of `unit`, such as `bytes per second`.
pub(super) fn within(text: &str, unit: &str, range: RangeInclusive<u32>) -> Result<u32, Wrong> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        Wrong::Expected(match *most {
            u32::MAX => format!("a whole number of {unit}, at least {least}"),
            _ => format!("a whole number of {unit} from {least} to {most}"),
        })
    })
}

/// A number of times per second.
pub(super) fn hz(text: &str, unit: &str) -> Result<u8, Wrong> {
    // The range fits.
    within(text, unit, 1..=120).map(|hz| u8::try_from(hz).unwrap_or(u8::MAX))
}

pub(super) fn file(text: &str) -> Result<PathBuf, Wrong> {
    expect("an existing file", Some(PathBuf::from(text)).filter(|path| path.is_file()))
}

pub(super) fn directory(text: &str) -> Result<PathBuf, Wrong> {
    expect("an existing directory", Some(PathBuf::from(text)).filter(|path| path.is_dir()))
}

/// An origin, in lower case, or `*`.
pub(super) fn origin(text: &str) -> Result<String, Wrong> {
    let origin = text.trim_end_matches('/').to_ascii_lowercase();
    let is_whole = origin.parse().is_ok_and(|uri: Uri| {
        uri.scheme_str().zip(uri.authority()).is_some_and(|(scheme, authority)| {
            matches!(scheme, "http" | "https") && format!("{scheme}://{authority}") == origin
        })
    });
    expect(
        "an origin, such as https://example.org, or * for any",
        (is_whole || origin == "*").then_some(origin),
    )
}
