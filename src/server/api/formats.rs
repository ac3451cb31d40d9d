//! The forms in which a room is given, by what the request accepts.

use http::{HeaderMap, StatusCode, header};

use axum::response::{IntoResponse, Response};

use crate::api::ask::text;
use crate::api::keys::ApiKey;
use crate::api::people::PeopleJson;
use crate::api::problem::Problem;
use crate::room::order::People;

/// A form of a room.
struct Format {
    /// Its media type.
    kind: &'static str,
    /// Writes what a key sees of a room.
    write: fn(&People, &ApiKey) -> Result<String, Problem>,
}

/// All forms, the preferred one first.
const FORMATS: &[Format] = &[Format {
    kind: "application/json",
    write: |people, key| {
        let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the room has no JSON");
        serde_json::to_string(&PeopleJson::new(people, key)).map_err(failed)
    },
}];

/// A room in the form that the request prefers.
///
/// # Errors
/// If it accepts none.
pub(crate) fn answer(
    people: &People,
    key: &ApiKey,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let accept = text(headers, header::ACCEPT).unwrap_or("*/*");
    let format = choose(accept).ok_or_else(|| {
        let kinds: Vec<_> = FORMATS.iter().map(|format| format.kind).collect();
        let detail = format!("a room is given as {}; accept one of these", kinds.join(", "));
        Problem::new(StatusCode::NOT_ACCEPTABLE, detail)
    })?;
    let kind = [(header::CONTENT_TYPE, format.kind)];
    Ok((kind, (format.write)(people, key)?).into_response())
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
        assert!(choose("text/html").is_none() && choose("text/html, */*;q=0.1").is_some());
    }
}
