//! Malformed messages and datagrams, over both transports.

use gpys::proto::geo::Viewport;
use gpys::proto::wire::{
    ClientMessage, CloseCode, Field, Hello, MAX_CLIENT_MESSAGE, Presence, ServerMessage,
};

use crate::attacks::arena::{Attack, Target, counted, counted_among, failure, gone, leave, limit};
use crate::attacks::quic::Session;
use crate::attacks::socket::{BINARY, FIN, Socket, frame};
use crate::attacks::tools::{End, hello, hello_to, patiently, pose};

/// A session over either transport.
pub enum Link {
    Quic(Box<Session>),
    Socket(Box<Socket>),
}

/// A transport.
#[derive(Clone, Copy, Debug)]
pub enum Over {
    Quic,
    Socket,
}

pub const BOTH: [Over; 2] = [Over::Quic, Over::Socket];

impl Link {
    /// A link that has sent nothing yet.
    pub async fn open(target: &Target, over: Over) -> Self {
        match over {
            Over::Quic => Self::Quic(Box::new(Session::open(target).await)),
            Over::Socket => Self::Socket(Box::new(Socket::open(target).await)),
        }
    }

    /// A link in the lobby.
    pub async fn join(target: &Target, over: Over) -> Self {
        Self::enter(target, over, &hello_to("lobby", None)).await.0
    }

    /// A link that was welcomed after this hello.
    pub async fn enter(
        target: &Target,
        over: Over,
        hello: &[u8],
    ) -> (Self, gpys::proto::wire::Welcome) {
        match over {
            Over::Quic => {
                let (session, welcome) = Session::enter(target, hello).await;
                (Self::Quic(Box::new(session)), welcome)
            }
            Over::Socket => {
                let (socket, welcome) = Socket::enter(target, hello).await;
                (Self::Socket(Box::new(socket)), welcome)
            }
        }
    }

    /// Sends a message of the reliable lane.
    pub async fn message(&mut self, bytes: &[u8]) {
        match self {
            Self::Quic(session) => session.message(bytes).await,
            Self::Socket(socket) => socket.write(&frame(FIN | BINARY, bytes)).await,
        }
    }

    /// Sends a datagram.
    pub async fn datagram(&mut self, bytes: &[u8]) {
        match self {
            Self::Quic(session) => session.datagram(bytes),
            Self::Socket(socket) => socket.write(&frame(FIN | BINARY, bytes)).await,
        }
    }

    /// Asserts that the session still answers.
    pub async fn answers(&mut self) {
        match self {
            Self::Quic(session) => session.answers().await,
            Self::Socket(socket) => socket.answers().await,
        }
    }

    /// Reads until the server has closed. Returns how the link ended.
    pub async fn ends(&mut self) -> End {
        match self {
            Self::Quic(session) => session.ends().await,
            Self::Socket(socket) => socket.ends().await,
        }
    }

    /// Reads until the server refuses a value. Returns its field.
    pub async fn refusal(&mut self) -> u8 {
        patiently("a refusal", async {
            loop {
                let message = match self {
                    Self::Quic(session) => session.read().await.expect("an open session"),
                    Self::Socket(socket) => {
                        let (_, payload) = socket.read().await.expect("an open session");
                        let Ok(message) = ServerMessage::decode(&payload) else { continue };
                        message
                    }
                };
                if let ServerMessage::Refused(refused) = message {
                    return refused.field;
                }
            }
        })
        .await
    }

    /// Leaves by the book.
    pub async fn leave(mut self) {
        self.message(&ClientMessage::Leave.encode()).await;
        self.ends().await.is(CloseCode::Bye);
    }
}

/// An attack over both transports.
pub fn over_both<F>(name: &str, run: F) -> Vec<Attack>
where
    F: AsyncFn(&Target, Over) + Clone + Send + 'static,
{
    let attack = |over, run: F| {
        Attack::new(format!("{name} over {over:?}"), async move |target| run(target, over).await)
    };
    vec![attack(Over::Quic, run.clone()), attack(Over::Socket, run)]
}

/// Sends this as the first message; the link must end with this code.
fn first(name: &str, bytes: Vec<u8>, code: CloseCode) -> Vec<Attack> {
    let attacks = over_both(&format!("first::{name}"), async move |target, over| {
        let mut link = Link::open(target, over).await;
        link.message(&bytes).await;
        link.ends().await.is(code);
    });
    counted(attacks, &failure("hello"))
}

/// Sends this from the lobby; the link must end with this code, or survive without one.
fn later(name: &str, bytes: Vec<u8>, code: Option<CloseCode>) -> Vec<Attack> {
    let attacks = over_both(&format!("later::{name}"), async move |target, over| {
        let mut link = Link::join(target, over).await;
        match bytes.first() {
            Some(0x40..) => link.datagram(&bytes).await,
            _ => link.message(&bytes).await,
        }
        match code {
            Some(code) => link.ends().await.is(code),
            None => link.answers().await,
        }
    });
    match code {
        Some(_) => counted(attacks, &leave("bad_message")),
        None => counted_among(attacks, &gone()),
    }
}

/// Sends this from the lobby; the value must be refused, and the link survive.
pub fn refused(name: &str, bytes: Vec<u8>, field: Field) -> Vec<Attack> {
    let attacks = over_both(&format!("refused::{name}"), async move |target, over| {
        let mut link = match bytes.first() {
            Some(0) => Link::enter(target, over, &bytes).await.0,
            _ => Link::join(target, over).await,
        };
        match bytes.first() {
            Some(0) => {}
            Some(0x40..) => link.datagram(&bytes).await,
            _ => link.message(&bytes).await,
        }
        assert_eq!(link.refusal().await, field as u8);
        link.answers().await;
    });
    counted_among(attacks, &gone())
}

/// Values out of range.
fn values() -> Vec<Attack> {
    let upside_down = Viewport { south: 2, west: 0, north: 1, east: 0, zoom: 0 };
    let beyond = Viewport { south: 0, west: 0, north: 900_000_001, east: 0, zoom: 0 };
    let with = |change: &dyn Fn(&mut Hello)| {
        let mut hello = hello();
        change(&mut hello);
        ClientMessage::Hello(hello).encode()
    };
    let view = |viewport| with(&|hello| hello.viewport = Some(viewport));
    let pose_with = |at: usize, value: [u8; 4]| {
        let mut pose = pose(0, 0).to_vec();
        pose[at..at + 4].copy_from_slice(&value);
        pose
    };
    let mut accuracy = pose(0, 0).to_vec();
    accuracy[17] = 64;
    let list = [
        (
            "a_hello_with_a_presence_of_the_servers",
            with(&|it| it.presence = Presence::Gone),
            Field::Presence,
        ),
        ("a_hello_upside_down", view(upside_down), Field::Viewport),
        ("a_hello_beyond_the_pole", view(beyond), Field::Viewport),
        ("a_view_upside_down", ClientMessage::Viewport(upside_down).encode(), Field::Viewport),
        ("a_presence_of_the_servers", vec![2, 3], Field::Presence),
        ("a_pose_beyond_the_pole", pose_with(9, 900_000_001_i32.to_le_bytes()), Field::Position),
        ("a_pose_at_the_least_latitude", pose_with(9, i32::MIN.to_le_bytes()), Field::Position),
        (
            "a_pose_beyond_the_date_line",
            pose_with(13, 1_800_000_001_i32.to_le_bytes()),
            Field::Position,
        ),
        ("a_pose_at_the_least_longitude", pose_with(13, i32::MIN.to_le_bytes()), Field::Position),
        ("an_accuracy_of_64", accuracy, Field::Accuracy),
        (
            "an_orientation_too_high",
            pose_with(18, 133_544_992_u32.to_le_bytes()),
            Field::Orientation,
        ),
    ];
    list.into_iter().flat_map(|(name, bytes, field)| refused(name, bytes, field)).collect()
}

/// Endless values out of range: the client gets few refusals, then is disconnected.
fn value_floods() -> Vec<Attack> {
    let poses = over_both("refused::endless_poses", async |target, over| {
        let mut link = Link::join(target, over).await;
        let mut bad = pose(0, 0);
        bad[17] = 64;
        // More than twice the rate at which poses are read, but fewer than the datagrams allowed.
        for _ in 0..200 {
            for _ in 0..10 {
                link.datagram(&bad).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        link.ends().await.is(CloseCode::TooFast);
    });
    let mut attacks = counted(poses, &limit("pose_abuse"));
    let messages = over_both("refused::endless_presences", async |target, over| {
        let mut link = Link::join(target, over).await;
        for _ in 0..100 {
            link.message(&[2, 3]).await;
        }
        link.ends().await.is(CloseCode::TooFast);
    });
    attacks.extend(counted(messages, &limit("messages")));
    attacks
}

fn hellos() -> Vec<Attack> {
    use CloseCode::{BadMessage, BadRoom, BadVersion};
    let good = hello_to("lobby", None);
    let with = |change: &dyn Fn(&mut Hello)| {
        let mut hello = hello();
        change(&mut hello);
        ClientMessage::Hello(hello).encode()
    };
    let room = |name: &str| with(&|hello| hello.room = name.into());
    let upside_down = Viewport { south: 2, west: 0, north: 1, east: 0, zoom: 0 };
    let invalid = [&[0, 2, 5], b"lobby".as_slice(), &[2, 0xFF, 0xFE, 0, 0, 0, 0]].concat();
    let huge = [&[0, 2, 0xFC], [0xFF; 4].as_slice(), b"lobby"].concat();
    let list = [
        ("nothing", Vec::new(), BadMessage),
        ("leave", ClientMessage::Leave.encode(), BadMessage),
        ("presence", ClientMessage::Presence(Presence::Hidden).encode(), BadMessage),
        ("budget", ClientMessage::Budget(0).encode(), BadMessage),
        ("version_0", vec![0, 0], BadVersion),
        ("version_65535", vec![0, 0xFB, 0xFF, 0xFF, 1, 2, 3], BadVersion),
        ("a_version_of_8_bytes", [&[0, 0xFD], [0xFF; 8].as_slice()].concat(), BadMessage),
        ("no_room", room(""), BadRoom),
        ("a_room_in_capitals", room("LOBBY"), BadRoom),
        ("a_room_of_65_bytes", room(&"a".repeat(65)), BadRoom),
        ("a_room_with_a_slash", room("../etc"), BadRoom),
        ("a_room_of_4_gib", huge, BadMessage),
        ("a_name_that_is_not_text", invalid, BadMessage),
        ("a_view_upside_down", ClientMessage::Viewport(upside_down).encode(), BadMessage),
        ("one_byte_too_long", [good.as_slice(), &[0]].concat(), BadMessage),
        ("4097_bytes", vec![1; MAX_CLIENT_MESSAGE + 1], BadMessage),
    ];
    let mut attacks: Vec<_> =
        list.into_iter().flat_map(|(name, bytes, code)| first(name, bytes, code)).collect();
    let both = over_both("first::parts_of_a_hello", async move |target, over| {
        for length in (1..good.len()).step_by(2) {
            let mut link = Link::open(target, over).await;
            link.message(&good[..length]).await;
            link.ends().await.is(BadMessage);
        }
    });
    attacks.extend(counted(both, &failure("hello")));
    let both = over_both("first::random_bytes", async |target, over| {
        let mut random = fastrand::Rng::with_seed(4);
        // Over QUIC, a client has a quarter of a second to close the connection once it knows why.
        for _ in 0..if matches!(over, Over::Quic) { 10 } else { 100 } {
            let mut bytes: Vec<_> = (0..random.usize(1..200)).map(|_| random.u8(..)).collect();
            bytes[0] = random.u8(..5);
            let mut link = Link::open(target, over).await;
            link.message(&bytes).await;
            assert!(link.ends().await.closing.is_some(), "{bytes:?}");
        }
    });
    attacks.extend(counted(both, &failure("hello")));
    attacks
}

fn later_messages() -> Vec<Attack> {
    use CloseCode::BadMessage;
    let whole = Viewport { zoom: 255, ..Viewport::WORLD };
    let list = [
        ("nothing", Vec::new(), Some(BadMessage)),
        ("a_second_hello", hello_to("lobby", None), Some(BadMessage)),
        ("an_unknown_message", vec![11], Some(BadMessage)),
        ("half_a_view", vec![1, 0xFC, 0xFF], Some(BadMessage)),
        ("a_view_of_everything", ClientMessage::Viewport(whole).encode(), None),
        ("an_unknown_presence", vec![2, 4], Some(BadMessage)),
        ("no_budget", ClientMessage::Budget(1).encode(), None),
        ("all_the_budget", ClientMessage::Budget(u32::MAX).encode(), None),
        ("leave_and_more", vec![4, 0], Some(BadMessage)),
        ("4097_bytes", vec![1; MAX_CLIENT_MESSAGE + 1], Some(BadMessage)),
    ];
    list.into_iter().flat_map(|(name, bytes, code)| later(name, bytes, code)).collect()
}

fn datagrams() -> Vec<Attack> {
    use CloseCode::BadMessage;
    let good = pose(0, 0);
    let with = |at: usize, value: [u8; 4]| {
        let mut pose = good.to_vec();
        pose[at..at + 4].copy_from_slice(&value);
        pose
    };
    let future = 1_u32 << 30;
    let list = [
        ("a_pose_of_21_bytes", good[..21].to_vec(), Some(BadMessage)),
        ("a_pose_of_31_bytes", [good.as_slice(), &[0; 9]].concat(), Some(BadMessage)),
        ("an_empty_pose", vec![0x50], Some(BadMessage)),
        ("a_pose_of_a_kilobyte", vec![0x50; 1_000], Some(BadMessage)),
        ("a_pose_at_the_pole", with(9, 900_000_000_i32.to_le_bytes()), None),
        ("a_pose_at_the_date_line", with(13, 1_800_000_000_i32.to_le_bytes()), None),
        ("a_pose_from_the_future", with(5, future.to_le_bytes()), None),
        ("a_pose_from_long_ago", with(5, (0_u32.wrapping_sub(future)).to_le_bytes()), None),
        ("the_last_pose_first", with(1, u32::MAX.to_le_bytes()), None),
        ("a_ping_of_4_bytes", vec![0x51, 0, 0, 0], Some(BadMessage)),
        ("a_ping_of_6_bytes", vec![0x51, 0, 0, 0, 0, 0], Some(BadMessage)),
        ("a_pong", vec![0x52; 9], Some(BadMessage)),
        ("a_frame", vec![0x47; 200], Some(BadMessage)),
        ("a_kind_only_the_server_sends", vec![0x40], Some(BadMessage)),
        ("a_future_kind", vec![0x53; 500], None),
        ("the_last_kind", vec![0xFF], None),
    ];
    let mut attacks: Vec<_> =
        list.into_iter().flat_map(|(name, bytes, code)| later(name, bytes, code)).collect();
    let both = over_both("later::random_datagrams", async |target, over| {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..40 {
            let mut link = Link::join(target, over).await;
            for _ in 0..4 {
                let mut bytes: Vec<_> = (0..random.usize(1..40)).map(|_| random.u8(..)).collect();
                bytes[0] |= 0x40;
                link.datagram(&bytes).await;
            }
            drop(link);
        }
    });
    attacks.extend(counted_among(both, &["gone", "closed", "bad_message"].map(leave)));
    attacks
}

/// Bytes that only a stream can carry.
fn of_the_stream() -> Vec<Attack> {
    let claim = |name: &str, length: u16| {
        let attack = Attack::new(format!("stream::{name}"), async move |target| {
            let mut session = Session::open(target).await;
            session.write(&length.to_le_bytes()).await;
            session.ends().await.is(CloseCode::BadMessage);
        });
        attack.counted(limit("message_bytes"))
    };
    let bytewise = Attack::new("stream::a_hello_a_byte_at_a_time", async |target| {
        let mut session = Session::open(target).await;
        let hello = hello_to("lobby", None);
        for byte in [hello.len() as u8, 0].iter().chain(&hello) {
            session.write(&[*byte]).await;
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        session.answers().await;
    });
    vec![
        claim("a_claim_of_4097_bytes", 4_097),
        claim("a_claim_of_65535_bytes", u16::MAX),
        bytewise.counted_among(gone()),
    ]
}

/// All attacks with messages.
pub fn attacks() -> Vec<Attack> {
    let all = [hellos(), later_messages(), datagrams(), of_the_stream(), values(), value_floods()];
    all.into_iter().flatten().collect()
}
