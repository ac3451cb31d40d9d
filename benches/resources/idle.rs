//! Memory of an idle peer: the slope of the server's resident memory over the number of peers, with
//! a fresh server for each number. Each peer has sent one pose and stands still, in rooms of 100,
//! with a street in view.

use std::time::Duration;

use anyhow::Result;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use gpys::client::{Client, Connector, Options, Reading, Transport, Trust};
use gpys::proto::geo::{Position, Viewport};
use gpys::proto::pose::Accuracy;

use crate::bar::Bar;
use gpys_testkit::process::Process;

/// The numbers of peers, one after the other.
const PEERS: [usize; 3] = [500, 1_000, 2_000];
/// Number of peers per room.
const ROOM: usize = 100;
/// Number of concurrent dials.
pub const DOOR: usize = 32;
/// How long to wait until handshakes have been freed, and the last frames and rosters sent.
const SETTLE: Duration = Duration::from_secs(4);
/// How often a link that fails to open is retried.
const TRIES: u32 = 3;

/// The bars, in KB of 1,000 bytes.
const BARS: [(Transport, &str, f64); 2] =
    [(Transport::WebTransport, "WebTransport", 45.0), (Transport::WebSocket, "WebSocket", 15.0)];

pub async fn measure(share: usize) -> Result<Vec<Bar>> {
    let mut bars = Vec::new();
    for (transport, name, most) in BARS {
        let mut points = vec![(0.0, 0.0)];
        for peers in PEERS {
            let peers = peers / share;
            points.push((peers as f64, grown(transport, peers).await?));
        }
        let what = format!("memory per idle {name} peer");
        bars.push(Bar::at_most(what, most, slope(&points) / 1e3, "KB"));
        let each: Vec<_> = points[1..]
            .iter()
            .map(|(peers, bytes)| format!("{:.1} KB at {peers}", bytes / peers / 1e3))
            .collect();
        bars.push(Bar::note(format!("the same, {name}, at each number"), each.join(", ")));
    }
    Ok(bars)
}

/// How many bytes a fresh server grows by with this many peers.
async fn grown(transport: Transport, peers: usize) -> Result<f64> {
    let server = Process::start(&[])?;
    let connector = Connector::new(&server.url(), Trust::Public).await?;
    // What the server sets up for its very first peer does not count.
    join(&connector, transport, 0).await?.leave().await;
    tokio::time::sleep(SETTLE / 4).await;
    let before = server.rss()?;
    let joins = (0..peers).map(|index| join(&connector, transport, index));
    let clients: Vec<Client> = stream::iter(joins).buffer_unordered(DOOR).try_collect().await?;
    tokio::time::sleep(SETTLE).await;
    let after = server.rss()?;
    // The server is stopped with them; leaving would only take time.
    drop(server);
    drop(clients);
    Ok(after as f64 - before as f64)
}

async fn join(connector: &Connector, transport: Transport, index: usize) -> Result<Client> {
    let (lat, lng) = (457_500_000, 143_600_000);
    let viewport = Viewport {
        south: lat - 10_000,
        west: lng - 10_000,
        north: lat + 10_000,
        east: lng + 10_000,
        zoom: 170,
    };
    let mut tries = 0;
    let client = loop {
        let options = Options {
            transport,
            room: format!("room-{}", index / ROOM),
            name: format!("peer {index}"),
            viewport: Some(viewport),
            ..Options::default()
        };
        match connector.connect(options).await {
            Err(_) if tries < TRIES => tries += 1,
            connected => break connected?,
        }
    };
    let offset = i32::try_from(index % ROOM)? * 150;
    let position = Position::new(lat + offset - 7_500, lng)?;
    client.send(Reading { position, orientation: None, accuracy: Accuracy::UNKNOWN });
    Ok(client)
}

/// The slope of the line of best fit.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let over: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    over / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}
