//! The headers that every answer has, above all what the page may load.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

use crate::config::Tiles;
use crate::http::request_info::RequestInfo;
use crate::http::site::Site;

/// What the page may load and whom it may talk to; web/README.md says what it needs. `{connect}`
/// are this server's addresses for sessions. A map's style needs its own host and others `{map}`,
/// and its pictures `{images}` come as blobs.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    worker-src 'self'; img-src 'self' data:{images}; connect-src 'self'{connect}{map}; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Headers that every answer has, beside the policy above.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // There are tile servers that ask where a page comes from. They are told its host alone: a
    // path names a room.
    (header::REFERRER_POLICY, "strict-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "geolocation=(self), accelerometer=(self), gyroscope=(self), magnetometer=(self)",
    ),
];

impl Site {
    /// The content security policy of an answer to this request.
    fn policy(&self, info: Option<&RequestInfo>) -> String {
        let host = info.and_then(|info| info.host.as_ref());
        let connect = self.reach.sources(host, info.and_then(|info| info.secure));
        let map: String = self.map.hosts.iter().map(|host| format!(" {host}")).collect();
        let raster = self.map.file.as_ref().is_some_and(|file| file.tiles == Tiles::Raster);
        let pictures = raster || !map.is_empty();
        let images = if pictures { format!(" blob:{map}") } else { String::new() };
        let policy = CONTENT_SECURITY_POLICY.replace("{connect}", &connect);
        policy.replace("{map}", &map).replace("{images}", &images)
    }
}

/// Adds the headers that every answer has, and counts the answer.
pub(super) async fn finish(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    site.context.metrics.answered(response.status());
    let policy = site.policy(response.extensions().get::<RequestInfo>());
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
