//! Checks that every request passes first: whether it is well formed and meant for this server,
//! and which client it comes from if a proxy forwards it.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use hyper::body::{Frame, SizeHint};

use crate::context::ServerContext;
use crate::host::{Host, Origin};
use crate::http::site::Site;
use crate::limits::forwarded::{Contradiction, Said, is_forwarded};
use crate::limits::gate::Permit;
use crate::tcp::Wire;

/// A header that browsers send to trustworthy addresses only, above all https, and that no page can
/// set.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Paths that orchestrators probe, under whatever host name they use.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// The facts about a request that its handlers need.
#[derive(Clone, Debug)]
pub(crate) struct RequestInfo {
    /// The host that the client addressed; `None` only for a probe.
    pub(crate) host: Option<Host>,
    /// Whether the client's connection is encrypted; `None` if a proxy may have terminated TLS.
    pub(crate) secure: Option<bool>,
    /// Whether a proxy's forwarding headers are trusted.
    pub(crate) forwarded: Forwarded,
    /// The permit that counts the client against the connection limits.
    pub(crate) permit: Arc<Permit>,
}

/// Whether a proxy's forwarding headers are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// No forwarding headers.
    None,
    /// Headers from a trusted proxy.
    Believed,
    /// Headers from a peer that is not a trusted proxy.
    Ignored,
}

/// A refusal of a request.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The reason, and what to do about it.
    pub(crate) reason: Cow<'static, str>,
    /// A header that the status calls for.
    pub(crate) field: Option<(HeaderName, &'static str)>,
}

impl Refusal {
    pub(crate) const fn bad(reason: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason: Cow::Borrowed(reason), field: None }
    }

    fn misdirected(host: &Host) -> Self {
        let reason = format!(
            "this server does not go by the name {host}. If it should, start it with \
             --public-url https://{host}, or http:// where people open it without TLS \
             (docs/PROXIES.md)"
        );
        Self { status: StatusCode::MISDIRECTED_REQUEST, reason: reason.into(), field: None }
    }

    const fn too_many() -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            reason: Cow::Borrowed("too many connections from your network"),
            field: Some((header::RETRY_AFTER, "1")),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, reason, field } = self;
        let caching = [(header::CACHE_CONTROL, "no-store")];
        let mut response = (status, caching, format!("{reason}\n")).into_response();
        if let Some((name, value)) = field {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Middleware that admits requests meant for this server and attaches a [`RequestInfo`] to both
/// request and response.
pub(crate) async fn attach(
    State(site): State<Arc<Site>>,
    mut request: Request,
    next: Next,
) -> Response {
    let info = match inspect(&site.context, &request) {
        Ok(info) => info,
        Err(refusal) => return refusal.into_response(),
    };
    let permit = Arc::clone(&info.permit);
    request.extensions_mut().insert(info.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(info);
    response.map(|body| Body::new(Held { body, _permit: permit }))
}

/// The body of a response; it holds the client's permit until it has been sent.
struct Held {
    body: Body,
    _permit: Arc<Permit>,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Middleware that admits requests to one of this server's names and checks nothing else.
pub(crate) async fn check_host(
    State(context): State<Arc<ServerContext>>,
    request: Request,
    next: Next,
) -> Response {
    match addressed(&request) {
        Err(wrong) => Refusal::bad(wrong).into_response(),
        Ok(Some(host)) if !context.names.own(&host) => Refusal::misdirected(&host).into_response(),
        Ok(_) => next.run(request).await,
    }
}

fn inspect(context: &ServerContext, request: &Request) -> Result<RequestInfo, Refusal> {
    let headers = request.headers();
    let Some(wire) = request.extensions().get::<Wire>() else {
        return Err(Refusal::bad("unknown connection"));
    };
    let named = addressed(request).map_err(Refusal::bad)?;
    let is_probe = PROBES.contains(&request.uri().path());
    if named.is_none() && !is_probe {
        return Err(Refusal::bad("the request has no Host header"));
    }
    if headers.get_all(header::ORIGIN).iter().count() > 1 {
        return Err(Refusal::bad("the request has two Origin headers"));
    }
    let said = match wire.is_proxy.then(|| context.proxies.read(wire.peer, headers)).transpose() {
        Ok(said) => said,
        Err(Contradiction) => {
            return Err(Refusal::bad(
                "Forwarded and X-Forwarded-For name different clients: let the proxy write one \
                 of them and remove the other",
            ));
        }
    };
    let forwarded = match (is_forwarded(headers), &said) {
        (false, _) => Forwarded::None,
        (true, Some(_)) => Forwarded::Believed,
        (true, None) => Forwarded::Ignored,
    };
    let permit = match &said {
        // A client that the proxy does not name counts as the proxy.
        Some(Said { client, .. }) => {
            let admitted = context.admit_behind(&wire.permit, *client);
            Arc::new(admitted.ok_or_else(Refusal::too_many)?)
        }
        None => Arc::clone(&wire.permit),
    };
    let (host, secure) = said.map_or((None, None), |said| (said.host, said.secure));
    let secure = if wire.secure { Some(true) } else { secure };
    for host in [&named, &host].into_iter().flatten() {
        if !wire.secure && !is_probe && !is_welcome(context, headers, host) {
            return Err(Refusal::misdirected(host));
        }
    }
    Ok(RequestInfo { host: host.or(named), secure, forwarded, permit })
}

/// The host that a request addresses.
fn addressed(request: &Request) -> Result<Option<Host>, &'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let host = host.to_str().ok().and_then(Host::parse);
            Some(host.ok_or("the Host header is not a valid host")?)
        }
        (Some(_), Some(_)) => return Err("the request has two Host headers"),
        (None, _) if request.version() == Version::HTTP_10 => None,
        (None, _) => return Err("the request has no Host header"),
    };
    let target = request.uri().authority().map(|target| Host::parse(target.as_str()));
    match target {
        Some(target) if target != host => {
            Err("the request's target and its Host header name different hosts")
        }
        _ => Ok(host),
    }
}

/// Whether a request over plain HTTP may address this host: one that cannot have been pointed here
/// by an attacker, or one that a browser reached over https, so that a proxy with the name's
/// certificate is in front.
fn is_welcome(context: &ServerContext, headers: &HeaderMap, host: &Host) -> bool {
    context.names.welcome(host) || headers.contains_key(FETCH_SITE) || {
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let origin = origin.and_then(Origin::parse);
        origin.is_some_and(|origin| origin.secure && origin.name == host.name)
    }
}
