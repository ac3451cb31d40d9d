//! Stopping with a thousand peers: all must be asked to reconnect, the server must stop in time,
//! and all must return to its successor.

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

/// Number of peers, half over each transport, in one room.
const PEERS: usize = 1_000;
/// The bars, in seconds: until the server has exited, and until all are back on its successor.
const STOPPED: f64 = 10.0;
const BACK: f64 = 15.0;
/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(60);
/// The delay after a failed dial, as in the page: this long, and a random part of as much again.
const REDIAL: Duration = Duration::from_millis(500);

/// How a peer was asked to reconnect: how long after the stop, and with what.
struct Farewell {
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

    let started = Instant::now();
    server.terminate()?;
    let farewell =
        join_all(clients.iter().enumerate().map(|(i, client)| farewell(client, i, started)));
    let ended = async {
        while server.ended()?.is_none() {
            if started.elapsed() > PATIENCE {
                bail!("the server did not exit");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(started.elapsed())
    };
    let (farewell, ended) = tokio::join!(farewell, ended);
    let ended = ended?;
    let farewell: Vec<Farewell> = farewell.into_iter().flatten().collect();
    let slowest = farewell.iter().map(|farewell| farewell.after).max().unwrap_or_default();
    let count = farewell.len();

    let server = Process::start_at(server.ports(), &settings)?;
    let since_ready = Instant::now();
    let connector = Mutex::new(None);
    let back =
        farewell.into_iter().map(|farewell| come_back(&server, &connector, started, farewell));
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

/// Waits until a link ends. Returns what is needed to reconnect, if the server asked for it.
async fn farewell(client: &Client, index: usize, started: Instant) -> Option<Farewell> {
    match tokio::time::timeout(PATIENCE, client.closed()).await.ok()? {
        Ended::Closed { code, retry_ms: Some(retry_ms), .. }
            if code == CloseCode::Restarting as u8 =>
        {
            let after = started.elapsed();
            let wait = f64::from(retry_ms) * (1.0 + fastrand::f64());
            let (transport, welcome) = (transport(index), client.welcome());
            let wait = Duration::from_secs_f64(wait / 1e3);
            Some(Farewell { after, wait, transport, welcome })
        }
        _ => None,
    }
}

/// Reconnects as a page does. Returns who the peer was, and its new link.
async fn come_back(
    server: &Process,
    connector: &Mutex<Option<Arc<Connector>>>,
    started: Instant,
    farewell: Farewell,
) -> (Welcome, Client) {
    tokio::time::sleep((farewell.after + farewell.wait).saturating_sub(started.elapsed())).await;
    loop {
        if let Some(connector) = known(server, connector).await {
            let resume = Some(farewell.welcome.token);
            let options = Options { transport: farewell.transport, resume, ..Options::default() };
            if let Ok(client) = connector.connect(options).await {
                return (farewell.welcome, client);
            }
        }
        tokio::time::sleep(REDIAL.mul_f64(1.0 + fastrand::f64())).await;
    }
}

/// The connector to the server's successor, which has other certificates; `None` until it answers.
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
