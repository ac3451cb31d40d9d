//! One shared rate for all response bodies, which bounds what pages and maps cost the server.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::lock::lock;
use crate::metrics::{Limit, Metrics};

/// Size of the largest piece of a body that a connection gets at once, in bytes.
pub(crate) const PIECE: usize = 64 * 1024;
/// Rate of response bodies over all connections, in bytes a second: about what a gigabit carries,
/// and about a fifth of a core under TLS.
const RATE: u64 = 128 * 1024 * 1024;
/// Cost of a request on top of its body, in bytes; it allows 8,192 requests a second.
const REQUEST: usize = 16 * 1024;
/// Burst that the rate allows, as time: enough to send a page and its files without a wait.
const BURST: Duration = Duration::from_millis(100);

/// Shares the rate among connections. Each has at most one piece on its way, so a client that
/// requests a lot gets no more than one that requests a little.
#[derive(Debug)]
pub(crate) struct Flow {
    /// When the rate will have covered everything sent so far.
    paid: Mutex<Instant>,
    metrics: Arc<Metrics>,
}

impl Flow {
    /// Creates a rate of which nothing has been used.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { paid: Mutex::new(before_a_burst(Instant::now())), metrics })
    }

    /// Charges for `bytes`; returns until when the caller must wait, if at all.
    fn take(&self, bytes: usize) -> Option<Instant> {
        let now = Instant::now();
        let cost = Duration::from_nanos(bytes as u64 * 1_000_000_000 / RATE);
        let mut paid = lock(&self.paid);
        *paid = (*paid).max(before_a_burst(now)) + cost;
        let until = (*paid > now).then_some(*paid)?;
        self.metrics.hit(Limit::Answers);
        Some(until)
    }
}

fn before_a_burst(now: Instant) -> Instant {
    now.checked_sub(BURST).unwrap_or(now)
}

/// Middleware that delays a request until its turn and sends its response piece by piece.
pub(crate) async fn pace(State(flow): State<Arc<Flow>>, request: Request, next: Next) -> Response {
    if let Some(until) = flow.take(REQUEST) {
        sleep_until(until).await;
    }
    next.run(request)
        .await
        .map(|body| Body::new(Paced { body, flow, rest: Bytes::new(), wait: None }))
}

/// A body that is sent in pieces, each at its turn.
struct Paced {
    body: Body,
    flow: Arc<Flow>,
    /// The rest of the last frame of the body, yet to be sent.
    rest: Bytes,
    /// The wait until the rate covers the last piece.
    wait: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        self.wait = self.flow.take(length).map(|until| Box::pin(sleep_until(until)));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.body.size_hint());
        let mut all = SizeHint::new();
        if let Some(upper) = hint.upper() {
            all.set_upper(upper.saturating_add(rest));
        }
        all.set_lower(hint.lower().saturating_add(rest));
        all
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn paced(bytes: usize) -> Paced {
        let body = Body::from(vec![7; bytes]);
        Paced { body, flow: Flow::new(Metrics::new()), rest: Bytes::new(), wait: None }
    }

    #[tokio::test]
    async fn a_body_is_sent_in_pieces_at_the_rate() {
        let (since, whole) = (Instant::now(), Duration::from_millis(500));
        let bytes = usize::try_from(RATE / 2).unwrap();
        let mut body = paced(bytes);
        assert_eq!(body.size_hint().exact(), Some(bytes as u64));
        let mut sent = 0;
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!((1..=PIECE).contains(&piece.len()));
            sent += piece.len();
            assert_eq!(body.size_hint().exact(), Some((bytes - sent) as u64));
        }
        assert_eq!(sent, bytes);
        assert!(body.is_end_stream());
        // A late machine catches up by no more than the burst.
        assert!(since.elapsed() >= whole - 2 * BURST, "{:?}", since.elapsed());
        assert!(body.flow.metrics.hits(Limit::Answers) > 0);
    }

    #[tokio::test]
    async fn one_request_does_not_wait_for_the_bodies_of_others() {
        let flow = Flow::new(Metrics::new());
        // Each of a hundred connections has a piece on its way.
        for _ in 0..100 {
            flow.take(PIECE);
        }
        let wait = flow.take(REQUEST).map(|until| until - Instant::now());
        assert!(wait.is_none_or(|wait| wait < BURST), "{wait:?}");
    }
}
