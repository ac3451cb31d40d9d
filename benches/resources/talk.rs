//! What messages cost the server, beside `ws` that relays the same bytes; and what a member costs its
//! neighbours who says, and changes its name and profile, as fast as it can.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use futures_util::stream::{self, TryStreamExt as _};
use futures_util::{SinkExt as _, StreamExt as _};
use gpys::client::{Client, Connector, Event, Options, Transport, Trust};
use gpys::proto::wire::{ClientMessage, CloseCode, Hello, Presence, Say, ServerMessage, To};
use gpys_latency::peers::{self, Peer};
use gpys_latency::place::Place;
use gpys_latency::servers::{Certificates, Server};
use gpys_testkit::process::Process;
use hdrhistogram::Histogram;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::bar::Bar;
use crate::idle::DOOR;
use crate::watchers::{Ages, SHARERS, share};

/// People in the room, who all hear everything.
const PEOPLE: usize = 200;
/// Messages a second, of all of them: a room may have 20,000 deliveries a second.
const RATE: u32 = 95;
/// Bytes of a message's body: a line of chat.
const BODY: usize = 64;
/// Rounds, in each of which every system has its turn.
const ROUNDS: usize = 3;
const PORT: u16 = 4437;
/// Until the cost of the handshakes is over.
const SETTLE: Duration = Duration::from_secs(2);
const LASTS: Duration = Duration::from_secs(6);
/// The highest cost of a delivery, and the highest age beside a flood, as a ratio.
const COST: f64 = 1.0;
const FLOODED: f64 = 1.5;

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Reliable(Transport),
    Latest(Transport),
    Ws,
}

impl Way {
    const ALL: [Self; 5] = [
        Self::Ws,
        Self::Reliable(Transport::WebTransport),
        Self::Reliable(Transport::WebSocket),
        Self::Latest(Transport::WebTransport),
        Self::Latest(Transport::WebSocket),
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Reliable(Transport::WebTransport) => "reliable, WebTransport",
            Self::Reliable(Transport::WebSocket) => "reliable, WebSocket",
            Self::Latest(Transport::WebTransport) => "latest, WebTransport",
            Self::Latest(Transport::WebSocket) => "latest, WebSocket",
            Self::Ws => "ws",
        }
    }
}

pub async fn measure(share: usize) -> Result<Vec<Bar>> {
    let mut bars = Vec::new();
    if peers::installed() {
        bars.extend(costs(PEOPLE / share).await?);
    } else {
        bars.push(Bar::note("messages beside ws", "run npm ci in benches/peers".into()));
    }
    bars.extend(flood().await?);
    Ok(bars)
}

/// A server's processor time for each delivered message, in µs.
async fn costs(people: usize) -> Result<Vec<Bar>> {
    let certificates = Certificates::new(Place::Loopback.server_address())?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut round = Vec::new();
        for way in Way::ALL {
            round.push(cost(&certificates, way, people).await?);
        }
        rounds.push(round);
    }
    let mut bars = Vec::new();
    for (index, way) in Way::ALL.into_iter().enumerate() {
        let mut each: Vec<f64> = rounds.iter().map(|round| round[index]).collect();
        let mut ratios: Vec<f64> = rounds.iter().map(|round| round[index] / round[0]).collect();
        each.sort_unstable_by(f64::total_cmp);
        ratios.sort_unstable_by(f64::total_cmp);
        let what = format!("a message delivered in a room of {people}, {}", way.name());
        let middle = ROUNDS / 2;
        let measured = format!("{:.2} µs of the server's processor", each[middle]);
        if way == Way::Ws {
            bars.push(Bar::note(what, measured));
            continue;
        }
        let (least, most) = (ratios[0], ratios[ROUNDS - 1]);
        let measured = format!("{measured}; {:.2} ({least:.2} to {most:.2}) of ws", ratios[middle]);
        // What goes by the latest-wins lane is an extra, without a bar.
        let is_met = matches!(way, Way::Latest(_)) || ratios[middle] <= COST;
        let bar = if matches!(way, Way::Latest(_)) { "" } else { "at most 1.0 of ws" };
        bars.push(Bar::fact(what, bar, measured, is_met));
    }
    Ok(bars)
}

/// Somebody in the room.
enum Speaker {
    Client(Arc<Client>, Way),
    Socket { says: tokio::sync::mpsc::UnboundedSender<Message>, driver: JoinHandle<()> },
}

impl Speaker {
    fn say(&self, topic: usize) -> Result<()> {
        let say = Say { to: To::Room, topic: format!("chat/{topic}"), body: vec![b'x'; BODY] };
        match self {
            Self::Client(client, Way::Latest(_)) => client.say_latest(say)?,
            Self::Client(client, _) => client.say(say)?,
            Self::Socket { says, .. } => {
                says.send(Message::binary(ClientMessage::Say(say).encode()))?;
            }
        }
        Ok(())
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        if let Self::Socket { driver, .. } = self {
            driver.abort();
        }
    }
}

async fn cost(certificates: &Certificates, way: Way, people: usize) -> Result<f64> {
    let place = Place::Loopback;
    let server = match way {
        Way::Ws => Server::peer(&place, Peer::Ws, certificates, false)?,
        _ => Server::gpys(&place, certificates, PORT, 30, false)?,
    };
    let heard = Arc::new(AtomicU64::new(0));
    let speakers = match way {
        Way::Ws => {
            let joins = (0..people).map(|_| dial(&server, certificates, &heard));
            stream::iter(joins).buffered(DOOR).try_collect::<Vec<_>>().await?
        }
        Way::Reliable(transport) | Way::Latest(transport) => {
            let url = format!("https://{}", server.address);
            let connector = Connector::new(&url, Trust::Public).await?;
            let joins = (0..people).map(|_| join(&connector, transport, way, &heard));
            stream::iter(joins).buffered(DOOR).try_collect::<Vec<_>>().await?
        }
    };
    tokio::time::sleep(SETTLE).await;
    let mut turns = tokio::time::interval(Duration::from_secs(1) / RATE);
    let (before, begun) = (server.cpu_time()?, Instant::now());
    let already = heard.load(Ordering::Relaxed);
    let mut said = 0;
    while begun.elapsed() < LASTS {
        turns.tick().await;
        speakers[said % people].say(said % 2)?;
        said += 1;
    }
    // What is under way arrives.
    tokio::time::sleep(SETTLE / 4).await;
    let busy = server.cpu_time()?.saturating_sub(before);
    let delivered = heard.load(Ordering::Relaxed) - already;
    let expected = said as u64 * (people as u64 - 1);
    ensure!(delivered * 100 >= expected * 99, "{}: {delivered} of {expected} came", way.name());
    Ok(busy.as_secs_f64() * 1e6 / delivered as f64)
}

async fn join(
    connector: &Connector,
    transport: Transport,
    way: Way,
    heard: &Arc<AtomicU64>,
) -> Result<Speaker> {
    let heard = Arc::clone(heard);
    let events = move |event: Event<'_>| {
        if matches!(event, Event::Message(ServerMessage::Said(_)) | Event::Said { .. }) {
            heard.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (presence, events) = (Presence::Watching, Some(Box::new(events) as _));
    let options = Options { transport, presence, events, ..Options::default() };
    Ok(Speaker::Client(Arc::new(connector.connect(options).await?), way))
}

/// A client of the relay, which sends everybody everything, its sender's number before it.
async fn dial(
    server: &Server,
    certificates: &Certificates,
    heard: &Arc<AtomicU64>,
) -> Result<Speaker> {
    let tcp = TcpStream::connect(server.address).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::from(server.address.ip());
    let stream = certificates.connector().connect(name, tcp).await?;
    let request = format!("wss://{}/", server.address).into_client_request()?;
    let (mut sink, mut stream) = client_async(request, stream).await?.0.split();
    let (says, mut queue) = tokio::sync::mpsc::unbounded_channel::<Message>();
    let heard = Arc::clone(heard);
    let driver = tokio::spawn(async move {
        loop {
            tokio::select! {
                say = queue.recv() => {
                    let Some(say) = say else { return };
                    if sink.send(say).await.is_err() {
                        return;
                    }
                }
                message = stream.next() => {
                    let Some(Ok(_)) = message else { return };
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    Ok(Speaker::Socket { says, driver })
}

/// The ages that fifty sharers see, calm and beside a flood, in turns.
async fn flood() -> Result<Vec<Bar>> {
    let server = Process::start(&["--handshakes-per-address", "100000"])?;
    let connector = Connector::new(&server.url(), Trust::Public).await?;
    let ages: Ages = Arc::new(Mutex::new(Histogram::new_with_bounds(1, 600_000, 3)?));
    let sharers = join_all((0..SHARERS).map(|index| share(&connector, index, &ages))).await;
    let sharers: Vec<Arc<Client>> = sharers.into_iter().collect::<Result<_>>()?;
    tokio::time::sleep(SETTLE).await;
    let closings = Arc::new(AtomicU64::new(0));
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let calm = p99(&ages).await;
        let flooding = tokio::spawn(talk(server.http, Arc::clone(&closings)));
        let flooded = p99(&ages).await;
        ensure!(!flooding.is_finished(), "the flood ended: {:?}", flooding.await);
        flooding.abort();
        ratios.push(flooded / calm);
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let limit = |name| server.metric(&format!("gpys_limits_hit_total{{limit=\"{name}\"}}"));
    let counted = limit("messages")? + limit("says")?;
    let closings = closings.load(Ordering::Relaxed);
    drop(sharers);
    let measured = format!("{counted} messages; closed as too fast {closings} times");
    let is_met = counted > 0.0 && closings > 0;
    let what = "age p99 of 50 sharers, beside a member's flood / calm";
    Ok(vec![
        Bar::at_most(what, FLOODED, ratios[ROUNDS / 2], "x"),
        Bar::fact("the flood", "counted and closed", measured, is_met),
    ])
}

/// The age p99 that the sharers see from now on, in ms.
async fn p99(ages: &Ages) -> f64 {
    ages.lock().unwrap_or_else(PoisonError::into_inner).reset();
    tokio::time::sleep(LASTS).await;
    let ages = ages.lock().unwrap_or_else(PoisonError::into_inner);
    ages.value_at_quantile(0.99).max(1) as f64
}

/// A member that talks as fast as its socket takes it, and comes back whenever it is closed. Not the
/// client of this project, which keeps to the limits by itself.
async fn talk(address: SocketAddr, closings: Arc<AtomicU64>) -> Result<()> {
    let say = Say { to: To::Room, topic: "flood".into(), body: vec![b'x'; 512] };
    let messages = [
        ClientMessage::Say(say.clone()).encode(),
        say.encode_datagram(0),
        ClientMessage::Profile(format!("\"{}\"", "x".repeat(500))).encode(),
        ClientMessage::Name("flood".into()).encode(),
    ];
    loop {
        let tcp = TcpStream::connect(address).await?;
        let request = format!("ws://{address}/ws").into_client_request()?;
        let (mut sink, mut stream) = client_async(request, tcp).await?.0.split();
        let hello = ClientMessage::Hello(Hello::new("lobby")).encode();
        sink.send(Message::binary(hello)).await?;
        let flood = async {
            // Ends when the server has closed the socket.
            for message in messages.iter().cycle() {
                if sink.send(Message::binary(message.clone())).await.is_err() {
                    return;
                }
            }
        };
        let told = async {
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Close(Some(frame)) = message {
                    return u16::from(frame.code) == CloseCode::TooFast.websocket();
                }
            }
            false
        };
        let (is_told, ()) = tokio::join!(told, flood);
        closings.fetch_add(u64::from(is_told), Ordering::Relaxed);
    }
}
