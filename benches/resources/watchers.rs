//! What watchers cost the server: people who only watch and ask for the largest budget, half over
//! each transport, in a room where fifty sharers move ten times a second and everyone is in view of
//! everyone.
//!
//! The watchers are a process of their own with the lowest priority, because in reality their half
//! of the work is not this computer's. The sharers are in this one; their ages show what the
//! watchers cost them.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use gpys::client::{Client, Connector, Event, Options, Reading, Transport, Trust};
use gpys::proto::geo::{Position, Viewport};
use gpys::proto::pose::Accuracy;
use gpys::proto::wire::Presence;
use hdrhistogram::Histogram;

use crate::bar::Bar;
use crate::idle::DOOR;
use gpys_testkit::process::Process;

/// Watchers, one number after the other.
const WATCHERS: [usize; 3] = [0, 100, 1_000];
pub const SHARERS: usize = 50;
/// Between two of a sharer's steps.
const STEP: Duration = Duration::from_millis(100);
/// What a watcher asks for, in bytes a second: the most that the server grants.
const BUDGET: u32 = 1 << 20;
/// Until the cost of the handshakes is over.
const SETTLE: Duration = Duration::from_secs(4);
const LASTS: Duration = Duration::from_secs(12);
/// The middle of the venue, and half its width, in units of 1e-7 degree.
const VENUE: (i32, i32) = (457_500_000, 143_600_000);
const HALF: i32 = 10_000;

/// Ages of samples at the sharers, in ms.
pub type Ages = Arc<Mutex<Histogram<u64>>>;

pub async fn measure(share: usize) -> Result<Vec<Bar>> {
    let mut bars = Vec::new();
    for watchers in WATCHERS {
        let watchers = watchers / share;
        let what = format!("{watchers} watchers at the full budget and {SHARERS} sharers");
        bars.push(Bar::note(what, cost(watchers).await?));
    }
    Ok(bars)
}

/// What the server has counted, and its processor time in seconds.
struct Counts {
    at: Instant,
    busy: f64,
    frames: f64,
    skipped: f64,
    bytes: f64,
    /// Bytes of frames that the sharers received.
    shared: f64,
}

impl Counts {
    fn read(server: &Process, sharers: &[Arc<Client>]) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            busy: server.processor_time()?.as_secs_f64(),
            frames: server.metric("gpys_frames_total")?,
            skipped: server.metric("gpys_frames_skipped_total")?,
            bytes: server.metric("gpys_frame_bytes_total")?,
            shared: sharers.iter().map(|sharer| sharer.traffic().frame_bytes as f64).sum(),
        })
    }
}

async fn cost(watchers: usize) -> Result<String> {
    let server = Process::start(&["--handshakes-per-address", "100000"])?;
    let crowd = Crowd::start(&server, watchers)?;
    let connector = Connector::new(&server.url(), Trust::Public).await?;
    let ages: Ages = Arc::new(Mutex::new(Histogram::new_with_bounds(1, 600_000, 3)?));
    let sharers = join_all((0..SHARERS).map(|index| share(&connector, index, &ages))).await;
    let sharers: Vec<Arc<Client>> = sharers.into_iter().collect::<Result<_>>()?;
    tokio::time::sleep(SETTLE).await;
    ages.lock().unwrap_or_else(PoisonError::into_inner).reset();
    let before = Counts::read(&server, &sharers)?;
    tokio::time::sleep(LASTS).await;
    let after = Counts::read(&server, &sharers)?;
    let ages = ages.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let people = server.metric(r#"gpys_peers{transport="webtransport"}"#)?
        + server.metric(r#"gpys_peers{transport="websocket"}"#)?;
    let left = people - SHARERS as f64;
    // On a busy machine a few of them starve, and lose their links.
    ensure!(left >= watchers as f64 * 0.99, "only {left} of {watchers} watchers are left");
    drop(crowd);

    let seconds = (after.at - before.at).as_secs_f64();
    let busy = after.busy - before.busy;
    let (frames, skipped) = (after.frames - before.frames, after.skipped - before.skipped);
    let watched = (after.bytes - before.bytes) - (after.shared - before.shared);
    let each = if watchers == 0 { 0.0 } else { watched / left / seconds / 1e3 };
    Ok(format!(
        "{:.0} % of a core, {:.1} µs a frame; {:.0} frames/s, {:.1} % more skipped; \
         {each:.1} KB/s to each watcher; sharers' age p50 {} ms, p99 {} ms, of {:.0} samples/s",
        busy / seconds * 100.0,
        busy / frames * 1e6,
        frames / seconds,
        skipped / (frames + skipped) * 100.0,
        ages.value_at_quantile(0.5),
        ages.value_at_quantile(0.99),
        ages.len() as f64 / seconds,
    ))
}

/// The options of everyone in the room: half of them over each transport, with all in view.
fn options(index: usize) -> Options {
    let (lat, lng) = VENUE;
    let (south, north) = (lat - HALF, lat + HALF);
    let viewport = Viewport { south, west: lng - HALF, north, east: lng + HALF, zoom: 170 };
    let transport = [Transport::WebTransport, Transport::WebSocket][index % 2];
    Options { transport, budget: BUDGET, viewport: Some(viewport), ..Options::default() }
}

/// A sharer, who walks to and fro and notes the ages of the samples that arrive.
pub async fn share(connector: &Connector, index: usize, ages: &Ages) -> Result<Arc<Client>> {
    let ages = Arc::clone(ages);
    let events = move |event: Event<'_>| {
        if let Event::Figure { figure, now, .. } = event {
            let age = u64::try_from(now.after(figure.sampled)).unwrap_or(0);
            ages.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(age);
        }
    };
    let name = format!("sharer {index}");
    let options = Options { name, events: Some(Box::new(events)), ..options(index) };
    let client = Arc::new(connector.connect(options).await?);
    let walker = Arc::downgrade(&client);
    tokio::spawn(async move {
        // Sharers' steps are spread over a step's time, as devices' are.
        tokio::time::sleep(STEP * index as u32 / SHARERS as u32).await;
        let mut steps = tokio::time::interval(STEP);
        let (column, row) = (index as i32 % 10, index as i32 / 10);
        for step in 0_i32.. {
            steps.tick().await;
            let Some(client) = walker.upgrade() else { return };
            let to_and_fro = (step % 40 - 20).abs() * 50;
            let lat = VENUE.0 - HALF + 1_000 + row * 4_000 + to_and_fro;
            let lng = VENUE.1 - HALF + 1_000 + column * 2_000;
            let Ok(position) = Position::new(lat, lng) else { return };
            client.send(Reading { position, orientation: None, accuracy: Accuracy::UNKNOWN });
        }
    });
    Ok(client)
}

/// The watchers' process. Dropping it ends it.
struct Crowd(Child);

impl Crowd {
    /// Starts this program as so many watchers, waits until all are in, and gives them the lowest
    /// priority: one that has it from the start may be too slow for its handshakes.
    fn start(server: &Process, watchers: usize) -> Result<Self> {
        let mut crowd = Command::new(std::env::current_exe()?);
        crowd.args(["--watch", &server.url(), &watchers.to_string()]).stdout(Stdio::piped());
        // Each thread has a priority of its own; only a group's reaches them all.
        let mut crowd = Self(crowd.process_group(0).spawn()?);
        let mut line = String::new();
        let said = crowd.0.stdout.take().context("no output")?;
        BufReader::new(said).read_line(&mut line)?;
        ensure!(!line.is_empty(), "the watchers' process ended");
        let id = crowd.0.id().to_string();
        let mut renice = Command::new("renice");
        let lowered = renice.args(["-n", "19", "-g", &id]).stdout(Stdio::null()).status();
        ensure!(lowered.context("renice is needed")?.success(), "renice failed");
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Watches as so many people, says so once all are in, and goes on until the process is killed.
pub async fn watch(url: &str, count: usize) -> Result<()> {
    let connector = Connector::new(url, Trust::Public).await?;
    let joins = (0..count).map(|index| {
        let (name, presence) = (format!("watcher {index}"), Presence::Watching);
        connector.connect(Options { name, presence, ..options(index) })
    });
    let clients: Vec<Client> = stream::iter(joins).buffer_unordered(DOOR).try_collect().await?;
    println!("in");
    std::future::pending::<()>().await;
    drop(clients);
    Ok(())
}
