//! `GET /events`: who comes and goes, as server-sent events.
//!
//! An event's id is the server's run and the event's number. A reader that comes back names the
//! last one that it got (`Last-Event-ID`), and goes on after it; where events are missing, an event
//! `gap` says so.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{self, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::api::ask::{Asked, Caller, text};
use crate::api::problem::Problem;
use crate::api::state::Api;
use crate::context::Counted;
use crate::events::{Event, Events, Visitor, What};
use crate::handle::HandleError;
use crate::metrics::Limit;
use crate::tcp::Wire;
use gpys_proto::wire::is_room_name;

/// Most readers of events at once: each holds a connection.
pub(crate) const MAX_READERS: usize = 64;
/// How long a reader hears nothing at most; proxies close what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The last event that a reader got.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Which events to read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    room: Option<String>,
}

/// `GET /events`.
pub(crate) async fn read(
    State(api): State<Arc<Api>>,
    key: Caller,
    wire: Option<Extension<Wire>>,
    Asked(Which { room }): Asked<Which>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if room.as_deref().is_some_and(|room| !is_room_name(room)) {
        return Err(HandleError::Name.into());
    }
    key.reads(room.as_deref())?;
    let context = &api.context;
    let Some(counted) = context.count_reader(MAX_READERS) else {
        context.metrics.hit(Limit::ApiReaders);
        return Err(Problem::too_fast(format!(
            "{MAX_READERS} readers of events are connected already, the most there may be"
        )));
    };
    let last = text(&headers, LAST_EVENT_ID);
    let reader = Reader {
        room: room.or_else(|| key.room().map(str::to_owned)),
        closing: wire.map(|Extension(wire)| wire.closing),
        ..Reader::new(context.rooms.events(), &api.run, last, context.draining.subscribe(), counted)
    };
    let events = stream::unfold(reader, Reader::next);
    // For nginx, which would hold back what it has not much of.
    Ok(([("x-accel-buffering", "no")], Sse::new(events)).into_response())
}

/// The number in an event's id, if it is from this run of the server.
fn number(id: &str, run: &str) -> Option<u64> {
    id.strip_prefix(run)?.strip_prefix('-')?.parse().ok()
}

/// What one reader gets.
struct Reader {
    events: Events,
    /// Marks this run of the server in ids.
    run: Arc<str>,
    /// The only room to tell of.
    room: Option<String>,
    /// Whether nothing was sent yet.
    first: bool,
    /// Why events may be missing, if they may and the reader has not been told.
    gap: Option<&'static str>,
    /// The event after the gap.
    held: Option<Event>,
    /// The number of the last event that was told or left out.
    told: u64,
    /// When to say that the connection is alive.
    alive: Instant,
    /// Whether the connection is about to close; `None` without a connection.
    closing: Option<watch::Receiver<bool>>,
    /// Whether the server is about to stop.
    draining: watch::Receiver<bool>,
    _counted: Counted,
}

type Sent = Result<sse::Event, Infallible>;

impl Reader {
    /// A reader of all rooms that got the event `last`, or begins now.
    fn new(
        events: Events,
        run: &Arc<str>,
        last: Option<&str>,
        draining: watch::Receiver<bool>,
        counted: Counted,
    ) -> Self {
        let (events, gap) = match last.map(|id| number(id, run)) {
            None => (events, None),
            Some(Some(number)) => (events.after(number), None),
            Some(None) => (events.after(0), Some("restarted")),
        };
        Self {
            told: events.position(),
            events,
            run: Arc::clone(run),
            room: None,
            first: true,
            gap,
            held: None,
            alive: Instant::now() + KEEP_ALIVE,
            closing: None,
            draining,
            _counted: counted,
        }
    }

    /// What to send next; `None` to end. A reader comes back then, and misses nothing.
    async fn next(mut self) -> Option<(Sent, Self)> {
        let sent = self.wait().await?;
        self.first = false;
        self.alive = Instant::now() + KEEP_ALIVE;
        Some((Ok(sent), self))
    }

    async fn wait(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(reason) = self.gap.take() {
                return Some(self.named("gap", &json!({ "reason": reason })));
            }
            if self.first {
                // So that one who comes back before anything happened misses nothing either.
                return Some(self.id().comment("events"));
            }
            let event = match self.held.take() {
                Some(event) => event,
                None => tokio::select! {
                    biased;
                    event = self.events.next() => event?,
                    () = until(self.closing.as_mut()) => return None,
                    () = until(Some(&mut self.draining)) => return None,
                    () = sleep_until(self.alive) => return Some(self.id().comment("alive")),
                },
            };
            if event.id > self.told + 1 {
                self.told = event.id - 1;
                self.gap = Some("late");
                self.held = Some(event);
                continue;
            }
            self.told = event.id;
            if self.room.as_ref().is_none_or(|room| *room == event.room) {
                let (name, data) = json(&event);
                return Some(self.named(name, &data));
            }
        }
    }

    fn id(&self) -> sse::Event {
        sse::Event::default().id(format!("{}-{}", self.run, self.told))
    }

    fn named(&self, name: &str, data: &Value) -> sse::Event {
        self.id().event(name).data(data.to_string())
    }
}

/// Waits until a signal is given, if it can be.
async fn until(signal: Option<&mut watch::Receiver<bool>>) {
    match signal {
        // Whoever could give it is gone when the connection is.
        Some(signal) => drop(signal.wait_for(|is| *is).await),
        None => std::future::pending().await,
    }
}

/// The name of an event, and what it says.
fn json(event: &Event) -> (&'static str, Value) {
    let time = OffsetDateTime::from(event.time).format(&Rfc3339).unwrap_or_default();
    let mut data = json!({ "room": event.room, "time": time });
    let mut about = |visitor: &Visitor| {
        data["person"] = json!({
            "id": visitor.id.0,
            "uuid": visitor.uuid.0,
            "subject": visitor.subject.map(|subject| subject.0),
            "name": visitor.name,
            "host": visitor.host,
        });
    };
    let name = match &event.what {
        What::Occupied => "occupied",
        What::Vacated => "vacated",
        What::Entered(visitor) => {
            about(visitor);
            "entered"
        }
        What::Left(visitor) => {
            about(visitor);
            "left"
        }
    };
    (name, data)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::StreamExt as _;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::access::Access;
    use crate::config::Config;
    use crate::context::{Own, ServerContext, Timing};
    use crate::events::Journal;
    use crate::metrics::Metrics;
    use crate::room::identity::{Mint, Secret};

    /// All that a reader gets who came back with this id, up to the next silence.
    async fn read(journal: &Journal, last: Option<&str>, room: Option<&str>) -> String {
        let (access, mint) = (Access::default(), Mint::new(Secret::random(), 0));
        let (config, own) = (Config::default(), Own::default());
        let context =
            ServerContext::new(&config, own, access, mint, Timing::default(), Metrics::new());
        let counted = context.count_reader(1).unwrap();
        let draining = context.draining.subscribe();
        let reader = Reader::new(journal.events(), &"run".into(), last, draining, counted);
        let reader = Reader { room: room.map(str::to_owned), ..reader };
        // What waits is told before the stream ends.
        context.draining.send_replace(true);
        let sent = Sse::new(stream::unfold(reader, Reader::next).boxed()).into_response();
        let bytes = Body::new(sent.into_body()).collect().await.unwrap().to_bytes();
        assert_eq!(*context.readers.borrow(), 0);
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_reader_goes_on_where_it_was() {
        let journal = Journal::default();
        assert_eq!(read(&journal, None, None).await, "id: run-0\n: events\n\n");
        journal.write("hall", What::Occupied);
        journal.write("city", What::Occupied);
        let sent = read(&journal, Some("run-1"), None).await;
        assert!(sent.contains("id: run-2\nevent: occupied\ndata: {\"room\":\"city\""), "{sent}");
        assert!(!sent.contains("hall") && !sent.contains("gap"), "{sent}");
        let sent = read(&journal, Some("run-0"), Some("hall")).await;
        assert!(sent.contains("hall") && !sent.contains("city"), "{sent}");
    }

    #[tokio::test]
    async fn a_gap_is_told_before_what_follows_it() {
        let journal = Journal::default();
        (0..1_100).for_each(|_| journal.write("hall", What::Occupied));
        let sent = read(&journal, Some("run-5"), None).await;
        let gap = sent.find("id: run-76\nevent: gap\ndata: {\"reason\":\"late\"}").unwrap();
        assert!(sent.find("id: run-77\nevent: occupied").unwrap() > gap, "{sent}");
        for other in ["elsewhere-5", "run-x", ""] {
            let sent = read(&journal, Some(other), None).await;
            assert!(sent.contains("event: gap\ndata: {\"reason\":\"restarted\"}"), "{sent}");
            assert!(sent.contains("id: run-1100\n"), "{other}");
        }
    }
}
