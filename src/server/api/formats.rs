//! The forms in which a room is given, by what the request accepts.

mod geojson;
mod geopose;
mod kml;
mod places;

use http::{HeaderMap, StatusCode, header};
use time::OffsetDateTime;

use axum::response::{IntoResponse, Response};

use crate::api::ask::text;
use crate::api::formats::places::{Spot, spots};
use crate::api::keys::ApiKey;
use crate::api::people::PeopleJson;
use crate::api::problem::Problem;
use crate::room::order::People;

/// What a form is written from.
pub(crate) struct Look<'a> {
    pub(crate) people: &'a People,
    pub(crate) key: &'a ApiKey,
    /// When the people were looked at.
    pub(crate) now: OffsetDateTime,
    /// Where the room is, as the program that asks reaches it, for a link.
    pub(crate) url: String,
}

/// A form of a room.
struct Format {
    /// Its name in a query, for programs that cannot say what they accept.
    name: &'static str,
    /// Its media type.
    kind: &'static str,
    write: fn(&Look<'_>) -> Result<String, Problem>,
}

/// All forms, the preferred one first.
const FORMATS: &[Format] = &[
    Format {
        name: "json",
        kind: "application/json",
        write: |Look { people, key, .. }| {
            serde_json::to_string(&PeopleJson::new(people, key)).map_err(|_| unwritten())
        },
    },
    Format {
        name: "geojson",
        kind: "application/geo+json",
        write: |look| Ok(geojson::write(&look.spots()?)),
    },
    Format {
        name: "geopose",
        kind: "application/geopose+json",
        write: |look| Ok(geopose::write(&look.spots()?)),
    },
    Format {
        name: "kml",
        kind: KML,
        write: |look| {
            let name = &look.people.info.name;
            kml::write(name, &look.spots()?).map_err(|_| unwritten())
        },
    },
    // No header asks for it, because what it links to has the same type and comes first.
    Format {
        name: "kml-link",
        kind: KML,
        write: |look| {
            let href = format!("{}?format=kml", look.url);
            look.spots()?;
            kml::link(&look.people.info.name, &href).map_err(|_| unwritten())
        },
    },
];
const KML: &str = "application/vnd.google-earth.kml+xml";

fn unwritten() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the room cannot be written in this form")
}

impl Look<'_> {
    fn spots(&self) -> Result<Vec<Spot>, Problem> {
        spots(self.people, self.key, self.now)
    }
}

/// A room in the form that a query names, else in the one that the request prefers.
///
/// # Errors
/// If there is no such form, or none of this room.
pub(crate) fn answer(
    look: &Look<'_>,
    named: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let format = match named {
        Some(named) => FORMATS.iter().find(|format| format.name == named).ok_or_else(|| {
            let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
            Problem::wrong(format!("format is one of {}", names.join(", ")))
        })?,
        None => choose(text(headers, header::ACCEPT).unwrap_or("*/*")).ok_or_else(|| {
            let mut kinds: Vec<_> = FORMATS.iter().map(|format| format.kind).collect();
            kinds.dedup();
            let detail = format!("a room is given as {}; accept one of these", kinds.join(", "));
            Problem::not_acceptable(detail)
        })?,
    };
    let kind = [(header::CONTENT_TYPE, format.kind)];
    Ok((kind, (format.write)(look)?).into_response())
}

/// The form that is wanted most (RFC 9110, section 12.5.1); of equals the first of ours.
fn choose(accept: &str) -> Option<&'static Format> {
    let mut best: Option<(f32, &Format)> = None;
    for format in FORMATS {
        let wish = wish(accept, format.kind);
        if wish > 0.0 && best.is_none_or(|(most, _)| wish > most) {
            best = Some((wish, format));
        }
    }
    best.map(|(_, format)| format)
}

/// How much a media type is wanted, from 0 to 1: as its most exact range says.
fn wish(accept: &str, kind: &str) -> f32 {
    let main = kind.split('/').next().unwrap_or_default();
    let mut found = (0, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        let exactness = match name.as_str() {
            "*/*" => 1,
            _ if name == kind => 3,
            _ if name.strip_suffix("/*") == Some(main) => 2,
            _ => continue,
        };
        if exactness > found.0 {
            found = (exactness, weight);
        }
    }
    found.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_range_counts() {
        let json = "application/json";
        for (accept, wanted) in [
            ("*/*", 1.0),
            ("text/html, application/json;q=0.5", 0.5),
            ("application/*;q=0.3, */*;q=0.1", 0.3),
            ("*/*, application/json;q=0", 0.0),
            ("Application/JSON; charset=utf-8", 1.0),
            ("text/html", 0.0),
            ("", 0.0),
        ] {
            assert!((wish(accept, json) - wanted).abs() < 1e-6, "{accept}");
        }
        let earth = "application/vnd.google-earth.kml+xml, application/geo+json;q=0.5";
        assert_eq!(choose(earth).map(|it| it.name), Some("kml"));
        assert_eq!(choose("application/geopose+json").map(|it| it.name), Some("geopose"));
        assert_eq!(choose("*/*").map(|it| it.name), Some("json"));
        assert!(choose("text/html").is_none() && choose("text/html, */*;q=0.1").is_some());
    }
}
