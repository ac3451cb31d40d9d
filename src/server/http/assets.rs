//! The page: built into the program, or read from a directory while somebody works on it.

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

/// The codings of a built file beside its plain bytes, and how their names end.
const CODED: [(Coding, &str); 2] = [(Coding::Brotli, ".br"), (Coding::Gzip, ".gz")];

/// Said in place of the page if it was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>GPyS</title><h1>The page was not built</h1>\
    <p>This server runs, but it was built without its page. In the project's directory run \
    <code>npm ci</code> and <code>npm run build</code> in <code>web/</code>, then build the \
    server again; <code>./scripts/run</code> does all of it.</p></html>";
/// The map, which every room has.
pub(crate) const PAGE: &str = "index.html";
/// The benchmark that runs in a browser.
pub(crate) const BENCH_PAGE: &str = "bench.html";

/// Vite names what is in this directory after its content, so it never changes.
const HASHED: &str = "assets/";
/// What the name of a worker's script has in it. It runs under the headers that its file came
/// with, and these follow the settings: it is asked for each time.
const WORKER: &str = "worker";

/// One coding of a file.
#[derive(Clone, Debug)]
struct Form {
    bytes: Bytes,
    validators: Validators,
}

/// A file in all its codings; the plain one is always there.
type Forms = HashMap<Coding, Form>;

/// The files of a page that is built into a program. What an response needs is worked out once, so
/// that a request costs no hashing and no compressing.
#[derive(Clone, Debug, Default)]
pub struct Page(Arc<HashMap<String, Forms>>);

impl Page {
    /// From paths without a slash in front, and what is at them. `NAME.br` and `NAME.gz` are the
    /// codings of `NAME`.
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
        // Of these bytes, so that each coding has a tag of its own.
        let hash = digest(&SHA256, &bytes);
        let hash: String =
            hash.as_ref().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let etag = HeaderValue::try_from(format!("\"{hash}\"")).ok()?;
        Some(Self { bytes, validators: Validators { etag, modified: None } })
    }
}

/// Where the page's files come from.
#[derive(Clone, Debug)]
pub(crate) enum Assets {
    /// From this program.
    Built(Page),
    /// From a directory, read anew for every request.
    Directory(PathBuf, Files),
}

impl Assets {
    /// One of the pages.
    pub(crate) async fn page(
        &self,
        path: &'static str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Response {
        let found = self.find(path, method, headers).await;
        found.unwrap_or_else(|| words(StatusCode::SERVICE_UNAVAILABLE, NOT_BUILT))
    }

    /// The file at this path, which has no slash in front.
    pub(crate) async fn file(&self, path: &str, method: &Method, headers: &HeaderMap) -> Response {
        let nothing = "<!doctype html><title>Not found</title>";
        let found = self.find(path, method, headers).await;
        found.unwrap_or_else(|| words(StatusCode::NOT_FOUND, nothing))
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

/// The path, if it stays inside the directory that it is joined to.
fn inside(path: &str) -> Option<&Path> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

fn respond(path: &str, forms: &Forms, headers: &HeaderMap) -> Response {
    let vary = (header::VARY, HeaderValue::from_static("accept-encoding"));
    let Some(coding) = choose(headers, forms.keys().copied()) else {
        let codings =
            "this comes as br, gzip or identity, and the request takes none of what there is\n";
        return (StatusCode::NOT_ACCEPTABLE, [vary], codings).into_response();
    };
    let Form { bytes, validators } = &forms[&coding];
    let (status, body) = match validators.judge(headers) {
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

fn words(status: StatusCode, page: &'static str) -> Response {
    let mut response = Response::new(page.into());
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
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
    async fn a_directory_is_served_and_nothing_outside_it() {
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

    fn asked(path: &str, fields: &[(header::HeaderName, &'static str)]) -> Response {
        let plain = (Coding::Identity, form("plain"));
        let forms = Forms::from([plain, (Coding::Gzip, form("gz")), (Coding::Brotli, form("br"))]);
        let fields = fields.iter().cloned();
        respond(path, &forms, &fields.map(|(name, it)| (name, it.parse().unwrap())).collect())
    }

    #[test]
    fn what_is_named_after_its_content_is_kept_for_ever() {
        let caching = |path| asked(path, &[]).headers()[header::CACHE_CONTROL].clone();
        assert!(caching("assets/index-1.js").to_str().unwrap().contains("immutable"));
        assert_eq!(caching("index.html"), "no-cache");
        assert_eq!(caching("assets/map-worker-1.js"), "no-cache", "its headers may change");
    }

    #[test]
    fn each_coding_is_an_answer_of_its_own() {
        let encoding = header::ACCEPT_ENCODING;
        for (wish, name, etag) in [
            ("identity", None, "\"plain\""),
            ("gzip", Some("gzip"), "\"gz\""),
            ("br", Some("br"), "\"br\""),
        ] {
            let response = asked("assets/a.js", &[(encoding.clone(), wish)]);
            let named = response.headers().get(header::CONTENT_ENCODING);
            assert_eq!(named.map(|it| it.to_str().unwrap()), name);
            assert_eq!(response.headers()[header::ETAG], etag);
            assert_eq!(response.headers()[header::VARY], "accept-encoding");
            let known = (header::IF_NONE_MATCH, "\"br\"");
            let again = asked("assets/a.js", &[(encoding.clone(), wish), known]);
            let expected = if wish == "br" { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
            assert_eq!(again.status(), expected, "{wish}");
            assert_eq!(again.headers()[header::ETAG], etag);
            assert_eq!(again.headers()[header::VARY], "accept-encoding");
        }
        let none = asked("assets/a.js", &[(encoding, "identity;q=0")]);
        assert_eq!(none.status(), StatusCode::NOT_ACCEPTABLE);
    }
}
