//! Too much of everything allowed.

use std::time::Duration;

use gpys::proto::geo::Viewport;
use gpys::proto::wire::{ClientMessage, CloseCode, Hello, Presence, encode_ping};
use tokio::net::TcpStream;

use crate::attacks::arena::{
    Attack, Settings, counted, counted_among, failure, gone, leave, limit,
};
use crate::attacks::messages::{Link, Over, over_both};
use crate::attacks::quic::{
    CONTROL, Quic, Session, client, endpoint, framed, settings, transport, varint,
};
use crate::attacks::socket::{BINARY, CONTINUATION, FIN, PING, PONG, Socket, frame};
use crate::attacks::tools::{hello, hello_to, patiently, pose, within_the_deadline};

/// Sends messages until the server closes with `TooFast`.
async fn until_too_fast(mut link: Link, messages: impl Iterator<Item = Vec<u8>>) {
    for bytes in messages {
        match bytes.first() {
            Some(0x40..) => link.datagram(&bytes).await,
            _ => link.message(&bytes).await,
        }
        tokio::task::yield_now().await;
    }
    link.ends().await.is(CloseCode::TooFast);
}

/// All floods in the lobby.
pub fn attacks() -> Vec<Attack> {
    let mut attacks = counted(
        over_both("floods::poses", async |target, over| {
            let link = Link::join(target, over).await;
            until_too_fast(link, (0..3_000).map(|seq| pose(seq, 0).to_vec())).await;
        }),
        &limit("pose_abuse"),
    );
    attacks.extend(counted(
        over_both("floods::pings", async |target, over| {
            let link = Link::join(target, over).await;
            until_too_fast(link, (0..3_000).map(|echo| encode_ping(echo).to_vec())).await;
        }),
        &limit("datagrams"),
    ));
    attacks.extend(counted(
        over_both("floods::future_datagrams", async |target, over| {
            let link = Link::join(target, over).await;
            until_too_fast(link, (0..3_000).map(|_| vec![0x99; 40])).await;
        }),
        &limit("datagrams"),
    ));
    attacks.extend(counted(
        over_both("floods::viewports", async |target, over| {
            let link = Link::join(target, over).await;
            let view = |i: i32| {
                ClientMessage::Viewport(Viewport { south: -i, ..Viewport::WORLD }).encode()
            };
            until_too_fast(link, (0..60).map(view)).await;
        }),
        &limit("viewports"),
    ));
    attacks.extend(counted(
        over_both("floods::presences", async |target, over| {
            let link = Link::join(target, over).await;
            let presences = [Presence::Watching, Presence::Sharing].into_iter().cycle();
            let all = presences.map(|presence| ClientMessage::Presence(presence).encode());
            until_too_fast(link, all.take(200)).await;
        }),
        &limit("messages"),
    ));
    attacks.extend(counted(
        over_both("floods::budgets", async |target, over| {
            let link = Link::join(target, over).await;
            until_too_fast(link, (0..200).map(|i| ClientMessage::Budget(i << 20).encode())).await;
        }),
        &limit("messages"),
    ));
    let both = over_both("floods::joins_and_leaves", async |target, over| {
        for _ in 0..rounds(over) {
            Link::join(target, over).await.leave().await;
        }
    });
    attacks.extend(counted(both, &leave("bye")));
    let both = over_both("floods::joins_without_a_leave", async |target, over| {
        for _ in 0..30 {
            drop(Link::join(target, over).await);
        }
    });
    attacks.extend(counted_among(both, &gone()));
    let both = over_both("floods::names", async |target, over| {
        let (mut link, welcome) = Link::enter(target, over, &hello_to("lobby", None)).await;
        for round in 0..40 {
            let name = format!("{round:064}");
            let hello = Hello { name, resume: Some(welcome.token), ..hello() };
            let hello = ClientMessage::Hello(hello).encode();
            link = Link::enter(target, over, &hello).await.0;
        }
        link.leave().await;
    });
    attacks.extend(counted(both, &leave("replaced")));
    let both = over_both("floods::rooms", async |target, over| {
        for round in 0..rounds(over) {
            let room = format!("{over:?}-{round}").to_ascii_lowercase();
            Link::enter(target, over, &hello_to(&room, None)).await.0.leave().await;
        }
    });
    attacks.extend(counted(both, &leave("bye")));
    let attack = Attack::new("floods::websocket_pings", async |target| {
        let mut socket = Socket::join(target).await;
        socket.write(&frame(FIN | PING, &[0x77; 125]).repeat(20)).await;
        socket.answers().await;
        for _ in 0..100 {
            socket.write(&frame(FIN | PING, &[0x77; 125]).repeat(100)).await;
        }
        socket.ends().await.is(CloseCode::TooFast);
    });
    attacks.push(attack.counted(limit("messages")));
    let attack = Attack::new("floods::websocket_pongs", async |target| {
        let mut socket = Socket::join(target).await;
        socket.write(&frame(FIN | PONG, b"unasked").repeat(300)).await;
        socket.answers().await;
        for _ in 0..20 {
            socket.write(&frame(FIN | PONG, b"unasked").repeat(100)).await;
        }
        socket.ends().await.is(CloseCode::TooFast);
    });
    attacks.push(attack.counted(limit("datagrams")));
    let attack = Attack::new("floods::fragments_of_nothing", async |target| {
        let mut socket = Socket::join(target).await;
        // The longest message could come in as many pieces.
        for _ in 0..3 {
            socket.write(&frame(BINARY, &[])).await;
            socket.write(&frame(CONTINUATION, &[]).repeat(1_000)).await;
            socket.write(&frame(FIN | CONTINUATION, &[0x51, 5, 5, 5, 5])).await;
            socket.pong([5; 4]).await;
        }
        socket.write(&frame(BINARY, &[])).await;
        for _ in 0..20 {
            socket.write(&frame(CONTINUATION, &[]).repeat(500)).await;
        }
        socket.ends().await.is(CloseCode::BadMessage);
    });
    attacks.push(attack.counted(limit("message_bytes")));
    let attack = Attack::new("floods::fragments_before_a_hello", async |target| {
        let mut socket = Socket::open(target).await;
        socket.write(&frame(BINARY, &[])).await;
        for _ in 0..20 {
            socket.write(&frame(CONTINUATION, &[]).repeat(500)).await;
        }
        socket.ends().await.is(CloseCode::BadMessage);
    });
    attacks.push(attack.counted(limit("message_bytes")));
    let attack = Attack::new("floods::grease", async |target| {
        let quic = Quic::open(target).await;
        let grease = framed(0x21, b"").repeat(20_000);
        let bytes = [&varint(CONTROL), settings().as_slice(), &grease].concat();
        patiently("the server to read", quic.uni(&bytes)).await;
        within_the_deadline("a connection without a session", quic.closed()).await;
    });
    attacks.push(attack.counted(failure("quic")));
    let attack = Attack::new("floods::grease_in_a_session", async |target| {
        let mut session = Session::join(target).await;
        let grease = framed(0x21, &[7; 30]).repeat(20_000);
        let writing = session.request.0.write_all(&grease);
        drop(patiently("the server to read", writing).await);
        session.ends().await.is(CloseCode::TooFast);
    });
    attacks.push(attack.counted(limit("messages")));
    let attack = Attack::new("floods::streams", async |target| {
        let mut session = Session::join(target).await;
        for _ in 0..200 {
            let opened = session.quic.connection.open_uni();
            let Ok(Ok(mut stream)) = tokio::time::timeout(SHORT, opened).await else { break };
            drop(stream.write_all(&[0x21]).await);
            drop(stream.reset(0_u32.into()));
        }
        session.ends().await.is(CloseCode::TooFast);
    });
    attacks.push(attack.counted(limit("messages")));
    attacks
}

/// How often a client joins and leaves. Over QUIC, the server gives a leaving client a quarter of a
/// second to close the connection.
const fn rounds(over: Over) -> u32 {
    match over {
        Over::Quic => 20,
        Over::Socket => 100,
    }
}

const SHORT: Duration = Duration::from_millis(100);

/// Settings for a server with few places.
pub fn few() -> Settings {
    vec![("max-people", "8".to_owned())]
}

/// Too many connections for the server to admit them all.
pub fn of_handshakes() -> Vec<Attack> {
    vec![
        Attack::new("gate::a_thousand_handshakes_at_once", async |target| {
            let endpoint = endpoint();
            let open = (0..1_100).map(|_| {
                let config = client(transport());
                let connecting = endpoint.connect_with(config, target.udp, "localhost").unwrap();
                async move { tokio::time::timeout(Duration::from_secs(4), connecting).await }
            });
            let opened = futures_util::future::join_all(open).await;
            let count = opened.iter().filter(|it| matches!(it, Ok(Ok(_)))).count();
            assert!(count > 0, "the server refuses every client");
            endpoint.close(0_u32.into(), b"");
            patiently("the connections to end", endpoint.wait_idle()).await;
        })
        .counted("gpys_quic_retries_total".to_owned()),
        Attack::new("gate::connections_that_say_nothing", async |target| {
            let mut streams = Vec::new();
            for _ in 0..200 {
                streams.push(TcpStream::connect(target.https).await.unwrap());
                streams.push(TcpStream::connect(target.http).await.unwrap());
            }
            tokio::time::sleep(SHORT).await;
        })
        .counted(failure("gone")),
        Attack::new("gate::a_room_that_is_full", async |target| {
            let mut inside = Vec::new();
            let refused = loop {
                let mut link = Link::open(target, Over::Socket).await;
                link.message(&hello_to("full", None)).await;
                let answer = tokio::time::timeout(SHORT * 3, link.ends()).await;
                match answer {
                    Ok(end) => break end,
                    Err(_) => inside.push(link),
                }
                assert!(inside.len() <= 8, "more peers than places");
            };
            refused.is(CloseCode::Full);
            assert_eq!(inside.len(), 8);
            for link in inside {
                link.leave().await;
            }
        })
        .counted(limit("people")),
    ]
}
