//! The server's counters, served to operators as OpenMetrics over plain HTTP on a separate
//! listener.
//!
//! Counting costs one relaxed atomic addition. No label names a room, a person, an address or a
//! place: the number of series depends on this file alone.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;

pub(crate) use self::kinds::{
    Answer, ApiRefusal, Failure, How, Leave, Limit, Part, Refusal, Reload, Reloaded, Stray,
    Transport,
};
use crate::metrics::kinds::Kind;
use gpys_proto::wire::Field;
use gpys_proto::world::{AGE_BOUNDS_MS, Ages};

mod kinds;

/// The content type that scrapers expect.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One counter per kind.
#[derive(Debug)]
struct Tally(Vec<Counter>);

impl Tally {
    /// Counters for the kinds of `K`, distinguished by `label`.
    fn new<K: Kind>(registry: &mut Registry, name: &str, help: &str, label: &'static str) -> Self {
        let family = Family::<[(&'static str, &'static str); 1], Counter>::default();
        let counter = |&kind: &&'static str| family.get_or_create_owned(&[(label, kind)]);
        let counters = K::LABELS.iter().map(counter).collect();
        registry.register(name, help, family);
        Self(counters)
    }

    fn count(&self, kind: impl Kind) {
        self.add(kind, 1);
    }

    fn add(&self, kind: impl Kind, count: u64) {
        if let Some(counter) = self.0.get(kind.index()) {
            counter.inc_by(count);
        }
    }
}

/// A histogram of sample ages. The library's own takes a lock for each sample.
#[derive(Debug, Default)]
struct AgeHistogram {
    counts: [AtomicU64; AGE_BOUNDS_MS.len() + 1],
    sum_ms: AtomicU64,
}

impl AgeHistogram {
    fn add(&self, ages: &Ages) {
        for (total, &count) in self.counts.iter().zip(&ages.counts) {
            if count > 0 {
                total.fetch_add(count.into(), Ordering::Relaxed);
            }
        }
        self.sum_ms.fetch_add(ages.sum_ms, Ordering::Relaxed);
    }
}

impl TypedMetric for AgeHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for AgeHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = AGE_BOUNDS_MS.iter().map(|&ms| ms as f64 / 1_000.0).chain([f64::INFINITY]);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.sum_ms.load(Ordering::Relaxed) as f64 / 1_000.0;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[derive(Debug)]
struct SharedAges(Arc<AgeHistogram>);

impl EncodeMetric for SharedAges {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        AgeHistogram::TYPE
    }
}

/// The process's memory, read on each scrape; omitted where the system does not report it.
#[derive(Debug)]
struct Memory;

impl Collector for Memory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(bytes) = resident_bytes() else { return Ok(()) };
        let gauge = ConstGauge::new(bytes);
        let (name, help) = ("process_resident_memory_bytes", "Resident memory of the process");
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

/// The runtime's tasks, counted on each scrape.
#[derive(Debug)]
struct Tasks;

impl Collector for Tasks {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(runtime) = Handle::try_current() else { return Ok(()) };
        let gauge = ConstGauge::new(runtime.metrics().num_alive_tasks() as u64);
        let help = "Live tasks of the runtime";
        gauge.encode(encoder.encode_descriptor("gpys_tasks", help, None, gauge.metric_type())?)
    }
}

/// All of the server's counters.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    limits: Tally,
    refusals: Tally,
    failures: Tally,
    strays: Tally,
    answers: Tally,
    joins: Tally,
    leaves: Tally,
    panics: Tally,
    reloads: Tally,
    key_reloads: Tally,
    api_key_reloads: Tally,
    api_refusals: Tally,
    peers: Vec<Gauge>,
    rooms: Gauge,
    retries: Counter,
    ticks: Counter,
    late: Counter,
    frames: Counter,
    frame_bytes: Counter,
    skipped: Counter,
    ages: Arc<AgeHistogram>,
}

/// What a room sent in one turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// Number of frames sent.
    pub(crate) frames: u64,
    /// Total length of these frames, in bytes.
    pub(crate) bytes: u64,
    /// Number of frames that did not fit a link.
    pub(crate) skipped: u64,
}

impl Metrics {
    /// All counters at zero.
    pub(crate) fn new() -> Arc<Self> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Memory));
        registry.register_collector(Box::new(Tasks));
        let own = registry.sub_registry_with_prefix("gpys");
        let peers = Family::<[(&'static str, &'static str); 1], Gauge>::default();
        let peer =
            |&transport: &&'static str| peers.get_or_create_owned(&[("transport", transport)]);
        let gauges = Transport::LABELS.iter().map(peer).collect();
        own.register("peers", "Peers with a link, by transport", peers);
        let mut counter = |name, help| {
            let counter = Counter::default();
            own.register(name, help, counter.clone());
            counter
        };
        let retries = counter("quic_retries", "QUIC clients asked to prove their address");
        let ticks = counter("ticks", "Ticks of all rooms");
        let late = counter("ticks_late", "Ticks that started a tick or more late");
        let frames = counter("frames", "Frames handed to a link");
        let frame_bytes = counter("frame_bytes", "Bytes in these frames");
        let skipped = counter("frames_skipped", "Frames that did not fit a link");
        let rooms = Gauge::default();
        own.register("rooms", "Rooms with a task", rooms.clone());
        let ages = Arc::new(AgeHistogram::default());
        let help = "Age of samples when a tick sent them to viewers";
        own.register("sample_age_seconds", help, SharedAges(Arc::clone(&ages)));
        Arc::new(Self {
            refusals: Tally::new::<Refusal>(
                own,
                "values_refused",
                "Refused values from clients",
                "field",
            ),
            limits: Tally::new::<Limit>(own, "limits_hit", "Limits hit", "limit"),
            failures: Tally::new::<Failure>(
                own,
                "handshake_failures",
                "Clients that failed to enter a room, by cause",
                "cause",
            ),
            strays: Tally::new::<Stray>(
                own,
                "stray_datagrams",
                "UDP datagrams of no known connection",
                "kind",
            ),
            answers: Tally::new::<Answer>(
                own,
                "http_answers",
                "HTTP responses, by status class",
                "class",
            ),
            joins: Tally::new::<How>(own, "joins", "Links that entered a room", "how"),
            leaves: Tally::new::<Leave>(own, "leaves", "Links that left their room", "reason"),
            panics: Tally::new::<Part>(own, "panics", "Panics, by the part they ended", "part"),
            reloads: Tally::new::<Reload>(
                own,
                "certificate_reloads",
                "Reloads of the certificate files, by outcome",
                "outcome",
            ),
            key_reloads: Tally::new::<Reload>(
                own,
                "access_key_reloads",
                "Reloads of the access key file, by outcome",
                "outcome",
            ),
            api_key_reloads: Tally::new::<Reload>(
                own,
                "api_key_reloads",
                "Reloads of the API key file, by outcome",
                "outcome",
            ),
            api_refusals: Tally::new::<ApiRefusal>(
                own,
                "api_refusals",
                "API requests that their keys did not allow, by cause",
                "cause",
            ),
            registry,
            peers: gauges,
            rooms,
            retries,
            ticks,
            late,
            frames,
            frame_bytes,
            skipped,
            ages,
        })
    }

    /// Counts a limit being hit.
    pub(crate) fn hit(&self, limit: Limit) {
        self.limits.count(limit);
    }

    /// Counts so many hits of a limit.
    pub(crate) fn hits_of(&self, limit: Limit, count: u64) {
        self.limits.add(limit, count);
    }

    /// Counts a refused value.
    pub(crate) fn refused(&self, field: Field) {
        self.refusals.count(Refusal::from(field));
    }

    /// Counts a client that failed to enter a room.
    pub(crate) fn failed(&self, failure: Failure) {
        self.failures.count(failure);
    }

    /// Counts a datagram of no known connection.
    pub(crate) fn strayed(&self, stray: Stray) {
        self.strays.count(stray);
    }

    /// Counts an HTTP response.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.answers.count(Answer::from(status));
    }

    /// Counts an API request that its key did not allow.
    pub(crate) fn api_refused(&self, refusal: ApiRefusal) {
        self.api_refusals.count(refusal);
    }

    /// Counts a panic.
    pub(crate) fn panicked(&self, part: Part) {
        self.panics.count(part);
    }

    /// Counts a reload of changed files.
    pub(crate) fn reloaded(&self, what: Reloaded, outcome: Reload) {
        match what {
            Reloaded::Certificate => self.reloads.count(outcome),
            Reloaded::AccessKeys => self.key_reloads.count(outcome),
            Reloaded::ApiKeys => self.api_key_reloads.count(outcome),
        }
    }

    /// Counts a QUIC client asked to prove its address.
    pub(crate) fn retried(&self) {
        self.retries.inc();
    }

    /// Counts a link that entered a room.
    pub(crate) fn joined(&self, transport: Transport, how: How) {
        self.joins.count(how);
        self.peers[transport.index()].inc();
    }

    /// Counts a link that left its room.
    pub(crate) fn left(&self, transport: Transport, why: Leave) {
        self.leaves.count(why);
        self.peers[transport.index()].dec();
    }

    /// Counts a room that opened.
    pub(crate) fn room_opened(&self) {
        self.rooms.inc();
    }

    /// Counts a room that closed.
    pub(crate) fn room_closed(&self) {
        self.rooms.dec();
    }

    /// Counts a room's tick.
    pub(crate) fn ticked(&self, ages: &Ages, late: bool) {
        self.ticks.inc();
        self.late.inc_by(late.into());
        self.ages.add(ages);
    }

    /// Counts what a room sent in one turn.
    pub(crate) fn sent(&self, sent: Sent) {
        self.frames.inc_by(sent.frames);
        self.frame_bytes.inc_by(sent.bytes);
        self.skipped.inc_by(sent.skipped);
    }

    /// Number of times a limit was hit.
    #[cfg(test)]
    pub(crate) fn hits(&self, limit: Limit) -> u64 {
        self.limits.0[limit.index()].get()
    }

    /// All counters as text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The routes of the metrics listener.
pub(crate) fn router(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(metrics)
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_every_counter() {
        let metrics = Metrics::new();
        metrics.hit(Limit::Rooms);
        metrics.joined(Transport::WebSocket, How::New);
        metrics.joined(Transport::WebSocket, How::Resumed);
        metrics.left(Transport::WebSocket, Leave::Gone);
        let ages = Ages { counts: [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], sum_ms: 6_012 };
        metrics.ticked(&ages, true);
        metrics.sent(Sent { frames: 2, bytes: 300, skipped: 1 });
        let text = metrics.text().unwrap();
        for line in [
            "gpys_limits_hit_total{limit=\"rooms\"} 1",
            "gpys_limits_hit_total{limit=\"poses\"} 0",
            "gpys_peers{transport=\"websocket\"} 1",
            "gpys_peers{transport=\"webtransport\"} 0",
            "gpys_joins_total{how=\"resumed\"} 1",
            "gpys_leaves_total{reason=\"gone\"} 1",
            "gpys_ticks_late_total 1",
            "gpys_frame_bytes_total 300",
            "gpys_frames_skipped_total 1",
            "gpys_sample_age_seconds_bucket{le=\"0.005\"} 2",
            "gpys_sample_age_seconds_bucket{le=\"0.01\"} 3",
            "gpys_sample_age_seconds_bucket{le=\"+Inf\"} 4",
            "gpys_sample_age_seconds_count 4",
            "gpys_sample_age_seconds_sum 6.012",
            "# EOF",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_memory_is_plausible() {
        let bytes = resident_bytes().unwrap();
        assert!((1 << 20..1 << 36).contains(&bytes), "{bytes}");
    }
}
