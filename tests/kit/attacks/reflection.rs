//! Reflection: an attacker puts another's address on packets, so that the server answers there. It
//! may send at most three times what came (RFC 9000, sections 8 and 9.3), to the byte.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gpys::proto::wire::{ClientMessage, CloseCode};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use wtransport::quinn::ClientConfig;

use crate::attacks::arena::{Attack, Target, failure, limit, stray};
use crate::attacks::quic::{Quic, Session, client, endpoint, transport};
use crate::attacks::tools::{hello_to, patiently};

/// How many bytes the server may send an unproven address for each one received.
const AMPLIFICATION: usize = 3;
/// How long the server repeats itself to a silent client: until its deadline.
const LISTEN: Duration = Duration::from_secs(6);
/// The pause between an attacker's packets, to stay below the datagram limits.
const PAUSE: Duration = Duration::from_millis(10);

/// A UDP socket on a new address.
pub async fn socket() -> UdpSocket {
    UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap()
}

/// The first packet of a real client with this configuration.
pub async fn initial(config: ClientConfig) -> Vec<u8> {
    let sink = socket().await;
    let endpoint = endpoint();
    let connecting = endpoint.connect_with(config, sink.local_addr().unwrap(), "localhost");
    let connecting = connecting.unwrap();
    let mut packet = vec![0; 2_048];
    let length = patiently("a first packet", sink.recv(&mut packet)).await.unwrap();
    packet.truncate(length);
    drop(connecting);
    packet
}

/// An owner of an address who sent nothing of what the server attributes to it.
struct Victim {
    socket: UdpSocket,
    /// Bytes that the attacker sent in its name.
    sent: usize,
    /// Bytes that the server sent in return.
    received: usize,
}

impl Victim {
    async fn of(target: &Target) -> Self {
        let socket = socket().await;
        socket.connect(target.udp).await.unwrap();
        Self { socket, sent: 0, received: 0 }
    }

    /// Sends a packet in the victim's name.
    async fn forge(&mut self, packet: &[u8]) {
        self.socket.send(packet).await.unwrap();
        self.sent += packet.len();
    }

    /// Takes what has arrived, and asserts that it is not too much.
    fn check(&mut self) {
        let mut packet = [0; 2_048];
        while let Ok(length) = self.socket.try_recv(&mut packet) {
            self.received += length;
        }
        let Self { sent, received, .. } = self;
        assert!(*received <= AMPLIFICATION * *sent, "{received} bytes for {sent}");
    }
}

/// Whose address is put on packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgery {
    /// None: they pass unchanged.
    None,
    /// A new victim's for each packet.
    Each,
    /// One victim's for all.
    One,
    /// By turns one victim's and the attacker's own.
    InTurn,
}

/// A relay between a real client and the server that puts other addresses on the client's packets.
struct Relay {
    address: SocketAddr,
    forgery: Arc<Mutex<Forgery>>,
    victims: Arc<tokio::sync::Mutex<Vec<Victim>>>,
    task: JoinHandle<()>,
}

impl Relay {
    async fn open(target: &Target) -> Self {
        let (near, far) = (socket().await, socket().await);
        far.connect(target.udp).await.unwrap();
        let address = near.local_addr().unwrap();
        let forgery = Arc::new(Mutex::new(Forgery::None));
        let victims = Arc::new(tokio::sync::Mutex::new(Vec::new()));
        let (mode, forged) = (Arc::clone(&forgery), Arc::clone(&victims));
        let target = Target { ..*target };
        let task = tokio::spawn(async move {
            let (mut up, mut down) = ([0; 2_048], [0; 2_048]);
            let (mut client, mut count) = (None, 0_u32);
            loop {
                tokio::select! {
                    Ok((length, from)) = near.recv_from(&mut up) => {
                        client = Some(from);
                        let packet = &up[..length];
                        let mode = *mode.lock().unwrap_or_else(PoisonError::into_inner);
                        count += 1;
                        if mode == Forgery::None || mode == Forgery::InTurn && count.is_multiple_of(2) {
                            drop(far.send(packet).await);
                            continue;
                        }
                        let mut victims = forged.lock().await;
                        if victims.is_empty() || mode == Forgery::Each {
                            victims.push(Victim::of(&target).await);
                        }
                        victims.last_mut().unwrap().forge(packet).await;
                    }
                    Ok(length) = far.recv(&mut down) => {
                        if let Some(client) = client {
                            drop(near.send_to(&down[..length], client).await);
                        }
                    }
                }
            }
        });
        Self { address, forgery, victims, task }
    }

    fn forge(&self, forgery: Forgery) {
        *self.forgery.lock().unwrap_or_else(PoisonError::into_inner) = forgery;
    }
}

/// A client in a room says little and often, in others' names.
fn forges(name: &str, forgery: Forgery) -> Attack {
    let attack = Attack::new(format!("reflection::{name}"), async move |target| {
        let relay = Relay::open(target).await;
        let quic = Quic::through(relay.address, client(transport())).await;
        let mut session = Session::over(quic, target).await;
        session.hello(&hello_to("reflection", None)).await;
        session.answers().await;
        relay.forge(forgery);
        for _ in 0..150 {
            // A kind of datagram that the server ignores.
            session.datagram(&[0x7F]);
            tokio::time::sleep(PAUSE).await;
        }
        relay.forge(Forgery::None);
        // The attacker's own address still works.
        session.answers().await;
        let mut victims = relay.victims.lock().await;
        assert!(victims.len() > if forgery == Forgery::Each { 100 } else { 0 }, "no victims");
        victims.iter_mut().for_each(Victim::check);
        session.message(&ClientMessage::Leave.encode()).await;
        session.ends().await.is(CloseCode::Bye);
        relay.task.abort();
    });
    attack.counted(limit("unproven_address"))
}

/// A client of which only the first packet reaches the server, this many times.
fn begins(name: &str, times: usize) -> Attack {
    let attack = Attack::new(format!("reflection::{name}"), async move |target| {
        let packet = initial(client(transport())).await;
        let mut victim = Victim::of(target).await;
        for _ in 0..times {
            victim.forge(&packet).await;
        }
        tokio::time::sleep(LISTEN).await;
        victim.check();
        assert!(victim.received > 0, "the server did not answer");
    });
    attack.counted_among([stray("initial"), failure("quic_timeout")])
}

/// All attacks with forged addresses.
pub fn attacks() -> Vec<Attack> {
    vec![
        forges("a_new_address_with_each_packet", Forgery::Each),
        forges("another_address_and_many_small_packets", Forgery::One),
        forges("two_addresses_in_turn", Forgery::InTurn),
        begins("a_first_packet_with_an_unread_answer", 1),
        begins("a_first_packet_over_and_over", 3),
        Attack::new("reflection::many_first_packets_of_one_address", async |target| {
            let mut victim = Victim::of(target).await;
            for _ in 0..10 {
                victim.forge(&initial(client(transport())).await).await;
            }
            tokio::time::sleep(LISTEN).await;
            victim.check();
        })
        .counted(stray("initial")),
    ]
}
