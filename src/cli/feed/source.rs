//! Where GTFS-realtime comes from: a URL, which is asked only for what is new, or a file.

use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderName, Request, StatusCode, header};
use http_body_util::Full;
use url::Url;

use crate::cli::feed::gtfs::{FeedFormatError, Vehicles};
use crate::cli::feed::http::{Answer, Host, HttpError};
use gpys_client::ConnectError;

/// Longest feed to read, in bytes: 10,000 vehicles take some 2 MB.
const MAX_FEED: usize = 32 * 1024 * 1024;
/// Most addresses that lead on to another one.
const REDIRECTS: usize = 5;

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No source is given, or it is over.
    #[error("there is no source; give --gtfs-rt or --gpsd")]
    None,
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: std::io::Error,
    },
    /// The URL is none.
    #[error("{0} is neither a file nor an http or https address")]
    Url(String),
    /// The source cannot be reached.
    #[error("cannot get {source_name}: {reason}")]
    Http {
        /// The address, without its query, which may hold a key.
        source_name: String,
        /// The reason.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answers otherwise.
    #[error("{source_name} answers {status}; check the address and the key in it")]
    Status {
        /// The address, without its query.
        source_name: String,
        /// The status.
        status: StatusCode,
    },
    /// It leads on and on, or from https to http.
    #[error("{0} leads on to an address that is not followed; name the last one")]
    Redirect(String),
    /// What it has is no feed.
    #[error("{source_name} has no vehicle positions: {reason}")]
    Format {
        /// The file, or the address without its query.
        source_name: String,
        /// The reason.
        reason: String,
    },
}

impl SourceError {
    /// Whether it would be so at the next attempt, too.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::None | Self::Url(_) | Self::Redirect(_))
    }
}

/// A source of GTFS-realtime.
#[derive(Debug)]
pub(super) enum Source {
    /// A file, read anew each time.
    File(PathBuf),
    /// A URL.
    Web(Box<Web>),
}

/// A URL, and what it had.
#[derive(Debug)]
pub(super) struct Web {
    url: Url,
    host: Host,
    validators: Vec<(HeaderName, String)>,
    latest: Vehicles,
}

impl Source {
    /// The source of this name.
    ///
    /// # Errors
    /// If it is neither a file nor a URL.
    pub(super) fn new(name: &str) -> Result<Self, SourceError> {
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https");
        match Url::parse(name).ok().filter(is_web) {
            Some(url) => Ok(Self::Web(Box::new(Web::new(url)?))),
            None if name.contains("://") => Err(SourceError::Url(plain(name))),
            None => Ok(Self::File(PathBuf::from(name))),
        }
    }

    /// The vehicles that the source has now.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) async fn read(&mut self) -> Result<Vehicles, SourceError> {
        match self {
            Self::File(file) => {
                let bytes = tokio::fs::read(&*file).await;
                let bytes =
                    bytes.map_err(|reason| SourceError::File { file: file.clone(), reason })?;
                Vehicles::read(&bytes).map_err(|error| format(file.display().to_string(), &error))
            }
            Self::Web(web) => web.read().await,
        }
    }
}

fn format(source_name: String, error: &FeedFormatError) -> SourceError {
    SourceError::Format { source_name, reason: error.to_string() }
}

/// An address without its query, which may hold a key.
fn plain(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

impl Web {
    fn new(url: Url) -> Result<Self, SourceError> {
        let host = host(&url)?;
        Ok(Self { url, host, validators: Vec::new(), latest: Vehicles::default() })
    }

    async fn read(&mut self) -> Result<Vehicles, SourceError> {
        let name = plain(self.url.as_str());
        let answer = self.get().await?;
        match answer.status {
            StatusCode::OK => {}
            // They are put again, so that they stay while the source has nothing new.
            StatusCode::NOT_MODIFIED => return Ok(self.latest.clone()),
            status => return Err(SourceError::Status { source_name: name, status }),
        }
        self.latest = Vehicles::read(&answer.body).map_err(|error| format(name, &error))?;
        let known = [
            (header::ETAG, header::IF_NONE_MATCH),
            (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE),
        ];
        let validator =
            |(had, asks): (HeaderName, HeaderName)| Some((asks, answer.field(had)?.to_owned()));
        self.validators = known.into_iter().filter_map(validator).collect();
        Ok(self.latest.clone())
    }

    /// Asks for what is new, wherever that leads.
    async fn get(&mut self) -> Result<Answer, SourceError> {
        let mut answer = ask(&mut self.host, &self.url, &self.validators).await?;
        let mut url = self.url.clone();
        for _ in 0..REDIRECTS {
            let leads_on = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
            if !leads_on {
                return Ok(answer);
            }
            let next = answer.field(header::LOCATION).and_then(|to| url.join(to).ok());
            let next = next.filter(|next| next.scheme() == "https" || url.scheme() == "http");
            let Some(next) = next else { break };
            answer = ask(&mut host(&next)?, &next, &self.validators).await?;
            url = next;
        }
        Err(SourceError::Redirect(plain(self.url.as_str())))
    }
}

fn host(url: &Url) -> Result<Host, SourceError> {
    let invalid = |_: ConnectError| SourceError::Url(plain(url.as_str()));
    Host::new(&url[..url::Position::BeforePath]).map_err(invalid)
}

async fn ask(
    host: &mut Host,
    url: &Url,
    validators: &[(HeaderName, String)],
) -> Result<Answer, SourceError> {
    let mut request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery]);
    for (name, value) in validators {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::new()));
    let request = request.map_err(|_| SourceError::Url(plain(url.as_str())))?;
    let failed = |reason: HttpError| SourceError::Http {
        source_name: plain(url.as_str()),
        reason: reason.into(),
    };
    host.send(request, MAX_FEED).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_source_is_explained_without_its_query() {
        assert!(matches!(Source::new("vehicles.pb"), Ok(Source::File(_))));
        assert!(matches!(Source::new("https://x.example/v.pb?key=s3cret"), Ok(Source::Web(_))));
        let error = Source::new("ftp://x.example/v.pb?key=s3cret").unwrap_err();
        assert!(error.is_final() && !error.to_string().contains("s3cret"), "{error}");
        let mut closed = Source::new("http://127.0.0.1:9/v.pb?key=s3cret").unwrap();
        let error = closed.read().await.unwrap_err();
        assert!(!error.is_final() && !error.to_string().contains("s3cret"), "{error}");
        let missing = Source::new("/no/such/file").unwrap().read().await.unwrap_err();
        assert!(missing.to_string().starts_with("cannot read /no/such/file: "), "{missing}");
    }
}
