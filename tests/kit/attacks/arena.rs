//! A real server on its own runtime, to tell its tasks and panics from the attackers', with two
//! bystanders in its lobby who must notice nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};
use gpys::server::Server;
use gpys::server::config::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::attacks::people::Pair;
use crate::attacks::tools::patiently;

/// The timeout of every wait.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Number of concurrent attacks in a siege: more would delay each other past their deadlines.
const AT_ONCE: usize = 40;
/// The metric of the process's memory.
pub const MEMORY: &str = "process_resident_memory_bytes";
/// How much more memory the process may have after a siege than before: the allocator keeps what it
/// was given, for attackers and server alike, which is 75 MB after 1,100 concurrent QUIC
/// handshakes.
const KEPT_BYTES: f64 = 128e6;
/// Maximum time for a server without sessions to stop; it waits 7 s for hung sessions.
const STOP: Duration = Duration::from_secs(5);

/// The server's addresses.
#[derive(Debug)]
pub struct Target {
    /// HTTPS and `wss:`.
    pub https: SocketAddr,
    /// Plain HTTP and `ws:`.
    pub http: SocketAddr,
    /// WebTransport.
    pub udp: SocketAddr,
    /// The metrics listener.
    pub metrics: SocketAddr,
}

impl Target {
    /// All of the server's counts, by name and labels.
    pub async fn counts(&self) -> BTreeMap<String, f64> {
        let mut stream = TcpStream::connect(self.metrics).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut text = String::new();
        patiently("the metrics", stream.read_to_string(&mut text)).await.unwrap();
        let count = |line: &str| {
            let (name, count) = line.rsplit_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        };
        text.lines().filter(|line| !line.starts_with('#')).filter_map(count).collect()
    }

    /// One of these counts.
    pub async fn count(&self, name: &str) -> f64 {
        let counts = self.counts().await;
        *counts.get(name).unwrap_or_else(|| panic!("no count named {name}"))
    }
}

/// The count of hits of this limit.
pub fn limit(label: &str) -> String {
    format!("gpys_limits_hit_total{{limit=\"{label}\"}}")
}

/// The count of handshakes that failed for this cause.
pub fn failure(label: &str) -> String {
    format!("gpys_handshake_failures_total{{cause=\"{label}\"}}")
}

/// The count of links that left for this reason.
pub fn leave(label: &str) -> String {
    format!("gpys_leaves_total{{reason=\"{label}\"}}")
}

/// The counts of links that ended without a leave message: cut, or closed cleanly, which is what
/// the attackers' libraries do on drop.
pub fn gone() -> Vec<String> {
    ["gone", "closed"].map(leave).to_vec()
}

/// The count of links that entered a room this way.
pub fn join(label: &str) -> String {
    format!("gpys_joins_total{{how=\"{label}\"}}")
}

/// The count of HTTP responses of this class.
pub fn answer(label: &str) -> String {
    format!("gpys_http_answers_total{{class=\"{label}\"}}")
}

/// The count of stray datagrams of this kind.
pub fn stray(label: &str) -> String {
    format!("gpys_stray_datagrams_total{{kind=\"{label}\"}}")
}

type Run = Box<dyn FnOnce(Rc<Target>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Something that no honest client does. It panics if the server responds wrongly.
pub struct Attack {
    /// The attack's name, for failures.
    pub name: String,
    /// The counts it may go under: one of these, since some attacks can end in several ways.
    counted: BTreeSet<String>,
    run: Run,
}

impl Attack {
    /// An attack of this name.
    pub fn new<F>(name: impl Into<String>, run: F) -> Self
    where
        F: AsyncFnOnce(&Target) + Send + 'static,
    {
        let run: Run = Box::new(move |target| Box::pin(async move { run(&target).await }));
        Self { name: name.into(), counted: BTreeSet::new(), run }
    }

    /// Sets the count that the attack goes under.
    pub fn counted(self, name: String) -> Self {
        self.counted_among([name])
    }

    /// Sets the counts of which the attack goes under one.
    pub fn counted_among(self, names: impl IntoIterator<Item = String>) -> Self {
        Self { counted: names.into_iter().collect(), ..self }
    }

    /// Runs the attack. Returns what was wrong with the server's response, if anything.
    pub async fn against(self, target: Rc<Target>) -> Option<String> {
        let Self { name, run, .. } = self;
        let attack = async move { tokio::time::timeout(3 * PATIENCE, run(target)).await };
        match AssertUnwindSafe(attack).catch_unwind().await {
            Ok(Ok(())) => None,
            Ok(Err(_)) => Some(format!("{name} never ends")),
            Err(panic) => Some(format!("{name}: {}", panic_message(&*panic))),
        }
    }
}

/// Sets the count that each of these attacks goes under.
pub fn counted(attacks: Vec<Attack>, name: &str) -> Vec<Attack> {
    attacks.into_iter().map(|attack| attack.counted(name.to_owned())).collect()
}

/// Sets the counts of which each of these attacks goes under one.
pub fn counted_among(attacks: Vec<Attack>, names: &[String]) -> Vec<Attack> {
    let among = |attack: Attack| attack.counted_among(names.iter().cloned());
    attacks.into_iter().map(among).collect()
}

/// Settings of a server, by name.
pub type Settings = Vec<(&'static str, String)>;

/// Attacks that one server and one pair of bystanders endure together.
pub struct Siege {
    /// The siege's name, for failures.
    pub name: &'static str,
    /// The server's settings.
    pub settings: fn() -> Settings,
    /// The attacks.
    pub attacks: fn() -> Vec<Attack>,
}

impl Siege {
    /// Runs the attacks at once against the same server. If that fails, runs each alone to find the
    /// culprit.
    pub fn run(&self) -> Result<(), String> {
        let endure = |attacks: Vec<Attack>| {
            let arena = || Arena::open(&(self.settings)()).endure(attacks);
            catch_unwind(AssertUnwindSafe(arena)).map_err(|panic| panic_message(&*panic))
        };
        let Err(together) = endure((self.attacks)()) else { return Ok(()) };
        let alone = (self.attacks)().into_iter().filter_map(|attack| {
            let name = attack.name.clone();
            endure(vec![attack]).err().map(|why| format!("{name} alone: {why}\n"))
        });
        Err(format!("together: {together}\n{}", alone.collect::<String>()))
    }
}

/// A runtime whose threads have this name.
fn runtime(name: &str, threads: usize) -> Runtime {
    Builder::new_multi_thread()
        .thread_name(name)
        .worker_threads(threads)
        .enable_all()
        .build()
        .unwrap()
}

/// Panics on server threads: the thread's name and the message.
static PANICS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Records panics of servers, which are silent otherwise: only their task ends.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push((thread, info.to_string()));
            hook(info);
        }));
    });
}

/// Number of attacks per set of counts.
type Moves = BTreeMap<BTreeSet<String>, u32>;

/// A server with two bystanders in its lobby.
pub struct Arena {
    name: String,
    server: Runtime,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
    target: Rc<Target>,
    pair: Pair,
    /// Tasks of the server at rest.
    calm: usize,
    /// Maximum age of 99 in 100 of the bystanders' sightings at rest, in ms.
    calm_ms: i32,
    /// Memory of this process (server, bystanders and attackers) at rest.
    calm_bytes: f64,
}

impl Arena {
    /// Starts a server with these settings and lets the bystanders in.
    pub fn open(settings: &Settings) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        note_panics();
        let name = format!("server-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let server = runtime(&name, 2);
        let free = ["listen", "http", "metrics"].map(|name| (name, "127.0.0.1:0"));
        let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
        let config = Config::from_pairs(free.into_iter().chain(settings)).unwrap();
        let (stop, stopped) = oneshot::channel();
        let guard = server.enter();
        let bound = Server::builder(config).page(gpys::page()).bind().unwrap();
        let target = Target {
            https: bound.https_address().unwrap(),
            http: bound.http_address().unwrap().unwrap(),
            udp: bound.web_transport_address().unwrap(),
            metrics: bound.metrics_address().unwrap().unwrap(),
        };
        let served = server.spawn(bound.run(async { drop(stopped.await) }));
        drop(guard);
        let pair = Pair::join(runtime("people", 1), &target);
        pair.meet_newcomers();
        let (calm_ms, target) = (pair.calm_ms(), Rc::new(target));
        let calm_bytes = pair.block_on(target.count(MEMORY));
        let calm = 0;
        let mut arena =
            Self { name, server, stop, served, target, pair, calm, calm_ms, calm_bytes };
        arena.calm = arena.settled();
        arena
    }

    /// Runs attacks, many at once, and checks that they had no effect.
    pub fn endure(self, attacks: Vec<Attack>) {
        let attackers = Builder::new_current_thread().enable_all().build().unwrap();
        let mut moves: Moves = BTreeMap::new();
        for Attack { name, counted, .. } in &attacks {
            assert!(!counted.is_empty(), "{name} has no count");
            *moves.entry(counted.clone()).or_default() += 1;
        }
        let before = attackers.block_on(self.target.counts());
        let all = attacks.into_iter().map(|attack| attack.against(Rc::clone(&self.target)));
        let all = futures_util::stream::iter(all).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
        let failed: Vec<_> = attackers.block_on(all).into_iter().flatten().collect();
        // Gives QUIC time to close its connections.
        attackers.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
        // Drops everything that attackers still hold.
        drop(attackers);
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        self.check_counts(&before, &moves);
        self.pair.check_ages(self.calm_ms);
        self.check();
    }

    /// Checks that the server counted every attack.
    fn check_counts(&self, before: &BTreeMap<String, f64>, moves: &Moves) {
        let since = Instant::now();
        loop {
            let after = self.pair.block_on(self.target.counts());
            let moved = |name: &String| after.get(name).map_or(0.0, |count| count - before[name]);
            let is_short = |names: &&BTreeSet<String>| {
                let least: u32 =
                    moves.iter().filter(|(it, _)| it.is_subset(names)).map(|it| it.1).sum();
                names.iter().map(moved).sum::<f64>() < f64::from(least)
            };
            let short: Vec<_> = moves.keys().filter(is_short).collect();
            if short.is_empty() {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "too few counted: {short:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Checks that the bystanders noticed nothing, that others can join, that the server has
    /// released what the attackers took, and that it can stop.
    fn check(self) {
        self.pair.check();
        self.pair.meet_newcomers();
        let since = Instant::now();
        while self.tasks() > self.calm {
            let (tasks, calm) = (self.tasks(), self.calm);
            assert!(since.elapsed() < PATIENCE, "{tasks} tasks are left, {calm} at rest");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.pair.check();
        self.check_memory();
        let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
        let panics: Vec<_> = panics.iter().filter(|(thread, _)| *thread == self.name).collect();
        assert!(panics.is_empty(), "the server panicked: {panics:?}");
        assert!(!self.served.is_finished(), "the server exited");
        let since = Instant::now();
        self.stop.send(()).unwrap();
        self.pair.say_goodbye();
        self.server.block_on(self.served).unwrap().unwrap();
        assert!(since.elapsed() < STOP, "a session hangs: {:?} to stop", since.elapsed());
        self.server.shutdown_background();
    }

    /// Checks that memory is close to what it was.
    fn check_memory(&self) {
        let (since, most) = (Instant::now(), self.calm_bytes + KEPT_BYTES);
        loop {
            let bytes = self.pair.block_on(self.target.count(MEMORY));
            if bytes <= most {
                eprintln!("{bytes} bytes, {} at rest", self.calm_bytes);
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{bytes} bytes, {} at rest", self.calm_bytes);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn tasks(&self) -> usize {
        self.server.metrics().num_alive_tasks()
    }

    /// Number of the server's tasks once those of the newcomers have ended.
    fn settled(&self) -> usize {
        let mut least = self.tasks();
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_millis(100) {
            std::thread::sleep(Duration::from_millis(5));
            if self.tasks() < least {
                least = self.tasks();
                since = Instant::now();
            }
        }
        least
    }
}

/// The message of a panic.
fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
