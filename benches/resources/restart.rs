//! Stopping with a thousand peers: all are told to come back, the server ends in time, and all
//! are back on the one that is started in its place.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use gpys::client::{Client, Connector, Ended, Options, Transport, Trust};
use gpys::proto::wire::{CloseCode, Welcome};
use tokio::sync::Mutex;

use crate::bar::Bar;
use crate::idle::DOOR;
use gpys_testkit::process::Process;

/// Peers, half over each transport, in one room.
const PEERS: usize = 1_000;
/// The bars, in seconds: until the server has ended, and until all are back on the next one.
const STOPPED: f64 = 10.0;
const BACK: f64 = 15.0;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// After a dial that failed, like a page: this long, and a random part of as much again.
const REDIAL: Duration = Duration::from_millis(500);

/// How a peer was told to come back: how long after the server was to stop, and after what.
struct Told {
    after: Duration,
    wait: Duration,
    transport: Transport,
    welcome: Welcome,
}

pub async fn measure(share: usize) -> Result<Vec<Bar>> {
    let peers = PEERS / share;
    let dir = tempfile::tempdir()?;
    let secret = dir.path().join("identity-secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n")?;
    let secret = secret.display().to_string();
    // A server that cannot keep identities is measured without.
    let settings: Vec<&str> =
        if keeps_identities()? { vec!["--identity-secret", &secret] } else { Vec::new() };
    let mut server = Process::start(&settings)?;
    let connector = Connector::new(&server.url(), Trust::Public).await?;
    let joins = (0..peers).map(|index| join(&connector, transport(index)));
    let clients: Vec<Client> = stream::iter(joins).buffer_unordered(DOOR).try_collect().await?;

    let begun = Instant::now();
    server.terminate()?;
    let told = join_all(clients.iter().enumerate().map(|(i, client)| told(client, i, begun)));
    let ended = async {
        while server.ended()?.is_none() {
            if begun.elapsed() > PATIENCE {
                bail!("the server does not end");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(begun.elapsed())
    };
    let (told, ended) = tokio::join!(told, ended);
    let ended = ended?;
    let told: Vec<Told> = told.into_iter().flatten().collect();
    let slowest = told.iter().map(|told| told.after).max().unwrap_or_default();
    let count = told.len();

    let server = Process::start_at(server.ports(), &settings)?;
    let since_ready = Instant::now();
    let connector = Mutex::new(None);
    let back = told.into_iter().map(|told| come_back(&server, &connector, begun, told));
    let back = tokio::time::timeout(PATIENCE, join_all(back)).await?;
    let seconds = since_ready.elapsed().as_secs_f64();
    let same = back.iter().filter(|(old, new)| old.uuid == new.welcome().uuid).count();
    drop(server);
    let what = format!("clean shutdown with {peers} peers");
    let mut bars = vec![
        Bar::at_most(format!("{what}: until it has ended"), STOPPED, ended.as_secs_f64(), "s"),
        Bar::fact(
            format!("{what}: told to come back, and when"),
            "all",
            format!("{count}, the last after {:.1} s", slowest.as_secs_f64()),
            count == peers,
        ),
        Bar::at_most(format!("{what}: all are back on the next server"), BACK, seconds, "s"),
    ];
    let what = format!("{what}: the same uuids");
    bars.push(if settings.is_empty() {
        Bar::note(what, "not measured: this server has no setting identity-secret".into())
    } else {
        Bar::fact(what, "all", same.to_string(), same == count)
    });
    Ok(bars)
}

fn keeps_identities() -> Result<bool> {
    let mut serve = Command::new(env!("CARGO_BIN_EXE_gpys"));
    let help = serve.args(["serve", "--help"]).output()?;
    Ok(String::from_utf8_lossy(&help.stdout).contains("--identity-secret"))
}

const fn transport(index: usize) -> Transport {
    if index.is_multiple_of(2) { Transport::WebTransport } else { Transport::WebSocket }
}

async fn join(connector: &Connector, transport: Transport) -> Result<Client> {
    loop {
        match connector.connect(Options { transport, ..Options::default() }).await {
            Err(error) if error.is_transient() => tokio::time::sleep(REDIAL).await,
            connected => return Ok(connected?),
        }
    }
}

/// Waits until a link ends; gives what is needed to come back, if it was told to.
async fn told(client: &Client, index: usize, begun: Instant) -> Option<Told> {
    match tokio::time::timeout(PATIENCE, client.closed()).await.ok()? {
        Ended::Closed { code, retry_ms: Some(retry_ms), .. }
            if code == CloseCode::Restarting as u8 =>
        {
            let after = begun.elapsed();
            let wait = f64::from(retry_ms) * (1.0 + fastrand::f64());
            let (transport, welcome) = (transport(index), client.welcome().clone());
            let wait = Duration::from_secs_f64(wait / 1e3);
            Some(Told { after, wait, transport, welcome })
        }
        _ => None,
    }
}

/// Comes back as a page does; gives who the peer was, and its new link.
async fn come_back(
    server: &Process,
    connector: &Mutex<Option<Arc<Connector>>>,
    begun: Instant,
    told: Told,
) -> (Welcome, Client) {
    tokio::time::sleep((told.after + told.wait).saturating_sub(begun.elapsed())).await;
    loop {
        if let Some(connector) = known(server, connector).await {
            let resume = Some(told.welcome.token);
            let options = Options { transport: told.transport, resume, ..Options::default() };
            if let Ok(client) = connector.connect(options).await {
                return (told.welcome, client);
            }
        }
        tokio::time::sleep(REDIAL.mul_f64(1.0 + fastrand::f64())).await;
    }
}

/// How the server in the old one's place can be reached: it has other certificates.
async fn known(
    server: &Process,
    connector: &Mutex<Option<Arc<Connector>>>,
) -> Option<Arc<Connector>> {
    let mut known = connector.lock().await;
    if known.is_none() {
        *known = Connector::new(&server.url(), Trust::Public).await.ok().map(Arc::new);
    }
    known.clone()
}
