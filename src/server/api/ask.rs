//! What every request passes: its key, how fast requests come, and how its parts are read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::time::timeout;

use crate::api::keys::{ApiKey, REQUESTS};
use crate::api::problem::Problem;
use crate::api::state::{Api, MAX_BODIES};
use crate::metrics::{ApiRefusal, Limit};

/// Longest body of a request, in bytes: a batch of things with a kilobyte each.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The key of a request.
pub(crate) type Caller = axum::Extension<Arc<ApiKey>>;

/// Middleware that lets requests with a key pass, and attaches what it allows.
pub(crate) async fn authorize(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    match api.key_of(request.method(), request.headers()) {
        Ok(key) => {
            request.extensions_mut().insert(key);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Middleware that keeps answers out of caches, and counts those that a key did not allow.
pub(crate) async fn finish(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status() == StatusCode::FORBIDDEN {
        api.context.metrics.api_refused(ApiRefusal::Right);
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl Api {
    /// The key of a request.
    ///
    /// # Errors
    /// If it has none, one that is not in the file, or one that is used too often.
    fn key_of(&self, method: &Method, headers: &HeaderMap) -> Result<Arc<ApiKey>, Problem> {
        let metrics = &self.context.metrics;
        let mut fields = headers.get_all(header::AUTHORIZATION).into_iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            metrics.api_refused(ApiRefusal::Missing);
            return Err(Problem::unauthorized(
                "send a key of the server's file as \"Authorization: Bearer KEY\"; `gpys api-key` \
                 adds one to it",
            ));
        };
        let field = field.to_str().unwrap_or_default();
        // Programs that only look may be ones that know of passwords alone. Whoever may change
        // something is not a browser, which would send a password along for other sites.
        let password = || basic(field).filter(|_| *method == Method::GET);
        match bearer(field) {
            Some(key) => self.key(key),
            None => self.key(&password().map(|(_, password)| password).unwrap_or_default()),
        }
    }

    /// The key of this text.
    ///
    /// # Errors
    /// If it is not in the file, or is used too often.
    pub(crate) fn key(&self, text: &str) -> Result<Arc<ApiKey>, Problem> {
        let Some(key) = self.keys.get().find(text) else {
            self.context.metrics.api_refused(ApiRefusal::Unknown);
            return Err(Problem::unauthorized(
                "this is no key of the server's file, which is read again within 10 s of a change",
            ));
        };
        self.spend(&key)?;
        Ok(key)
    }

    /// Counts a request with this key.
    ///
    /// # Errors
    /// If there are too many.
    pub(crate) fn spend(&self, key: &ApiKey) -> Result<(), Problem> {
        if key.spend(self.context.clock.now()) {
            return Ok(());
        }
        self.context.metrics.hit(Limit::ApiRequests);
        Err(Problem::too_fast(format!(
            "more than {} requests a second with this key; send things in batches",
            REQUESTS.0
        )))
    }

    /// The bytes of a request's body.
    ///
    /// # Errors
    /// If it is too long, takes too long, or breaks off.
    pub(crate) async fn bytes(&self, body: Body) -> Result<Bytes, Problem> {
        let metrics = &self.context.metrics;
        let Ok(_turn) = self.bodies.try_acquire() else {
            metrics.hit(Limit::ApiBodies);
            return Err(Problem::too_fast(format!(
                "{MAX_BODIES} bodies are on their way already; ask again"
            )));
        };
        match timeout(BODY_TIME, Limited::new(body, MAX_BODY).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                metrics.hit(Limit::ApiBodyBytes);
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                let detail = format!("a body has at most {MAX_BODY} bytes; send smaller batches");
                Err(Problem::new(status, detail))
            }
            Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body broke off")),
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body took longer than {} s", BODY_TIME.as_secs()),
            )),
        }
    }

    /// A request's body, which must be JSON of this form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) async fn json<T: DeserializeOwned>(&self, request: Request) -> Result<T, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send the body as Content-Type: application/json",
            ));
        }
        let bytes = self.bytes(request.into_body()).await?;
        serde_json::from_slice(&bytes).map_err(|error| match error.classify() {
            Category::Data => Problem::wrong(error.to_string()),
            _ => Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}")),
        })
    }
}

/// The names in a request's path.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(names) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the path is not UTF-8"))?;
        Ok(Self(names))
    }
}

/// A request's query.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|error| Problem::wrong(error.body_text()))?;
        Ok(Self(query))
    }
}

/// The text of a header; `None` without it, or if it is no text.
pub(crate) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The key in a header (RFC 6750).
fn bearer(field: &str) -> Option<&str> {
    let (scheme, key) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// The user and the password in a header (RFC 7617).
pub(crate) fn basic(field: &str) -> Option<(String, String)> {
    let (scheme, credentials) = field.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let both = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (user, password) = both.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_keys_and_passwords() {
        assert_eq!(bearer("bearer  key "), Some("key"));
        assert_eq!((bearer("Basic key"), bearer("key")), (None, None));
        // A password may have a colon.
        let both = Some(("ada".to_owned(), "se:cret".to_owned()));
        assert_eq!(basic("Basic YWRhOnNlOmNyZXQ="), both);
        for wrong in ["Basic", "Basic ?", "Basic YWRh", "Bearer YWRhOnNlOmNyZXQ="] {
            assert_eq!(basic(wrong), None, "{wrong}");
        }
    }
}
