//! Headers of every response, above all the Content-Security-Policy.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

use crate::config::Tiles;
use crate::http::request_info::RequestInfo;
use crate::http::site::Site;

/// What the page may load and connect to; web/README.md lists what it needs. `{connect}` stands for
/// this server's session addresses, `{map}` for the hosts of the map's style and its sources, and
/// `{images}` for the sources of its pictures, which come as blobs.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    worker-src 'self'; manifest-src 'self'; img-src 'self' data:{images}; connect-src 'self'{connect}{map}; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The other headers of every response.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Some tile servers require a referrer. They get the host alone, because a path names a room.
    (header::REFERRER_POLICY, "strict-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "geolocation=(self), accelerometer=(self), gyroscope=(self), magnetometer=(self)",
    ),
];

impl Site {
    /// The Content-Security-Policy of the response to this request.
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

/// Middleware that adds the headers of every response and counts the response.
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
    // An error page sets a stricter policy of its own.
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    }
    response
}
