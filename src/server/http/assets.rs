//! The page's files: built into the program, or read from a directory during development.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use ring::digest::{SHA256, digest};

use crate::http::files::Files;
use crate::http::responses::{Coding, Validators, Verdict, choose};

/// The codings of a built file besides its plain bytes, and their file extensions.
const CODED: [(Coding, &str); 2] = [(Coding::Brotli, ".br"), (Coding::Gzip, ".gz")];

/// Shown in place of the page if it was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>GPyS</title><h1>The page was not built</h1>\
    <p>This server runs, but it was built without its page. In the project's directory run \
    <code>npm ci</code> and <code>npm run build</code> in <code>web/</code>, then build the \
    server again; <code>./scripts/run</code> does all of it.</p></html>";
/// The map page, the same for every room.
pub(crate) const PAGE: &str = "index.html";
/// The page of the browser benchmark.
pub(crate) const BENCH_PAGE: &str = "bench.html";

/// Vite names the files in this directory by content hash, so they never change.
const HASHED: &str = "assets/";
/// Part of the name of a worker's script. A worker runs under its file's own headers, which depend
/// on the settings, so browsers must revalidate it.
const WORKER: &str = "worker";

/// A file in one coding.
#[derive(Clone, Debug)]
struct Form {
    bytes: Bytes,
    validators: Validators,
}

/// A file in all its codings, always including the plain one.
type Forms = HashMap<Coding, Form>;

/// The files of a page that is built into a program. Hashing and compression are done once, not
/// for each request.
#[derive(Clone, Debug, Default)]
pub struct Page(Arc<HashMap<String, Forms>>);

impl Page {
    /// Builds a page from files, given as paths without a leading slash and content. `NAME.br` and
    /// `NAME.gz` are the codings of `NAME`.
    pub fn new(files: impl IntoIterator<Item = (String, Cow<'static, [u8]>)>) -> Self {
        let mut page: HashMap<String, Forms> = HashMap::new();
        for (path, bytes) in files {
            let coded =
                CODED.iter().find_map(|(coding, end)| Some((*coding, path.strip_suffix(end)?)));
            let (coding, name) = coded.unwrap_or((Coding::Identity, &path));
            if let Some(form) = Form::of(bytes) {
                page.entry(name.to_owned()).or_default().insert(coding, form);
            }
        }
        page.retain(|_, forms| forms.contains_key(&Coding::Identity));
        Self(Arc::new(page))
    }
}

impl Form {
    fn of(bytes: Cow<'static, [u8]>) -> Option<Self> {
        let bytes = match bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        // A hash of the coded bytes, so that each coding has its own tag.
        let hash = digest(&SHA256, &bytes);
        let hash: String =
            hash.as_ref().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let etag = HeaderValue::try_from(format!("\"{hash}\"")).ok()?;
        Some(Self { bytes, validators: Validators { etag, modified: None } })
    }
}

/// The source of the page's files.
#[derive(Clone, Debug)]
pub(crate) enum Assets {
    /// Built into this program.
    Built(Page),
    /// Read from a directory for every request.
    Directory(PathBuf, Files),
}

impl Assets {
    /// Whether there is no page.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Built(Page(files)) if files.is_empty())
    }

    /// Responds with one of the pages.
    pub(crate) async fn page(
        &self,
        path: &'static str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Response {
        let found = self.find(path, method, headers).await;
        found.unwrap_or_else(|| html(StatusCode::SERVICE_UNAVAILABLE, NOT_BUILT))
    }

    /// Responds with the file at this path, which has no leading slash.
    pub(crate) async fn file(&self, path: &str, method: &Method, headers: &HeaderMap) -> Response {
        let nothing = "<!doctype html><title>Not found</title>";
        let found = self.find(path, method, headers).await;
        found.unwrap_or_else(|| html(StatusCode::NOT_FOUND, nothing))
    }

    async fn find(&self, path: &str, method: &Method, headers: &HeaderMap) -> Option<Response> {
        match self {
            Self::Built(page) => Some(respond(path, page.0.get(path)?, headers)),
            Self::Directory(root, files) => {
                let found = root.join(inside(path)?);
                files.respond(found, content_type(path), method, headers).await.ok()
            }
        }
    }
}

/// Returns the path if it stays inside the directory that it is joined to.
fn inside(path: &str) -> Option<&Path> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

fn respond(path: &str, forms: &Forms, headers: &HeaderMap) -> Response {
    let vary = (header::VARY, HeaderValue::from_static("accept-encoding"));
    let Some(coding) = choose(headers, forms.keys().copied()) else {
        let reason = "available codings are br, gzip and identity, and the request accepts none\n";
        return (StatusCode::NOT_ACCEPTABLE, [vary], reason).into_response();
    };
    let Form { bytes, validators } = &forms[&coding];
    let (status, body) = match validators.evaluate(headers) {
        Verdict::Send => (StatusCode::OK, bytes.clone()),
        Verdict::NotModified => (StatusCode::NOT_MODIFIED, Bytes::new()),
        Verdict::Failed => (StatusCode::PRECONDITION_FAILED, Bytes::new()),
    };
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status == StatusCode::OK {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
        if let Some(name) = coding.name() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
    }
    let immutable = path.starts_with(HASHED) && !path.contains(WORKER);
    let caching = if immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.extend([vary]);
    validators.add_to(headers);
    response
}

fn html(status: StatusCode, page: &'static str) -> Response {
    let mut response = Response::new(page.into());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" | "geojson" | "topojson" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    async fn status(assets: &Assets, path: &str) -> StatusCode {
        assets.file(path, &Method::GET, &HeaderMap::new()).await.status()
    }

    #[tokio::test]
    async fn serves_a_directory_and_nothing_outside_it() {
        let root = tempfile::tempdir().unwrap();
        let web = root.path().join("web");
        std::fs::create_dir_all(web.join("assets")).unwrap();
        std::fs::write(web.join("assets/a.js"), "a").unwrap();
        std::fs::write(root.path().join("secret"), "s").unwrap();
        let assets = Assets::Directory(web, Files::new(Metrics::new()));
        let good = assets.file("assets/a.js", &Method::GET, &HeaderMap::new()).await;
        assert_eq!(good.status(), StatusCode::OK);
        assert_eq!(good.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(good.headers()[header::CACHE_CONTROL], "no-cache", "it may change");
        for outside in ["../secret", "assets/../../secret", "/etc/hostname", "./../secret"] {
            assert_eq!(status(&assets, outside).await, StatusCode::NOT_FOUND, "{outside}");
        }
        assert_eq!(status(&assets, "assets").await, StatusCode::NOT_FOUND, "a directory");
        let page = assets.page(PAGE, &Method::GET, &HeaderMap::new()).await;
        assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    fn form(bytes: &'static str) -> Form {
        let etag = HeaderValue::try_from(format!("\"{bytes}\"")).unwrap();
        Form { bytes: bytes.into(), validators: Validators { etag, modified: None } }
    }

    fn get(path: &str, fields: &[(header::HeaderName, &'static str)]) -> Response {
        let plain = (Coding::Identity, form("plain"));
        let forms = Forms::from([plain, (Coding::Gzip, form("gz")), (Coding::Brotli, form("br"))]);
        let fields = fields.iter().cloned();
        respond(path, &forms, &fields.map(|(name, it)| (name, it.parse().unwrap())).collect())
    }

    #[test]
    fn files_named_by_hash_are_cached_for_ever() {
        let caching = |path| get(path, &[]).headers()[header::CACHE_CONTROL].clone();
        assert!(caching("assets/index-1.js").to_str().unwrap().contains("immutable"));
        assert_eq!(caching("index.html"), "no-cache");
        assert_eq!(caching("assets/map-worker-1.js"), "no-cache", "its headers may change");
    }

    #[test]
    fn each_coding_is_a_response_of_its_own() {
        let encoding = header::ACCEPT_ENCODING;
        for (wish, name, etag) in [
            ("identity", None, "\"plain\""),
            ("gzip", Some("gzip"), "\"gz\""),
            ("br", Some("br"), "\"br\""),
        ] {
            let response = get("assets/a.js", &[(encoding.clone(), wish)]);
            let named = response.headers().get(header::CONTENT_ENCODING);
            assert_eq!(named.map(|it| it.to_str().unwrap()), name);
            assert_eq!(response.headers()[header::ETAG], etag);
            assert_eq!(response.headers()[header::VARY], "accept-encoding");
            let known = (header::IF_NONE_MATCH, "\"br\"");
            let again = get("assets/a.js", &[(encoding.clone(), wish), known]);
            let expected = if wish == "br" { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
            assert_eq!(again.status(), expected, "{wish}");
            assert_eq!(again.headers()[header::ETAG], etag);
            assert_eq!(again.headers()[header::VARY], "accept-encoding");
        }
        let none = get("assets/a.js", &[(encoding, "identity;q=0")]);
        assert_eq!(none.status(), StatusCode::NOT_ACCEPTABLE);
    }
}
