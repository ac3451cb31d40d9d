//! The page: built into the program, or read from a directory while somebody works on it.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use rust_embed::RustEmbed;

/// The page as it was built when this program was; empty if it was not built before.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Built;

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

/// An answer without the headers that every answer has.
pub(crate) type Answer = http::Response<axum::body::Body>;

/// Where the page's files come from.
#[derive(Clone, Debug)]
pub(crate) enum Assets {
    /// From this program.
    Built,
    /// From a directory, read anew for every request.
    Directory(PathBuf),
}

struct File {
    bytes: Bytes,
    etag: Option<HeaderValue>,
}

impl Assets {
    /// One of the pages.
    pub(crate) async fn page(&self, path: &'static str, known: Option<&HeaderValue>) -> Answer {
        match self.find(path).await {
            Some(file) => respond(path, file, known),
            None => words(StatusCode::SERVICE_UNAVAILABLE, NOT_BUILT),
        }
    }

    /// The file at this path, which has no slash in front.
    pub(crate) async fn file(&self, path: &str, known: Option<&HeaderValue>) -> Answer {
        match self.find(path).await {
            Some(file) => respond(path, file, known),
            None => words(StatusCode::NOT_FOUND, "<!doctype html><title>Not found</title>"),
        }
    }

    async fn find(&self, path: &str) -> Option<File> {
        match self {
            Self::Built => {
                let file = Built::get(path)?;
                let hash = file.metadata.sha256_hash();
                let etag: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
                let bytes = match file.data {
                    Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                    Cow::Owned(bytes) => bytes.into(),
                };
                // Weak, because the answer may be compressed on its way.
                let etag = HeaderValue::try_from(format!("W/\"{etag}\"")).ok();
                Some(File { bytes, etag })
            }
            Self::Directory(root) => {
                let bytes = tokio::fs::read(root.join(inside(path)?)).await.ok()?.into();
                Some(File { bytes, etag: None })
            }
        }
    }
}

/// The path, if it stays inside the directory that it is joined to.
fn inside(path: &str) -> Option<&Path> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

fn respond(path: &str, file: File, known: Option<&HeaderValue>) -> Answer {
    let immutable = path.starts_with(HASHED) && file.etag.is_some();
    let caching = if immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let same = file.etag.is_some() && file.etag.as_ref() == known;
    let status = if same { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let body = if same { Bytes::new() } else { file.bytes };
    let mut answer = Answer::new(body.into());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Some(etag) = file.etag {
        headers.insert(header::ETAG, etag);
    }
    answer
}

fn words(status: StatusCode, page: &'static str) -> Answer {
    let mut answer = Answer::new(page.into());
    *answer.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, html);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
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

    #[tokio::test]
    async fn a_directory_is_served_and_nothing_outside_it() {
        let root = tempfile::tempdir().unwrap();
        let web = root.path().join("web");
        std::fs::create_dir_all(web.join("assets")).unwrap();
        std::fs::write(web.join("assets/a.js"), "a").unwrap();
        std::fs::write(root.path().join("secret"), "s").unwrap();
        let assets = Assets::Directory(web);
        let good = assets.file("assets/a.js", None).await;
        assert_eq!(good.status(), StatusCode::OK);
        assert_eq!(good.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(good.headers()[header::CACHE_CONTROL], "no-cache", "it may change");
        for outside in ["../secret", "assets/../../secret", "/etc/hostname", "./../secret"] {
            assert_eq!(assets.file(outside, None).await.status(), StatusCode::NOT_FOUND);
        }
        assert_eq!(assets.page(PAGE, None).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn what_is_named_after_its_content_is_kept_for_ever() {
        let etag = HeaderValue::from_static("W/\"1\"");
        let file = || File { bytes: Bytes::from_static(b"a"), etag: Some(etag.clone()) };
        let hashed = respond("assets/index-1.js", file(), None);
        assert!(hashed.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        let index = respond("index.html", file(), None);
        assert_eq!(index.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(respond("index.html", file(), Some(&etag)).status(), StatusCode::NOT_MODIFIED);
    }
}
