//! The headers that every answer has, above all what the page may load.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

use super::asked::Asked;
use super::http::Site;

/// What the page may load and whom it may talk to; web/README.md says what it needs. `{connect}`
/// are this server's addresses for sessions. A map's style needs its own host `{map}`, and its
/// images `{images}` come as blobs.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    worker-src 'self'; img-src 'self' data:{images}; connect-src 'self'{connect}{map}; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Headers that every answer has, beside the policy above.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "geolocation=(self), accelerometer=(self), gyroscope=(self), magnetometer=(self)",
    ),
];

impl Site {
    /// The content security policy of an answer to this request.
    fn policy(&self, asked: Option<&Asked>) -> String {
        let host = asked.and_then(|asked| asked.host.as_ref());
        let connect = self.reach.sources(host, asked.and_then(|asked| asked.secure));
        let map = self.map_style.as_deref().and_then(origin_of);
        let map = map.map(|origin| format!(" {origin}")).unwrap_or_default();
        let images = if map.is_empty() { String::new() } else { format!(" blob:{map}") };
        let policy = CONTENT_SECURITY_POLICY.replace("{connect}", &connect);
        policy.replace("{map}", &map).replace("{images}", &images)
    }
}

/// The origin of an absolute URL.
fn origin_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

/// Adds the headers that every answer has, and counts the answer.
pub(super) async fn finish(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    site.shared.metrics.answered(response.status());
    let policy = site.policy(response.extensions().get::<Asked>());
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page that needs less says so itself.
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    }
    response
}
