//! Reading one setting: from text to a value, or a sentence about what is wrong.

use std::str::FromStr;

use http::Uri;

use crate::config::Venue;
use crate::config::sources::Source;
use gpys_proto::geo::Position;
use gpys_proto::text;

/// Reads values and notes what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) wrong: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// The value, if it is given and right.
    pub(super) fn read<T>(
        &mut self,
        given: Option<(&str, &str, Source)>,
        right: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let (name, text, source) = given?;
        let value = parse(text);
        if value.is_none() {
            self.wrong.push(format!("{} is {text:?}, but should be {right}", source.name(name)));
        }
        value
    }

    /// The same where what is wrong depends on the value.
    pub(super) fn check<T>(
        &mut self,
        given: Option<(&str, &str, Source)>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (name, text, source) = given?;
        let wrong = |why: String| format!("{} is {text:?}: {why}", source.name(name));
        parse(text).map_err(|why| self.wrong.push(wrong(why))).ok()
    }
}

pub(super) fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

pub(super) fn within(least: u32, most: u32) -> impl Fn(&str) -> Option<u32> {
    move |text| parse(text).filter(|value| (least..=most).contains(value))
}

pub(super) fn parse_venue(text: &str) -> Option<Venue> {
    let mut parts = text.splitn(3, ',').map(str::trim);
    let (lat, lng): (f64, f64) = (parse(parts.next()?)?, parse(parts.next()?)?);
    let label = text::name(parts.next().unwrap_or_default());
    Position::from_degrees(lat, lng).ok()?;
    Some(Venue { lat, lng, label })
}

pub(super) fn parse_url(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let web = matches!(uri.scheme_str(), Some("https" | "http"));
    (web && uri.authority().is_some()).then(|| text.to_owned())
}

pub(super) fn parse_origin(text: &str) -> Option<String> {
    let origin = text.trim_end_matches('/').to_ascii_lowercase();
    let uri: Uri = origin.parse().ok()?;
    let whole = uri.scheme_str().zip(uri.authority()).is_some_and(|(scheme, authority)| {
        matches!(scheme, "http" | "https") && format!("{scheme}://{authority}") == origin
    });
    (whole || origin == "*").then_some(origin)
}
