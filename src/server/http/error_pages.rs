//! Error pages for addresses that lead nowhere.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use ring::digest::{SHA256, digest};

use axum::response::Response;
use gpys_proto::wire::is_room_name;

/// Maximum length of a room's name, in characters.
const LONGEST: usize = 64;

/// Inline, so that the pages look right even where no other file loads.
const STYLE: &str = ":root{color-scheme:light dark;font:1.1rem/1.5 system-ui,sans-serif}\
    body{max-width:34rem;margin:0 auto;padding:12vh 1.25rem 2rem}\
    h1{font-size:1.6rem;line-height:1.2}\
    input,button{font:inherit;min-height:3rem;padding:0 .8rem;border-radius:.5rem;\
    border:1px solid GrayText}\
    form{display:flex;flex-wrap:wrap;gap:.5rem;align-items:end}\
    label{display:grid;flex:1 1 12rem}\
    button{background:#ffcc1f;color:#1c1400;border-color:#7a5600;cursor:pointer}\
    small{opacity:.8}";

/// A policy that allows only that style and the form.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'"
    );
    policy.try_into().ok()
});

const FORM: &str = "<form action=\"/r\"><label>Name of a room <input name=\"room\" required \
    maxlength=\"64\" autocapitalize=\"none\" autocomplete=\"off\" spellcheck=\"false\" \
    placeholder=\"my-room\"></label><button>Go to the room</button></form>\
    <p>Or meet everybody in the <a href=\"/\">lobby</a>.</p>";

/// The page for an unknown address.
pub(super) fn not_found() -> Response {
    let hint = "<p>The address may be cut off or mistyped. Rooms are at \
        <code>/r/</code> followed by their name.</p>";
    let operators = "<p><small>Do you run this server behind a proxy? Give GPyS its own host \
        name: it cannot run below a path.</small></p>";
    page("There is no page here", &format!("{hint}{FORM}{operators}"))
}

/// The page for an invalid room name.
pub(super) fn no_such_room(name: &str) -> Response {
    let meant = suggested(name);
    let meant = meant.map(|name| format!(" Did you mean <a href=\"/r/{name}\">{name}</a>?"));
    let hint = format!(
        "<p>A room's name has 1 to 64 characters: a-z, 0-9 and -.{}</p>{FORM}",
        meant.unwrap_or_default()
    );
    page("No such room", &hint)
}

/// The valid room name closest to what the user typed, if there is one.
pub(super) fn suggested(text: &str) -> Option<String> {
    let text = text.to_lowercase();
    let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    let mut name = parts.join("-");
    name.truncate(LONGEST);
    Some(name.trim_end_matches('-').to_owned()).filter(|name| is_room_name(name))
}

/// Renders a page; `body` is HTML and must contain no unescaped input.
fn page(title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title} - GPyS</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>"
    );
    let mut response = Response::new(html.into());
    *response.status_mut() = StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(policy) = POLICY.clone() {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_a_valid_name_for_what_people_type() {
        assert_eq!(suggested("My Room!").as_deref(), Some("my-room"));
        assert_eq!(suggested("  --Party__2 ").as_deref(), Some("party-2"));
        assert_eq!(suggested("\"><script>").as_deref(), Some("script"));
        assert_eq!(suggested(&"ab ".repeat(40)).map(|name| name.len()), Some(64));
        assert_eq!(suggested("\u{6771}\u{4eac}"), None);
        assert_eq!(suggested("-/-"), None);
    }
}
