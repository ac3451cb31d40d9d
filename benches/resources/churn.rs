//! What it costs the server that somebody joins and leaves, in rooms of more and more people who
//! only watch, half over each transport: its processor time while people come and go at a steady
//! rate, less what it takes while nobody does, for each of them. They come over plain WebSockets,
//! so that handshakes hide nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use gpys::client::{Client, Connector, Options, Transport, Trust};
use gpys::proto::wire::Presence;

use crate::bar::Bar;
use crate::idle::DOOR;
use gpys_testkit::process::Process;

/// People in the room, one number after the other.
const PEOPLE: [usize; 3] = [100, 400, 1_600];
/// Who comes and goes each second, and for how long.
const RATE: u32 = 100;
const LASTS: Duration = Duration::from_secs(8);
/// Until what the handshakes took is over.
const SETTLE: Duration = Duration::from_secs(3);

pub async fn measure(share: usize) -> Result<Vec<Bar>> {
    let mut bars = Vec::new();
    for people in PEOPLE {
        let people = people / share;
        let (each, calm) = cost(people).await?;
        let what = format!("processor time for one join and leave in a room of {people}");
        let measured =
            format!("{:.0} µs; {:.1} % of a core while nobody comes", each, calm * 100.0);
        bars.push(Bar::note(what, measured));
    }
    Ok(bars)
}

/// Microseconds for each who comes and goes, and the share of a core that the room takes anyway.
async fn cost(people: usize) -> Result<(f64, f64)> {
    let server = Process::start(&["--handshakes-per-address", "100000"])?;
    let connector = Connector::new(&server.url(), Trust::Public).await?;
    let crowd = (0..people).map(|index| {
        let transport = [Transport::WebTransport, Transport::WebSocket][index % 2];
        join(&connector, transport, format!("somebody {index}"))
    });
    let crowd: Vec<Client> = stream::iter(crowd).buffer_unordered(DOOR).try_collect().await?;
    tokio::time::sleep(SETTLE).await;
    let before = server.processor_time()?;
    tokio::time::sleep(LASTS).await;
    let calm = server.processor_time()?.saturating_sub(before).as_secs_f64() / LASTS.as_secs_f64();

    let door = Arc::new(Connector::new(&format!("http://{}", server.http), Trust::Public).await?);
    let (begun, before) = (Instant::now(), server.processor_time()?);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut comers = Vec::new();
    while begun.elapsed() < LASTS {
        ticks.tick().await;
        let door = Arc::clone(&door);
        comers.push(tokio::spawn(async move {
            let client = join(&door, Transport::WebSocket, "passer-by".to_owned()).await?;
            client.leave().await;
            anyhow::Ok(())
        }));
    }
    let count = comers.len() as f64;
    try_join_all(comers).await?.into_iter().collect::<Result<()>>()?;
    let took = server.processor_time()?.saturating_sub(before).as_secs_f64();
    let each = (took - calm * begun.elapsed().as_secs_f64()) / count;
    drop(server);
    drop(crowd);
    Ok((each * 1e6, calm))
}

async fn join(connector: &Connector, transport: Transport, name: String) -> Result<Client> {
    let presence = Presence::Watching;
    let options = Options { transport, name, presence, ..Options::default() };
    Ok(connector.connect(options).await?)
}
