//! Two thousand concurrent handshakes from one address while peers in a room see each other move:
//! they must not notice, the limit must be counted, and a newcomer must soon be admitted.
//!
//! The attackers are a separate process of the lowest priority, because in reality their half of
//! the handshakes is not this computer's work.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use gpys::client::{Client, Connector, Event, Options, Reading, Transport, Trust};
use gpys::proto::geo::{Position, Viewport};
use gpys::proto::pose::Accuracy;
use hdrhistogram::Histogram;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::bar::Bar;
use gpys_testkit::attacks::quic::{client, endpoint, transport};
use gpys_testkit::attacks::tools::tls;
use gpys_testkit::process::Process;

/// Number of concurrent handshakes, half over each transport.
const HANDSHAKES: usize = 2_000;
/// Number of bystanders.
const PEOPLE: usize = 20;
/// The interval between their steps.
const STEP: Duration = Duration::from_millis(100);
/// Length of the calm period before the attack, for comparison.
const CALM: Duration = Duration::from_secs(5);
/// How long an attacker waits for its handshake.
const PATIENCE: Duration = Duration::from_secs(8);
/// The bars: how soon a newcomer is admitted, and how much older what peers see may be.
const AGAIN: f64 = 5.0;
const OLDER: f64 = 1.5;
/// How much calm ages in a classroom differ from run to run: a tick, in ms.
const TICK_MS: u64 = 34;

/// Ages in calm, and under attack.
type Ages = Arc<(AtomicUsize, Mutex<[Histogram<u64>; 2]>)>;

pub async fn measure(share: usize) -> Result<Vec<Bar>> {
    let server = Process::start(&["--limit-local"])?;
    let connector = Connector::new(&server.url(), Trust::Public).await?;
    let histogram = || Histogram::new_with_bounds(1, 600_000, 3).expect("these bounds are valid");
    let ages: Ages = Arc::new((AtomicUsize::new(2), Mutex::new([histogram(), histogram()])));
    let people = join_all((0..PEOPLE).map(|index| walk(&connector, index, &ages))).await;
    let people: Vec<Arc<Client>> = people.into_iter().collect::<Result<_>>()?;
    tokio::time::sleep(CALM / 2).await;
    ages.0.store(0, Ordering::Relaxed);
    tokio::time::sleep(CALM).await;

    let count = HANDSHAKES / share;
    ages.0.store(1, Ordering::Relaxed);
    let begun = Instant::now();
    let attackers = attackers(&server, count)?;
    let attackers = tokio::task::spawn_blocking(move || attackers.wait_with_output());
    let newcomer = async {
        // A newcomer among the attackers is one of them; what counts is one who comes after them.
        tokio::time::sleep(Duration::from_secs(1)).await;
        loop {
            let options = Options { transport: Transport::WebSocket, ..Options::default() };
            if let Ok(Ok(client)) = timeout(PATIENCE, connector.connect(options)).await {
                client.leave().await;
                return begun.elapsed();
            }
            tokio::time::sleep(STEP).await;
        }
    };
    let (output, again) = tokio::join!(attackers, newcomer);
    ages.0.store(2, Ordering::Relaxed);
    let said = String::from_utf8(output??.stdout)?;
    let hits = server.metric(r#"gpys_limits_hit_total{limit="handshakes_per_address"}"#)?
        + server.metric(r#"gpys_limits_hit_total{limit="connections_per_address"}"#)?;
    let away = people.iter().filter(|client| is_gone(client)).count();
    let [calm, busy] = {
        let ages = ages.1.lock().unwrap_or_else(PoisonError::into_inner);
        ages.each_ref().map(|ages| ages.value_at_quantile(0.99))
    };
    let what = format!("{count} handshakes at once from one address");
    let allowed = (calm as f64 * OLDER).max((calm + TICK_MS) as f64);
    Ok(vec![
        Bar::fact(
            format!("{what}: age p99 of what people in a room see"),
            "1.5 × calm",
            format!("{busy} ms, calm {calm} ms"),
            busy as f64 <= allowed,
        ),
        Bar::fact(format!("{what}: people who lost their link"), "0", away.to_string(), away == 0),
        Bar::fact(
            format!("{what}: refused, and counted as a limit"),
            "counted",
            format!("{hits}; {}", said.trim()),
            hits > 0.0 || share > 1,
        ),
        Bar::at_most(
            format!("{what}: somebody new is in the room, after the first handshake"),
            AGAIN,
            again.as_secs_f64(),
            "s",
        ),
    ])
}

fn is_gone(client: &Client) -> bool {
    futures_util::FutureExt::now_or_never(client.closed()).is_some()
}

/// A peer that walks, and records how old what it sees of the others is.
async fn walk(connector: &Connector, index: usize, ages: &Ages) -> Result<Arc<Client>> {
    let (lat, lng) = (457_500_000, 143_600_000);
    let ages = Arc::clone(ages);
    let options = Options {
        transport: [Transport::WebTransport, Transport::WebSocket][index % 2],
        viewport: Some(Viewport {
            south: lat - 10_000,
            west: lng - 10_000,
            north: lat + 10_000,
            east: lng + 10_000,
            zoom: 170,
        }),
        events: Some(Box::new(move |event| {
            if let Event::Figure { figure, now, .. } = event {
                let phase = ages.0.load(Ordering::Relaxed);
                let mut ages = ages.1.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(ages) = ages.get_mut(phase) {
                    let age = u64::try_from(now.after(figure.sampled)).unwrap_or(0);
                    ages.saturating_record(age);
                }
            }
        })),
        ..Options::default()
    };
    let client = Arc::new(connector.connect(options).await?);
    let walker = Arc::downgrade(&client);
    tokio::spawn(async move {
        let mut steps = tokio::time::interval(STEP);
        for step in 0_i32.. {
            steps.tick().await;
            let Some(client) = walker.upgrade() else { return };
            let offset = (step % 100) * 50 + index as i32;
            let Ok(position) = Position::new(lat + offset, lng + offset) else { return };
            client.send(Reading { position, orientation: None, accuracy: Accuracy::UNKNOWN });
        }
    });
    Ok(client)
}

/// This program, as attackers with the lowest priority.
fn attackers(server: &Process, count: usize) -> Result<Child> {
    let mut attackers = Command::new("nice");
    attackers.args(["-n", "19"]).arg(std::env::current_exe()?).arg("--dial");
    attackers.args([server.https.to_string(), server.https.to_string(), count.to_string()]);
    attackers.stdout(Stdio::piped()).spawn().context("nice is needed")
}

/// Dials `count` times at once, half over each transport, and prints how many were answered.
pub async fn dial(https: SocketAddr, udp: SocketAddr, count: usize) -> Result<()> {
    let endpoint = endpoint();
    let quic = (0..count / 2).map(|_| {
        let connecting = endpoint.connect_with(client(transport()), udp, "localhost");
        async move { matches!(timeout(PATIENCE, connecting.ok()?).await, Ok(Ok(_))).then_some(()) }
    });
    let connector = TlsConnector::from(Arc::new(tls(b"http/1.1")));
    let sockets = (0..count - count / 2).map(|_| async {
        let shaken = async {
            let stream = TcpStream::connect(https).await.ok()?;
            let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
            connector.connect(name, stream).await.ok()
        };
        timeout(PATIENCE, shaken).await.ok()?.map(drop)
    });
    let begun = Instant::now();
    let (quic, sockets) = tokio::join!(join_all(quic), join_all(sockets));
    let [quic, sockets] = [quic, sockets].map(|all| all.iter().flatten().count());
    let seconds = begun.elapsed().as_secs_f64();
    println!("{quic} answered over QUIC and {sockets} over TCP in {seconds:.1} s");
    Ok(())
}
