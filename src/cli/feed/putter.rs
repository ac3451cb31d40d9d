//! Puts things into a room by the server's API (docs/API.md), in batches.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::feed::http::{Answer, Host, HttpError};
use gpys_client::ConnectError;
use gpys_server::terminal::quoted;

/// Most things of a batch, as the API has it.
const BATCH: usize = 1_000;
/// Longest answer: an outcome takes some 300 bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// Why things were not put.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The server's URL is none.
    #[error(transparent)]
    Url(ConnectError),
    /// The key cannot be sent.
    #[error("the key has characters that no key has; use the file that `gpys api-key` filled")]
    Key,
    /// The server cannot be reached.
    #[error(transparent)]
    Http(#[from] Unreached),
    /// The server does not take it.
    #[error("{server} answers {status}{words}")]
    Refused {
        /// Scheme, host and port.
        server: String,
        /// The status.
        status: StatusCode,
        /// The server's explanation behind a colon, or nothing.
        words: String,
    },
    /// The answer is not that of the API.
    #[error("{0} does not answer as the API of GPyS does; check --server and any proxy")]
    Answer(String),
}

/// A server that cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Unreached(HttpError);

impl PutError {
    /// Whether it would be so at the next attempt, too.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Url(_) | Self::Key | Self::Answer(_) => true,
            Self::Http(_) => false,
            Self::Refused { status, .. } => {
                status.is_client_error()
                    && *status != StatusCode::TOO_MANY_REQUESTS
                    && *status != StatusCode::REQUEST_TIMEOUT
            }
        }
    }
}

/// What became of a thing.
#[derive(Debug, Deserialize)]
struct Outcome {
    id: Option<String>,
    status: u16,
    newest: Option<bool>,
    detail: Option<String>,
}

/// An explanation of the API.
#[derive(Debug, Deserialize)]
struct Problem {
    detail: String,
}

/// What became of all things of a look at the source.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    put: usize,
    /// Those whose place is no newer than what the room has.
    old: usize,
    not_put: usize,
    /// The first reason why one was not put.
    reason: Option<String>,
    /// How old the samples are: the median and the oldest.
    ages: Option<(Duration, Duration)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} put", self.put)?;
        if let Some((median, oldest)) = self.ages {
            let [median, oldest] = [median, oldest]
                .map(|age| humantime::format_duration(Duration::from_secs(age.as_secs())));
            write!(f, ", {median} old (median), the oldest {oldest}")?;
        }
        if self.old > 0 {
            write!(f, "; {} older than what the room has", self.old)?;
        }
        if let Some(reason) = &self.reason {
            write!(f, "; {} not put, the first because {reason}", self.not_put)?;
        }
        Ok(())
    }
}

/// Puts things into one room.
#[derive(Debug)]
pub(super) struct Putter {
    host: Host,
    path: String,
    bearer: header::HeaderValue,
}

impl Putter {
    /// Puts into a room of the server at `url` with a key.
    ///
    /// # Errors
    /// If it is no server's URL, or no key.
    pub(super) fn new(url: &str, room: &str, key: &str) -> Result<Self, PutError> {
        let mut bearer =
            header::HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| PutError::Key)?;
        bearer.set_sensitive(true);
        let host = Host::new(url).map_err(PutError::Url)?;
        Ok(Self { host, path: format!("/v1/rooms/{room}/things"), bearer })
    }

    /// Whether nobody on the way to the server can read the key.
    pub(super) fn is_private(&self) -> bool {
        self.host.is_private()
    }

    /// Puts these things.
    ///
    /// # Errors
    /// If the server cannot be reached, or takes none of them.
    pub(super) async fn put(&mut self, things: &[Value]) -> Result<Report, PutError> {
        let mut report = Report { ages: ages(things), ..Report::default() };
        for batch in things.chunks(BATCH) {
            let body = serde_json::to_vec(batch).map_err(|_| self.strange())?;
            let request = Request::post(&self.path)
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::AUTHORIZATION, self.bearer.clone())
                .body(Full::new(Bytes::from(body)))
                .map_err(|_| self.strange())?;
            let answer = self.host.send(request, MAX_ANSWER).await.map_err(Unreached)?;
            if answer.status != StatusCode::OK {
                return Err(self.refused(&answer));
            }
            let outcomes: Vec<Outcome> =
                serde_json::from_slice(&answer.body).map_err(|_| self.strange())?;
            outcomes.into_iter().for_each(|outcome| report.count(outcome));
        }
        Ok(report)
    }

    fn strange(&self) -> PutError {
        PutError::Answer(self.host.base())
    }

    fn refused(&self, answer: &Answer) -> PutError {
        let words = match serde_json::from_slice(&answer.body) {
            Ok(Problem { detail }) => format!(": {}", quoted(&detail)),
            Err(_) if answer.status == StatusCode::NOT_FOUND => {
                ": it has no API; start it with --api-keys, or name its API's own address".into()
            }
            Err(_) => String::new(),
        };
        PutError::Refused { server: self.host.base(), status: answer.status, words }
    }
}

impl Report {
    fn count(&mut self, outcome: Outcome) {
        if matches!(outcome.status, 200 | 201) {
            self.put += 1;
            self.old += usize::from(outcome.newest == Some(false));
            return;
        }
        self.not_put += 1;
        self.reason.get_or_insert_with(|| {
            let reason = outcome.detail.unwrap_or_else(|| format!("of status {}", outcome.status));
            let id = outcome.id.unwrap_or_default();
            format!("{} ({})", quoted(&reason), quoted(&id))
        });
    }
}

/// The median and the largest age of things that have a time, at this computer's clock.
fn ages(things: &[Value]) -> Option<(Duration, Duration)> {
    let now = gpys_server::clock::since_1970();
    let age = |thing: &Value| {
        let time = thing.get("time")?.as_u64()?;
        Some(now.saturating_sub(Duration::from_millis(time)))
    };
    let mut ages: Vec<_> = things.iter().filter_map(age).collect();
    ages.sort_unstable();
    Some((*ages.get(ages.len() / 2)?, *ages.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_and_gives_the_first_reason() {
        let mut report = Report::default();
        let outcomes = r#"[{"id":"a","status":201,"newest":true},
            {"id":"b","status":200,"newest":false},
            {"id":"c","status":409,"detail":"the room is full"},
            {"id":"d","status":422,"detail":"no"}]"#;
        let outcomes: Vec<Outcome> = serde_json::from_str(outcomes).unwrap();
        outcomes.into_iter().for_each(|outcome| report.count(outcome));
        report.ages = Some((Duration::from_millis(12_300), Duration::from_secs(90)));
        assert_eq!(
            report.to_string(),
            "2 put, 12s old (median), the oldest 1m 30s; 1 older than what the room has; 2 not \
             put, the first because the room is full (c)"
        );
    }

    #[test]
    fn only_what_may_change_is_tried_again() {
        let refused =
            |status| PutError::Refused { server: String::new(), status, words: String::new() };
        for (status, is_final) in [
            (StatusCode::UNAUTHORIZED, true),
            (StatusCode::NOT_FOUND, true),
            (StatusCode::TOO_MANY_REQUESTS, false),
            (StatusCode::SERVICE_UNAVAILABLE, false),
        ] {
            assert_eq!(refused(status).is_final(), is_final, "{status}");
        }
        assert!(Putter::new("localhost", "city", "k").unwrap_err().is_final());
        assert!(matches!(Putter::new("https://x", "city", "\n"), Err(PutError::Key)));
        assert!(Putter::new("http://localhost:80", "city", "k").unwrap().is_private());
        assert!(!Putter::new("http://gpys.example", "city", "k").unwrap().is_private());
    }
}
