//! UDP by hand: packets that are not QUIC, incomplete or repeated, and forged source addresses.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gpys::proto::wire::{ClientMessage, CloseCode, PADDING, ServerMessage, Welcome};
use wtransport::quinn::{ClientConfig, TokenStore};

use crate::attacks::arena::{Attack, Target, failure, leave, stray};
use crate::attacks::quic::{Quic, Session, client, endpoint, transport};
use crate::attacks::reflection::{initial, socket};
use crate::attacks::tools::{hello_to, patiently};

/// How many bytes the server may send an unproven address for each one received (RFC 9000, section
/// 8.1).
const AMPLIFICATION: usize = 3;
/// How long responses are counted: as long as a server repeats itself.
const LISTEN: Duration = Duration::from_millis(1_500);

/// Sends these packets from a new address. Returns the bytes sent, and those that came back
/// although none were ever answered.
async fn provoke(target: &Target, packets: &[Vec<u8>]) -> (usize, usize) {
    let socket = socket().await;
    socket.connect(target.udp).await.unwrap();
    for packet in packets {
        socket.send(packet).await.unwrap();
    }
    let mut received = 0;
    let counting = async {
        let mut packet = [0; 2_048];
        while let Ok(length) = socket.recv(&mut packet).await {
            received += length;
        }
    };
    drop(tokio::time::timeout(LISTEN, counting).await);
    (packets.iter().map(Vec::len).sum(), received)
}

/// Sends these packets and asserts that the address's real owner would have received at most
/// `times` as much. The server counts them as one of these kinds.
fn reflects(name: &str, packets: Vec<Vec<u8>>, times: usize, kind: &[&str]) -> Attack {
    let attack = Attack::new(format!("packets::{name}"), async move |target| {
        let (sent, received) = provoke(target, &packets).await;
        assert!(received <= times * sent, "{received} bytes for {sent}");
    });
    attack.counted_among(kind.iter().map(|kind| stray(kind)))
}

/// A packet with a long header of an unsupported version.
fn unknown_version(length: usize) -> Vec<u8> {
    let mut packet = vec![0xC0, 0x1A, 0x2A, 0x3A, 0x4A, 8];
    packet.extend_from_slice(b"destined");
    packet.push(8);
    packet.extend_from_slice(b"a source");
    packet.resize(length, 0);
    packet
}

/// A token that no server issued.
struct Forged;

impl TokenStore for Forged {
    fn insert(&self, _: &str, _: Bytes) {}

    fn take(&self, _: &str) -> Option<Bytes> {
        Some(Bytes::from_static(&[0x5A; 64]))
    }
}

/// All attacks with packets.
pub fn attacks() -> Vec<Attack> {
    let mut random = fastrand::Rng::with_seed(3);
    let mut noise = |length: usize, first: u8| {
        let mut packet: Vec<_> = (0..length).map(|_| random.u8(..)).collect();
        packet[0] = first;
        packet
    };
    let random_packets = (1..300).map(|length| noise(length * 4, length as u8)).collect();
    let long_headers = (7..200).map(|length| noise(length, 0xC0)).collect();
    let short_headers = (0..200).map(|_| noise(60, 0x40)).collect();
    let versions = (0..20).map(|_| unknown_version(1_200)).collect();
    let small_versions: Vec<_> = (0..20).map(|_| unknown_version(100)).collect();
    vec![
        reflects("random", random_packets, 1, &["version"]),
        reflects("random_long_headers", long_headers, 1, &["version"]),
        reflects("short_headers_of_no_connection", short_headers, 1, &["nobody"]),
        reflects("an_unsupported_version", versions, 1, &["version"]),
        reflects("a_small_packet_of_an_unsupported_version", small_versions, 0, &["version"]),
        Attack::new("packets::a_first_packet_from_a_forged_address", async |target| {
            let packet = initial(client(transport())).await;
            let (mut sent, mut received) = (0, 0);
            // Among so many others, it may not fit the server's socket buffer.
            for _ in 0..5 {
                (sent, received) = provoke(target, std::slice::from_ref(&packet)).await;
                if received > 0 {
                    break;
                }
            }
            assert!(
                received > 0 && received <= AMPLIFICATION * sent,
                "{received} bytes for {sent}"
            );
        })
        .counted(stray("initial")),
        Attack::new("packets::a_first_packet_a_hundred_times", async |target| {
            let packet = initial(client(transport())).await;
            let (sent, received) = provoke(target, &vec![packet; 100]).await;
            assert!(received <= sent, "{received} bytes for {sent}");
        })
        .counted(stray("initial")),
        Attack::new("packets::a_forged_token", async |target| {
            let mut config = client(transport());
            config.token_store(Arc::new(Forged));
            let packet = initial(config.clone()).await;
            let (sent, received) = provoke(target, &[packet]).await;
            assert!(received <= AMPLIFICATION * sent, "{received} bytes for {sent}");
            // The real owner of the address gets in all the same.
            Quic::with(target, config).await;
        })
        .counted(stray("initial")),
        Attack::new("packets::halves_of_a_first_packet", async |target| {
            let packet = initial(client(transport())).await;
            let cuts = (1..packet.len()).step_by(37).map(|at| packet[..at].to_vec());
            let cuts: Vec<_> = cuts.collect();
            // Among so many others, they may not fit the server's socket buffer.
            for _ in 0..3 {
                let (_, received) = provoke(target, &cuts).await;
                assert_eq!(received, 0, "answered a packet that is too small");
            }
        })
        .counted(stray("small_initial")),
        Attack::new("packets::a_first_packet_with_a_flipped_bit", async |target| {
            let packet = initial(client(transport())).await;
            let flipped: Vec<_> = (0..packet.len() * 8)
                .step_by(97)
                .map(|bit| {
                    let mut packet = packet.clone();
                    packet[bit / 8] ^= 1 << (bit % 8);
                    packet
                })
                .collect();
            let (sent, received) = provoke(target, &flipped).await;
            assert!(received <= sent, "{received} bytes for {sent}");
        })
        .counted(stray("initial")),
        Attack::new("packets::an_address_that_changes", async |target| {
            let (room, mut news) = (hello_to("migration", None), Vec::new());
            let (mut session, Welcome { id, .. }) = Session::enter(target, &room).await;
            let mut watcher = Session::enter(target, &room).await.0;
            for _ in 0..10 {
                let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                session.quic.rebind(socket);
                // Lets the server answer there.
                session.datagram(&PADDING);
                session.answers().await;
            }
            watcher.message(&ClientMessage::Leave.encode()).await;
            while let Some(message) = patiently("news", watcher.read()).await {
                if let ServerMessage::Roster(roster) = message {
                    news.extend(roster.left);
                    news.extend(roster.presence.iter().map(|change| change.id));
                }
            }
            assert!(!news.contains(&id), "the others were notified");
            session.message(&ClientMessage::Leave.encode()).await;
            session.ends().await.is(CloseCode::Bye);
        })
        .counted(leave("bye")),
        Attack::new("packets::another_protocol", async |target| {
            let mut config = crate::attacks::tools::tls(b"hq-29");
            config.alpn_protocols = vec![b"hq-29".to_vec()];
            let config = wtransport::quinn::crypto::rustls::QuicClientConfig::try_from(config);
            let config = ClientConfig::new(Arc::new(config.unwrap()));
            let connecting = endpoint();
            let connecting = connecting.connect_with(config, target.udp, "localhost").unwrap();
            assert!(patiently("a refusal", connecting).await.is_err(), "only HTTP/3 is spoken");
        })
        .counted(failure("quic")),
    ]
}
