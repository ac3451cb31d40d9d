//! A peer at any server: takes and sends samples, and receives those of others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use gpys::client::{Client, Connector, Event, Options, Reading as ClientReading, Transport, Trust};
use gpys::proto::pose::Pose;
use gpys::proto::time::Time;
use gpys::proto::view::View;
use gpys::proto::wire::{Hello, Presence, ResumeToken};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::board::Board;
use crate::peers::Peer;
use crate::thin::{self, Carrier, Observer};
use crate::track::{Reading, viewport};
use crate::webrtc::Clients;

/// How long a connection and its greeting may take.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The interval between dials of a client that was refused.
const REDIALS: u32 = 3;
/// How much slower samples come than their rate says. Otherwise they would stay in phase with the
/// server's ticks for a whole run, and its figures would depend on the luck of the first sample.
const SLOWER: f64 = 1.003;
/// The budget that a client asks for, in bytes of frames per second: the default may be less than a
/// room needs in which every peer moves at 60 Hz, and this benchmark is not about the budget.
const BUDGET: u32 = 1 << 20;

/// A server, and how to reach it.
#[derive(Clone)]
pub enum Entrance {
    /// GPyS, or a server that speaks its protocol.
    Gpys { server: Arc<Connector>, transport: Transport, shared: Arc<thin::Shared> },
    /// The conventional server, by a client that is the same for every carrier.
    Carrier { server: Arc<Connector>, carrier: Carrier, shared: Arc<thin::Shared> },
    /// A server over WebRTC, by the process that has its clients.
    WebRtc(Arc<Clients>),
    /// A compared server.
    Peer { peer: Peer, address: SocketAddr, tls: TlsConnector },
}

impl Entrance {
    /// An entrance to the server at `url`.
    pub async fn gpys(url: &str, transport: Transport, tls: TlsConnector) -> Result<Self> {
        let server = Arc::new(Connector::new(url, Trust::Public).await?);
        Ok(Self::Gpys { server, transport, shared: Arc::new(thin::Shared::new(tls)) })
    }

    /// An entrance to the conventional server at `url`.
    pub async fn carrier(url: &str, carrier: Carrier, tls: TlsConnector) -> Result<Self> {
        let server = Arc::new(Connector::new(url, Trust::Public).await?);
        Ok(Self::Carrier { server, carrier, shared: Arc::new(thin::Shared::new(tls)) })
    }
}

/// A connected peer.
pub struct Attendee {
    pub person: u32,
    /// When it dialled, on the board's clock, in us.
    pub dialled: u64,
    line: Line,
    walking: Option<JoinHandle<()>>,
}

enum Line {
    Gpys(Arc<Client>),
    /// A thin client, or a client of a compared server.
    Thin {
        readings: mpsc::UnboundedSender<Reading>,
        driver: JoinHandle<()>,
    },
}

/// How a peer behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// Samples per second; 0 to watch only.
    pub hz: u32,
    /// Whether frames are decoded. A large load that decoded everything would measure itself.
    pub sees: bool,
    /// Whether to wait for [`Attendee::walk`] before taking samples.
    pub waits: bool,
}

impl Attendee {
    /// Dials, and starts taking samples once welcomed.
    pub async fn join(
        entrance: &Entrance,
        board: &Arc<Board>,
        room: &str,
        person: u32,
        manners: Manners,
    ) -> Result<Self> {
        let dialled = board.now();
        let line = match entrance {
            Entrance::Gpys { server, transport, shared } if !manners.sees => {
                let hello = hello(room, person);
                welcomed(thin::dial(server, (*transport).into(), shared, hello, None)).await?
            }
            Entrance::Carrier { server, carrier, shared } => {
                let (hello, observer) = (hello(room, person), observer(board, person, manners));
                welcomed(thin::dial(server, *carrier, shared, hello, observer)).await?
            }
            Entrance::WebRtc(clients) => {
                let (hello, observer) = (hello(room, person), observer(board, person, manners));
                let client = u16::try_from(person)?;
                welcomed(clients.dial(client, hello, observer)).await?
            }
            Entrance::Gpys { .. } => {
                Line::Gpys(dial_gpys(entrance, board, room, person, manners, None).await?)
            }
            Entrance::Peer { peer, address, tls } => {
                let joined = dial_relay(*peer, *address, tls, board, person, manners.sees);
                tokio::time::timeout(PATIENCE, joined).await.context("no greeting in time")??
            }
        };
        let mut attendee = Self { person, dialled, line, walking: None };
        if manners.hz > 0 && !manners.waits {
            attendee.walk(board, manners.hz);
        }
        Ok(attendee)
    }

    /// Takes and sends samples until dropped.
    pub fn walk(&mut self, board: &Arc<Board>, hz: u32) {
        let (board, person) = (Arc::clone(board), self.person);
        let period = Duration::from_secs_f64(SLOWER / f64::from(hz));
        // Each peer has its own phase, spread evenly (by the golden ratio).
        let phase = period.mul_f64(f64::from(person) * 0.618_034 % 1.0);
        let mut send = self.sender();
        self.walking = Some(tokio::spawn(async move {
            let mut turns = interval_at(Instant::now() + phase, period);
            turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                turns.tick().await;
                let number = board.take(person);
                send(Reading::new(person, number, Time::from_ms(board.now() / 1000)));
            }
        }));
    }

    fn sender(&self) -> Box<dyn FnMut(Reading) + Send> {
        match &self.line {
            Line::Gpys(client) => {
                let client = Arc::clone(client);
                Box::new(move |reading| {
                    let Pose { position, orientation, accuracy, .. } = reading.pose();
                    client.send(ClientReading { position, orientation, accuracy });
                })
            }
            Line::Thin { readings, .. } => {
                let readings = readings.clone();
                // A lost connection is noticed by `is_connected`.
                Box::new(move |reading| {
                    let _ = readings.send(reading);
                })
            }
        }
    }

    /// Whether the connection is still up.
    pub fn is_connected(&self) -> bool {
        match &self.line {
            Line::Gpys(client) => futures_util::FutureExt::now_or_never(client.closed()).is_none(),
            Line::Thin { driver, .. } => !driver.is_finished(),
        }
    }

    /// The resume token, which only full GPyS clients have.
    pub fn token(&self) -> Option<ResumeToken> {
        match &self.line {
            Line::Gpys(client) => Some(client.welcome().token),
            Line::Thin { .. } => None,
        }
    }

    /// Resumes over another link, as a page does whose transport failed.
    pub async fn switch(
        &mut self,
        entrance: &Entrance,
        board: &Arc<Board>,
        room: &str,
        manners: Manners,
    ) -> Result<()> {
        let Some(token) = self.token() else { bail!("this server cannot resume") };
        if let Some(walking) = self.walking.take() {
            walking.abort();
        }
        let client = dial_gpys(entrance, board, room, self.person, manners, Some(token)).await?;
        self.line = Line::Gpys(client);
        self.walk(board, manners.hz);
        Ok(())
    }

    /// Leaves for good.
    pub async fn leave(mut self) {
        if let Some(walking) = self.walking.take() {
            walking.abort();
        }
        match &self.line {
            Line::Gpys(client) => client.leave().await,
            Line::Thin { driver, .. } => driver.abort(),
        }
    }
}

impl Drop for Attendee {
    fn drop(&mut self) {
        if let Some(walking) = &self.walking {
            walking.abort();
        }
    }
}

fn hello(room: &str, person: u32) -> Hello {
    Hello { name: format!("p{person}"), budget: BUDGET, ..Hello::new(room) }
}

fn observer(board: &Arc<Board>, person: u32, manners: Manners) -> Option<Observer> {
    let board = Arc::clone(board);
    manners.sees.then(|| Observer { board, person, view: View::default() })
}

/// Waits for a thin client's welcome, but not for ever.
async fn welcomed(
    joined: impl Future<Output = Result<(mpsc::UnboundedSender<Reading>, JoinHandle<()>)>>,
) -> Result<Line> {
    let joined = tokio::time::timeout(PATIENCE, joined).await;
    let (readings, driver) = joined.context("no welcome in time")??;
    Ok(Line::Thin { readings, driver })
}

async fn dial_gpys(
    entrance: &Entrance,
    board: &Arc<Board>,
    room: &str,
    person: u32,
    manners: Manners,
    resume: Option<ResumeToken>,
) -> Result<Arc<Client>> {
    let Entrance::Gpys { server, transport, .. } = entrance else {
        bail!("not an entrance to GPyS");
    };
    let mut tries = 0;
    loop {
        let theirs = Arc::clone(board);
        let events = manners.sees.then(|| -> gpys::client::Events {
            Box::new(move |event| {
                if let Event::Figure { figure, .. } = event {
                    theirs.see(person, figure.position);
                }
            })
        });
        let client = server.connect(Options {
            transport: *transport,
            room: room.to_owned(),
            name: format!("p{person}"),
            presence: if manners.hz > 0 { Presence::Sharing } else { Presence::Watching },
            resume,
            budget: BUDGET,
            viewport: Some(viewport()),
            redials: true,
            events,
            ..Options::default()
        });
        match client.await {
            Ok(client) => return Ok(Arc::new(client)),
            // A refused client dials again, like the page; the time counts.
            Err(_) if tries < REDIALS => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn dial_relay(
    peer: Peer,
    address: SocketAddr,
    tls: &TlsConnector,
    board: &Arc<Board>,
    person: u32,
    sees: bool,
) -> Result<Line> {
    let mut relay = peer.relay(person);
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let stream = tls.connect(ServerName::from(address.ip()), tcp).await?;
    let request = format!("wss://{address}{}", relay.path()).into_client_request()?;
    let (socket, _) = client_async(request, stream).await?;
    let (mut sink, mut stream) = socket.split();
    let (readings, mut queue) = mpsc::unbounded_channel();
    let (ready, greeted) = oneshot::channel();
    let board = Arc::clone(board);
    let driver = tokio::spawn(async move {
        let mut ready = Some(ready);
        loop {
            let message: Message = tokio::select! {
                reading = queue.recv() => {
                    let Some(reading) = reading else { return };
                    relay.encode(&reading)
                }
                message = stream.next() => {
                    let Some(Ok(message)) = message else { return };
                    if !sees && relay.ready() && ready.is_none() {
                        continue;
                    }
                    let now = Time::from_ms(board.now() / 1000);
                    let mut seen = |position| if sees { board.see(person, position) };
                    let Ok(answer) = relay.decode(&message, now, &mut seen) else { return };
                    if relay.ready() && let Some(ready) = ready.take() {
                        // The dial may have been given up.
                        let _ = ready.send(());
                    }
                    let Some(answer) = answer else { continue };
                    answer
                }
            };
            if sink.send(message).await.is_err() {
                return;
            }
        }
    });
    let line = Line::Thin { readings, driver };
    if !peer.relay(person).ready() {
        greeted.await.context("the server closed the connection")?;
    }
    Ok(line)
}
