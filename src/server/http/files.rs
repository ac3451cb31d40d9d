//! Responses from local files: whole or in ranges, read piece by piece.

use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind, Read as _, Result, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::http::responses::{PIECE, Part, Validators, Verdict, requested_part};
use crate::metrics::{Limit, Metrics};

/// Maximum number of file responses at once. Each holds one piece: 64 MiB in all.
const RESPONSES: usize = 1_024;
/// Maximum number of reads at once, each on a blocking thread.
const READS: usize = 8;
/// How long a request waits for its turn while all responses are taken.
const TURN: Duration = Duration::from_secs(10);

/// Serves files, with a bounded number of responses and reads at once.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    responses: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    turn: Duration,
    metrics: Arc<Metrics>,
}

/// An open file.
struct Opened {
    file: File,
    length: u64,
    validators: Validators,
}

impl Files {
    /// Creates a file service with nothing in progress.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        let (responses, reads) = (Semaphore::new(RESPONSES), Semaphore::new(READS));
        Self { responses: Arc::new(responses), reads: Arc::new(reads), turn: TURN, metrics }
    }

    /// Responds to a GET or HEAD with the file, or with the part that is requested.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub(crate) async fn respond(
        &self,
        path: PathBuf,
        content_type: &'static str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response> {
        let Ok(Ok(permit)) = timeout(self.turn, Arc::clone(&self.responses).acquire_owned()).await
        else {
            self.metrics.hit(Limit::FileAnswers);
            let later = [(header::RETRY_AFTER, "10")];
            let reason = "too many files are being read; try again in a moment\n";
            return Ok((StatusCode::SERVICE_UNAVAILABLE, later, reason).into_response());
        };
        let Opened { file, length, validators } = self.blocking(move || open(&path)).await?;
        let mut response = match validators.evaluate(headers) {
            Verdict::NotModified => (StatusCode::NOT_MODIFIED, ()).into_response(),
            Verdict::Failed => {
                (StatusCode::PRECONDITION_FAILED, "the file has changed\n").into_response()
            }
            Verdict::Send => {
                // Only GET has ranges (RFC 9110, section 14.2).
                let ranged = method == Method::GET && validators.fits_part(headers);
                let part = if ranged { requested_part(headers, length) } else { Part::Whole };
                self.send(file, part, length, method, permit)
            }
        };
        let sends = matches!(response.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT);
        let headers = response.headers_mut();
        if sends {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        validators.add_to(headers);
        Ok(response)
    }

    fn send(
        &self,
        file: File,
        part: Part,
        length: u64,
        method: &Method,
        permit: OwnedSemaphorePermit,
    ) -> Response {
        let (status, first, last) = match part {
            Part::Beyond => {
                let range = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
                let reason = format!("the file has {length} bytes\n");
                return (StatusCode::RANGE_NOT_SATISFIABLE, range, reason).into_response();
            }
            Part::Whole => (StatusCode::OK, 0, length.checked_sub(1)),
            Part::Bytes(first, last) => (StatusCode::PARTIAL_CONTENT, first, Some(last)),
        };
        let count = last.map_or(0, |last| last - first + 1);
        let body = if method == Method::HEAD {
            Body::empty()
        } else {
            Body::from_stream(self.pieces(file, first, count, permit))
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, count.into());
        if let (Part::Bytes(..), Some(last)) = (part, last)
            && let Ok(range) = HeaderValue::try_from(format!("bytes {first}-{last}/{length}"))
        {
            headers.insert(header::CONTENT_RANGE, range);
        }
        response
    }

    /// Reads `count` bytes from `first` on, a piece each time the connection has taken the last. A
    /// file that has shrunk ends the connection, because the response cannot be completed.
    fn pieces(
        &self,
        file: File,
        first: u64,
        count: u64,
        permit: OwnedSemaphorePermit,
    ) -> impl Stream<Item = Result<Bytes>> + use<> {
        let files = self.clone();
        stream::try_unfold((file, first, count, permit), move |(file, at, left, permit)| {
            let files = files.clone();
            async move {
                let length = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
                if length == 0 {
                    return Ok(None);
                }
                let (file, piece) = files.blocking(move || read(file, at, length)).await?;
                let length = length as u64;
                Ok(Some((piece, (file, at + length, left - length, permit))))
            }
        })
    }

    /// Runs `work` on a blocking thread, as soon as one is free.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = Arc::clone(&self.reads).acquire_owned().await.map_err(Error::other)?;
        let working = spawn_blocking(move || {
            // Held until the work is done, even if the request is gone by then.
            let _turn = turn;
            work()
        });
        working.await.map_err(Error::other)?
    }
}

fn open(path: &PathBuf) -> Result<Opened> {
    // Checked first, because opening a pipe waits for a writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(Error::new(ErrorKind::NotFound, "not a regular file"));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let modified = metadata.modified().ok();
    let etag = HeaderValue::try_from(entity_tag(&metadata, modified)).map_err(Error::other)?;
    Ok(Opened { file, length: metadata.len(), validators: Validators { etag, modified } })
}

/// An entity tag that changes whenever the file is replaced or written to.
fn entity_tag(metadata: &Metadata, modified: Option<SystemTime>) -> String {
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let number = 0;
    let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("\"{:x}-{:x}-{number:x}\"", since.as_nanos(), metadata.len())
}

fn read(mut file: File, at: u64, length: usize) -> Result<(File, Bytes)> {
    let mut piece = vec![0; length];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut piece)?;
    Ok((file, piece.into()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use http_body_util::BodyExt as _;

    use super::*;

    struct Fixture {
        files: Files,
        map: tempfile::NamedTempFile,
    }

    impl Fixture {
        fn with(bytes: &[u8]) -> Self {
            let mut map = tempfile::NamedTempFile::new().unwrap();
            map.write_all(bytes).unwrap();
            Self { files: Files::new(Metrics::new()), map }
        }

        async fn request(&self, method: Method, fields: &[(header::HeaderName, &str)]) -> Response {
            let fields = fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
            let headers: HeaderMap = fields.collect();
            let path = self.map.path().to_owned();
            self.files.respond(path, "text/plain", &method, &headers).await.unwrap()
        }

        async fn get(&self, range: &str) -> (StatusCode, String, Bytes) {
            let response = self.request(Method::GET, &[(header::RANGE, range)]).await;
            let range = response.headers().get(header::CONTENT_RANGE);
            let range = range.map_or("", |range| range.to_str().unwrap()).to_owned();
            (response.status(), range, response.into_body().collect().await.unwrap().to_bytes())
        }
    }

    #[tokio::test]
    async fn sends_the_requested_range() {
        let bytes: Vec<u8> = (0..3 * PIECE + 5).map(|number| (number % 251) as u8).collect();
        let (fixture, length) = (Fixture::with(&bytes), bytes.len());
        for (range, first, last) in [
            ("bytes=0-9", 0, 9),
            ("bytes=-5", length - 5, length - 1),
            ("bytes=7-", 7, length - 1),
            ("bytes=65535-200000000", 65_535, length - 1),
        ] {
            let (status, content_range, part) = fixture.get(range).await;
            assert_eq!(status, StatusCode::PARTIAL_CONTENT, "{range}");
            assert_eq!(content_range, format!("bytes {first}-{last}/{length}"), "{range}");
            assert_eq!(part, &bytes[first..=last], "{range}");
        }
        for whole in ["bytes=0-1,3-4", "lines=1-2"] {
            assert_eq!(
                fixture.get(whole).await,
                (StatusCode::OK, String::new(), bytes.clone().into())
            );
        }
        let (status, range, _) = fixture.get(&format!("bytes={length}-")).await;
        assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(range, format!("bytes */{length}"));
    }

    #[tokio::test]
    async fn a_head_describes_the_file() {
        let fixture = Fixture::with(b"a map");
        let response = fixture.request(Method::HEAD, &[(header::RANGE, "bytes=0-1")]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "5");
        assert_eq!(response.headers()[header::ACCEPT_RANGES], "bytes");
        assert!(response.headers().contains_key(header::LAST_MODIFIED));
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }

    #[tokio::test]
    async fn a_replaced_file_is_a_new_version() {
        let fixture = Fixture::with(b"one map");
        let first = fixture.request(Method::GET, &[]).await.headers()[header::ETAG].clone();
        let known = first.to_str().unwrap();
        let same = fixture.request(Method::GET, &[(header::IF_NONE_MATCH, known)]).await;
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(same.headers()[header::ETAG], first);
        let replacement = fixture.map.path().with_extension("new");
        std::fs::write(&replacement, b"two map").unwrap();
        std::fs::rename(&replacement, fixture.map.path()).unwrap();
        let other = fixture.request(Method::GET, &[(header::IF_NONE_MATCH, known)]).await;
        assert_eq!(other.status(), StatusCode::OK);
        assert_ne!(other.headers()[header::ETAG], first);
        let (range, condition) = ((header::RANGE, "bytes=0-2"), (header::IF_RANGE, known));
        let response = fixture.request(Method::GET, &[range, condition]).await;
        assert_eq!(response.status(), StatusCode::OK, "a part of another version is useless");
        let failed = fixture.request(Method::GET, &[(header::IF_MATCH, known)]).await;
        assert_eq!(failed.status(), StatusCode::PRECONDITION_FAILED);
    }

    #[tokio::test]
    async fn a_file_that_shrinks_ends_the_response_with_an_error() {
        let fixture = Fixture::with(&vec![7; 3 * PIECE]);
        let mut body = fixture.request(Method::GET, &[]).await.into_body();
        body.frame().await.unwrap().unwrap();
        fixture.map.as_file().set_len(PIECE as u64 + 10).unwrap();
        assert!(body.frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn limits_concurrent_responses() {
        let mut fixture = Fixture::with(b"a map");
        fixture.files.turn = Duration::from_millis(10);
        let mut held = Vec::new();
        for _ in 0..RESPONSES {
            held.push(fixture.request(Method::GET, &[]).await);
        }
        let refused = fixture.request(Method::GET, &[]).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(fixture.files.metrics.hits(Limit::FileAnswers), 1);
        held.pop();
        assert_eq!(fixture.request(Method::GET, &[]).await.status(), StatusCode::OK);
    }
}
