//! Errors as `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::handle::HandleError;
use crate::room::order::Unreached;
use crate::room::thing::NotPut;
use gpys_proto::world::{PutError, TOO_MUCH};

/// The media type of problems.
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request had no effect, and what to do about it.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) detail: Cow<'static, str>,
    /// A header that the status calls for.
    field: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this status.
    pub(crate) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), field: None }
    }

    /// A value that cannot be meant so.
    pub(crate) fn wrong(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// Nothing is there.
    pub(crate) fn nothing(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The key does not allow it.
    pub(crate) fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// There is no valid key.
    pub(crate) fn unauthorized(detail: &'static str) -> Self {
        // The second for programs that ask their users for a password.
        let challenge = HeaderValue::from_static("Bearer realm=\"gpys\", Basic realm=\"gpys\"");
        let field = Some((header::WWW_AUTHENTICATE, challenge));
        Self { field, ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }

    /// There is no such form of it.
    pub(crate) fn not_acceptable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, detail)
    }

    /// Too much of it; a second later there is room again.
    pub(crate) fn too_fast(detail: impl Into<Cow<'static, str>>) -> Self {
        let field = Some((header::RETRY_AFTER, HeaderValue::from_static("1")));
        Self { field, ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, detail, field } = self;
        let body = json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": detail,
        });
        let kind = [(header::CONTENT_TYPE, PROBLEM)];
        let mut response = (status, kind, body.to_string()).into_response();
        response.headers_mut().extend(field);
        response
    }
}

impl From<Unreached> for Problem {
    fn from(error: Unreached) -> Self {
        let detail = error.to_string();
        match error {
            Unreached::NoRoom => Self::nothing(detail),
            _ => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail),
        }
    }
}

impl From<NotPut> for Problem {
    fn from(error: NotPut) -> Self {
        let detail = error.to_string();
        match error {
            NotPut::Room(PutError::TooFast | PutError::TooMuchNews) => Self::too_fast(detail),
            NotPut::Room(PutError::Full(_) | PutError::Removed | PutError::Ended) => {
                Self::new(StatusCode::CONFLICT, detail)
            }
            NotPut::Room(PutError::Numbers) | NotPut::Stopping => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            }
            _ => Self::wrong(detail),
        }
    }
}

impl From<HandleError> for Problem {
    fn from(error: HandleError) -> Self {
        match error {
            HandleError::Unreached(error) => error.into(),
            HandleError::NotPut(error) => error.into(),
            HandleError::Nobody => Self::nothing(error.to_string()),
            HandleError::Name | HandleError::Say(_) => Self::wrong(error.to_string()),
            HandleError::Unheard(TOO_MUCH) => Self::too_fast(TOO_MUCH),
            HandleError::Unheard(reason) => Self::nothing(reason),
        }
    }
}
