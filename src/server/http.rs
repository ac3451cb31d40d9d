//! The page, its settings, the server's health, and the way in for WebSockets.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, Path, Request, State};
use axum::middleware;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tower_http::compression::CompressionLayer;

use super::Shared;
use super::assets::{Answer, Assets, BENCH_PAGE, PAGE};
use super::gate::{Permit, lock};
use super::metrics::Failure;
use super::origin::Host;
use super::rotation::Hashes;
use super::{pmtiles, policy, websocket};
use crate::config::Venue;
use crate::proto::wire::{VERSION, is_room_name};

/// What is known of the connection that a request came over.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    /// Whether it is TLS.
    pub(crate) secure: bool,
    /// Its right to be there, which a WebSocket takes over.
    pub(crate) permit: Arc<Permit>,
}

/// What the routes know.
#[derive(Debug)]
pub(crate) struct Site {
    /// What sessions share.
    pub(crate) shared: Arc<Shared>,
    /// The page.
    pub(crate) assets: Assets,
    /// Where WebTransport listens.
    pub(crate) web_transport: SocketAddr,
    /// The hashes that pages expect; none if the certificate is a public CA's.
    pub(crate) hashes: Option<Hashes>,
    /// The purple pin.
    pub(crate) venue: Option<Venue>,
    /// The URL of the map's style.
    pub(crate) map_style: Option<String>,
    /// The map's own file.
    pub(crate) pmtiles: Option<PathBuf>,
}

/// The routes.
pub(crate) fn router(site: Site) -> Router {
    let site = Arc::new(site);
    Router::new()
        .route("/", get(index))
        .route("/r/{name}", get(room))
        .route("/bench", get(bench))
        .route("/config.json", get(config))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/ws", get(socket))
        .route("/map.pmtiles", get(map_file))
        .fallback(get(asset))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), policy::finish))
        .layer(CompressionLayer::new())
        .with_state(site)
}

async fn index(State(site): State<Arc<Site>>, headers: HeaderMap) -> Answer {
    site.assets.page(PAGE, headers.get(header::IF_NONE_MATCH)).await
}

async fn bench(State(site): State<Arc<Site>>, headers: HeaderMap) -> Answer {
    site.assets.page(BENCH_PAGE, headers.get(header::IF_NONE_MATCH)).await
}

async fn room(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    if is_room_name(&name) { index(State(site), headers).await } else { Assets::no_such_room() }
}

async fn asset(State(site): State<Arc<Site>>, request: Request) -> Answer {
    let path = request.uri().path().trim_start_matches('/');
    site.assets.file(path, request.headers().get(header::IF_NONE_MATCH)).await
}

async fn ready(State(site): State<Arc<Site>>) -> Response {
    if site.shared.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    "ready\n".into_response()
}

async fn config(
    State(site): State<Arc<Site>>,
    Extension(wire): Extension<Wire>,
    headers: HeaderMap,
) -> Response {
    let Some(host) = addressed(&headers) else {
        return (StatusCode::BAD_REQUEST, "the Host header names no host\n").into_response();
    };
    let secure = wire.secure || headers.get("x-forwarded-proto").is_some_and(|by| by == "https");
    let caching = [(header::CACHE_CONTROL, "no-store")];
    (caching, Json(site.config(&host, secure))).into_response()
}

async fn socket(
    State(site): State<Arc<Site>>,
    Extension(wire): Extension<Wire>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("?"));
    if !site.shared.origins.admit(origin, text(header::HOST)) {
        tracing::warn!(origin, "a page of another site, or a client that names none, was refused");
        site.shared.metrics.failed(Failure::Origin);
        return (StatusCode::FORBIDDEN, "this origin may not connect\n").into_response();
    }
    websocket::upgrade(upgrade, Arc::clone(&site.shared), wire.permit)
}

async fn map_file(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    match &site.pmtiles {
        Some(path) => pmtiles::answer(path, headers.get(header::RANGE)).await,
        None => (StatusCode::NOT_FOUND, "no map file is configured\n").into_response(),
    }
}

/// The host that a request was addressed to.
pub(super) fn addressed(headers: &HeaderMap) -> Option<Host> {
    headers.get(header::HOST)?.to_str().ok().and_then(Host::parse)
}

impl Site {
    /// What `/config.json` says to somebody who addressed `host`.
    fn config(&self, host: &Host, secure: bool) -> Value {
        let (web_transport, web_socket) = self.urls(host, secure);
        let mut config = json!({
            "protocol": VERSION,
            "webtransport": format!("{web_transport}/wt"),
            "websocket": format!("{web_socket}/ws"),
            "venue": self.venue.as_ref().map(|venue| {
                json!({ "lat": venue.lat, "lng": venue.lng, "label": venue.label })
            }),
            "map": {
                "style": self.map_style,
                "pmtiles": self.pmtiles.as_ref().map(|_| "/map.pmtiles"),
            },
        });
        if let Some(hashes) = &self.hashes {
            let entry = |hash| json!({ "algorithm": "sha-256", "value": STANDARD.encode(hash) });
            config["serverCertificateHashes"] = lock(hashes).iter().map(entry).collect();
        }
        config
    }

    /// The origins of WebTransport and WebSocket for somebody who addressed `host`.
    pub(super) fn urls(&self, host: &Host, secure: bool) -> (String, String) {
        let Host { name, port } = host;
        let scheme = if secure { "wss" } else { "ws" };
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        // Browsers take localhost for ::1 first and do not try again over QUIC. A certificate known
        // by its hash needs no name.
        let loopback = name == "localhost" && self.web_transport.is_ipv4() && self.hashes.is_some();
        let quic_name = if loopback { "127.0.0.1" } else { name };
        let web_transport = format!("https://{quic_name}:{}", self.web_transport.port());
        (web_transport, format!("{scheme}://{name}{port}"))
    }
}
