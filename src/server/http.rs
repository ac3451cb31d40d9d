//! HTTP routes: the page, its configuration, health checks and WebSocket upgrades.

pub(crate) mod assets;
mod error_pages;
pub(crate) mod files;
mod policy;
pub(crate) mod reach;
pub(crate) mod request_info;
mod responses;
mod site;
mod upgrade;

pub use self::assets::Page;
pub(crate) use self::site::Site;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, Path, Query, Request, State};
use axum::middleware;
use axum::response::{IntoResponse, Json, Redirect, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api;
use crate::context::ServerContext;
use crate::host::{Host, Origin};
use crate::http::assets::{BENCH_PAGE, PAGE};
use crate::http::reach::Addresses;
use crate::http::request_info::{Forwarded, Refusal, RequestInfo};
use crate::http::responses::{Flow, pace};
use crate::limits::origin::Addressed;
use crate::lock::lock;
use crate::metrics::Failure;
use crate::websocket;
use gpys_proto::wire::{VERSION, is_room_name};

/// The server's own paths, besides those of a page: no other page can be there.
pub const PATHS: [&str; 5] = ["/config.json", "/healthz", "/readyz", "/ws", "/map.pmtiles"];
/// The paths of the server's page, besides its files.
pub const PAGE_PATHS: [&str; 8] =
    ["/", "/r", "/r/", "/r/{name}", "/r/{name}/", "/r/{name}/screen", "/bench", "/bench/"];

/// The program's own pages are at paths of the server.
#[derive(Debug, thiserror::Error)]
#[error(
    "a page of the program is where the server has its own: {wrong}. The server's paths are \
     {} and, if it has a page, {} and a fallback; move yours, or serve no page of the server's",
    PATHS.join(", "),
    PAGE_PATHS.join(", ")
)]
pub struct PathsError {
    /// What is wrong.
    pub wrong: String,
}

/// Builds the router, with the layers that every request passes. `own` are pages of the program's
/// own; a server without a page leaves everything but [`PATHS`] to them. `api` is the API, where it
/// is on these ports.
///
/// # Errors
/// If a page of the program is at a path of the server's.
pub(crate) fn router(
    site: Site,
    own: Option<Router>,
    api: Option<Router>,
) -> Result<Router, PathsError> {
    let site = Arc::new(site);
    let flow = Flow::new(Arc::clone(&site.context.metrics));
    let mut router = Router::new()
        .route("/config.json", get(config))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/ws", get(socket))
        .route("/map.pmtiles", get(map_file));
    if own.is_none() || !site.assets.is_empty() {
        router = router.merge(page());
    }
    if let Some(own) = own {
        router = beside(router, own.with_state(()))?;
    }
    if let Some(api) = api {
        router = router.nest(api::ROOT, api.with_state(()));
    }
    Ok(router
        .layer(middleware::from_fn_with_state(Arc::clone(&site), request_info::attach))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), policy::finish))
        .layer(middleware::from_fn_with_state(flow, pace))
        .with_state(site))
}

/// The router of a listener for operators and programs: it is for the server's own names alone.
pub(crate) fn apart(router: Router, context: &Arc<ServerContext>) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::clone(context), request_info::check_host))
}

/// The API on a listener of its own, where its answers are paced and counted as those of pages are.
pub(crate) fn programs(api: Router, context: &Arc<ServerContext>) -> Router {
    let flow = Flow::new(Arc::clone(&context.metrics));
    let count = async |State(context): State<Arc<ServerContext>>, response: Response| {
        context.metrics.answered(response.status());
        response
    };
    apart(Router::new().nest(api::ROOT, api), context)
        .layer(middleware::map_response_with_state(Arc::clone(context), count))
        .layer(middleware::from_fn_with_state(flow, pace))
}

/// The paths of the server's page.
fn page() -> Router<Arc<Site>> {
    Router::new()
        .route("/", get(index))
        .route("/r", get(choose))
        .route("/r/", get(choose))
        .route("/r/{name}", get(room))
        .route("/r/{name}/", get(room))
        .route("/r/{name}/screen", get(room))
        .route("/bench", get(bench))
        .route("/bench/", get(async |uri: Uri| redirect("/bench", &uri)))
        .fallback(get(asset))
}

/// Both routers as one.
fn beside<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    own: Router<S>,
) -> Result<Router<S>, PathsError> {
    // A router reports paths that are there twice by panicking, and no other way.
    let merging = AssertUnwindSafe(|| router.merge(own));
    std::panic::catch_unwind(merging).map_err(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        PathsError { wrong: words.unwrap_or("paths are there twice").trim().to_owned() }
    })
}

async fn index(State(site): State<Arc<Site>>, method: Method, headers: HeaderMap) -> Response {
    site.assets.page(PAGE, &method, &headers).await
}

async fn bench(State(site): State<Arc<Site>>, method: Method, headers: HeaderMap) -> Response {
    site.assets.page(BENCH_PAGE, &method, &headers).await
}

/// Redirects to the room that the user typed into the form of an error page.
async fn choose(uri: Uri, query: Result<Query<Choice>, QueryRejection>) -> Response {
    match query {
        Ok(Query(Choice { room: Some(typed) })) => match error_pages::suggested(&typed) {
            Some(name) => Redirect::temporary(&format!("/r/{name}")).into_response(),
            None => error_pages::no_such_room(&typed),
        },
        _ => redirect("/", &uri),
    }
}

/// The query that the form of an error page sends.
#[derive(Deserialize)]
struct Choice {
    room: Option<String>,
}

async fn room(
    State(site): State<Arc<Site>>,
    name: Result<Path<String>, PathRejection>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(Path(name)) = name else { return error_pages::no_such_room("") };
    let lower = name.to_ascii_lowercase();
    if !is_room_name(&lower) {
        return error_pages::no_such_room(&name);
    }
    // Each room has one canonical address, the one that people share, and one for its big screen.
    let screen = if uri.path().ends_with("/screen") { "/screen" } else { "" };
    if lower != name || uri.path().ends_with('/') {
        return redirect(&format!("/r/{lower}{screen}"), &uri);
    }
    index(State(site), method, headers).await
}

/// Redirects to another path of this server and keeps the query.
fn redirect(path: &str, uri: &Uri) -> Response {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::temporary(&format!("{path}{query}")).into_response()
}

async fn asset(State(site): State<Arc<Site>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let response = site.assets.file(path, request.method(), request.headers()).await;
    if response.status() == StatusCode::NOT_FOUND { error_pages::not_found() } else { response }
}

async fn ready(State(site): State<Arc<Site>>) -> Response {
    if *site.context.draining.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    "ready\n".into_response()
}

async fn config(
    State(site): State<Arc<Site>>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    page: Result<Query<ConfigQuery>, QueryRejection>,
) -> Response {
    let Some(host) = &info.host else {
        return Refusal::bad("the request has no Host header").into_response();
    };
    let page = page.ok().and_then(|Query(page)| page.origin);
    let mut response = Json(site.config(host, &info, page.as_deref())).into_response();
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A page of another origin that may connect may also read where.
    let addressed = Addressed { host: Some(host), secure: info.secure };
    if let Some(origin) = headers.get(header::ORIGIN)
        && let Ok(text) = origin.to_str()
        && site.context.origins.admit_at(Some(text), addressed)
    {
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let date = HeaderValue::from_static("date");
        fields.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, date);
    }
    response
}

/// The query with which a page requests its configuration.
#[derive(Deserialize)]
struct ConfigQuery {
    /// The page's own origin.
    origin: Option<String>,
}

async fn socket(
    State(site): State<Arc<Site>>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if let Err(refusal) = upgrade::check(&headers) {
        return refusal.into_response();
    }
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("?"));
    let RequestInfo { host, secure, permit, .. } = &info;
    let addressed = Addressed { host: host.as_ref(), secure: *secure };
    if !site.context.origins.admit_at(origin, addressed) {
        tracing::warn!(origin, "refused a page of another site, or a client without an origin");
        site.context.metrics.failed(Failure::Origin);
        let reason = "pages of this origin may not connect: see --public-url and --allow-origin\n";
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    match upgrade {
        Ok(upgrade) => websocket::upgrade(upgrade, Arc::clone(&site.context), Arc::clone(permit)),
        Err(refusal) => refusal.into_response(),
    }
}

async fn map_file(State(site): State<Arc<Site>>, method: Method, headers: HeaderMap) -> Response {
    let Some(path) = site.map.file.as_ref().map(|file| file.path.clone()) else {
        return (StatusCode::NOT_FOUND, "no map file is configured\n").into_response();
    };
    let kind = "application/vnd.pmtiles";
    site.files.respond(path, kind, &method, &headers).await.unwrap_or_else(|error| {
        tracing::error!(%error, "cannot read the map file");
        (StatusCode::INTERNAL_SERVER_ERROR, "the map file cannot be read\n").into_response()
    })
}

impl Site {
    /// The content of `/config.json` for a client that addressed `host` from a page of `origin`.
    fn config(&self, host: &Host, info: &RequestInfo, origin: Option<&str>) -> Value {
        let page = origin.and_then(Origin::parse);
        let (here, secure) = self.reach.seen(host, info.secure == Some(true), page.as_ref());
        let Addresses { web_transport, web_socket } = self.reach.at(&here, secure);
        let mut config = json!({
            "protocol": VERSION,
            "webtransport": format!("{web_transport}/wt"),
            "websocket": format!("{web_socket}/ws"),
            "venue": self.venue.as_ref().map(|venue| {
                json!({ "lat": venue.lat, "lng": venue.lng, "label": venue.label })
            }),
            "map": {
                "style": self.map.style,
                "pmtiles": self.map.file.as_ref().map(|_| "/map.pmtiles"),
            },
        });
        if let Some(hashes) = &self.hashes {
            let entry = |hash| json!({ "algorithm": "sha-256", "value": STANDARD.encode(hash) });
            config["serverCertificateHashes"] = lock(hashes).iter().map(entry).collect();
        }
        if let Some(origin) = origin {
            config["seen"] = self.seen(host, info, origin, &web_transport);
        }
        config
    }

    /// How the server sees the requesting page, so that the page can explain a refusal.
    fn seen(&self, host: &Host, info: &RequestInfo, origin: &str, web_transport: &str) -> Value {
        let origins = &self.context.origins;
        if let Some(page) = Origin::parse(origin) {
            origins.learn(&page, host, info.secure);
        }
        let addressed = Addressed { host: Some(host), secure: info.secure };
        let udp = web_transport.strip_prefix("https://");
        let allowed = origins.admit_at(Some(origin), addressed) && origins.admit(Some(origin), udp);
        let forwarded = match info.forwarded {
            Forwarded::None => "none",
            Forwarded::Believed => "believed",
            Forwarded::Ignored => "ignored",
        };
        json!({ "host": host.to_string(), "originAllowed": allowed, "forwarded": forwarded })
    }
}
