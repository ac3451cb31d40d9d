//! Attackers who claim another's identity: tokens, rooms, origins.

use gpys::proto::wire::{ClientMessage, PeerId, ResumeToken};

use crate::attacks::arena::{Attack, counted, failure, join, leave};
use crate::attacks::messages::{BOTH, Link, Over, over_both};
use crate::attacks::quic::{Quic, connect_frame, status};
use crate::attacks::tools::{hello_to, patiently};

/// Tries a token in this room; the server must not accept it.
async fn guess(target: &crate::attacks::arena::Target, over: Over, room: &str, token: ResumeToken) {
    let (link, welcome) = Link::enter(target, over, &hello_to(room, Some(token))).await;
    assert!(!welcome.resumed, "a guess was accepted");
    assert_ne!(welcome.id, token.id(), "another peer's number");
    assert_ne!(welcome.token, token, "a token of the attacker's choice");
    link.leave().await;
}

/// All attacks on identities.
pub fn attacks() -> Vec<Attack> {
    let guesses = over_both("identity::guesses_of_a_token", async |target, over| {
        let (mut victim, welcome) = Link::enter(target, over, &hello_to("lobby", None)).await;
        let ResumeToken(secret) = welcome.token;
        let known = [secret[0], secret[1], secret[2], secret[3]];
        for rest in [[0; 12], [0xFF; 12]] {
            guess(
                target,
                over,
                "lobby",
                ResumeToken([&known, rest.as_slice()].concat().try_into().unwrap()),
            )
            .await;
        }
        for bit in (0..128).step_by(7) {
            let mut bytes = secret;
            bytes[bit / 8] ^= 1 << (bit % 8);
            guess(target, over, "lobby", ResumeToken(bytes)).await;
        }
        victim.answers().await;
        victim.leave().await;
    });
    let mut attacks = counted(guesses, &join("new"));
    let guesses = over_both("identity::a_token_with_another_number", async |target, over| {
        let (mut victim, welcome) = Link::enter(target, over, &hello_to("lobby", None)).await;
        for number in [0, welcome.id.0 + 1, u32::MAX] {
            let token = ResumeToken::mint(PeerId(number), welcome.token.secret());
            let hello = hello_to("lobby", Some(token));
            let (link, thief) = Link::enter(target, over, &hello).await;
            assert!(!thief.resumed && thief.uuid != welcome.uuid, "an identity is stolen");
            link.leave().await;
        }
        victim.answers().await;
        victim.leave().await;
    });
    attacks.extend(counted(guesses, &join("new")));
    let guesses = over_both("identity::any_hour_of_birth", async |target, over| {
        for hour in (0..=u16::MAX).step_by(4_001) {
            let mut secret = [0xA5; 12];
            secret[..2].copy_from_slice(&hour.to_le_bytes());
            guess(target, over, "lobby", ResumeToken::mint(PeerId(1), secret)).await;
        }
    });
    attacks.extend(counted(guesses, &join("new")));
    let guesses = over_both("identity::a_token_in_another_room", async |target, over| {
        let (mut victim, welcome) = Link::enter(target, over, &hello_to("lobby", None)).await;
        let name = format!("elsewhere-{over:?}").to_ascii_lowercase();
        guess(target, over, &name, welcome.token).await;
        victim.answers().await;
        victim.leave().await;
    });
    attacks.extend(counted(guesses, &join("new")));
    let guesses = over_both("identity::a_token_after_leaving", async |target, over| {
        let (victim, welcome) = Link::enter(target, over, &hello_to("lobby", None)).await;
        victim.leave().await;
        guess(target, over, "lobby", welcome.token).await;
    });
    attacks.extend(counted(guesses, &join("new")));
    let attack = Attack::new("identity::two_links_that_fight_for_a_token", async |target| {
        let hello = hello_to("lobby", None);
        let (mut link, welcome) = Link::enter(target, Over::Quic, &hello).await;
        let hello = hello_to("lobby", Some(welcome.token));
        for round in 0..20 {
            let (new, again) = Link::enter(target, BOTH[round % 2], &hello).await;
            assert!(again.resumed && again.id == welcome.id);
            link.ends().await.is(gpys::proto::wire::CloseCode::Replaced);
            link = new;
        }
        link.message(&ClientMessage::Leave.encode()).await;
        link.ends().await.is(gpys::proto::wire::CloseCode::Bye);
    });
    attacks.push(attack.counted(leave("replaced")));
    let origins: [(&str, &str, Option<u16>); 7] = [
        ("foreign", "https://evil.example", Some(403)),
        ("null", "null", Some(403)),
        ("our_name_in_it", "https://127.0.0.1.evil.example", Some(403)),
        ("our_name_as_user", "https://127.0.0.1@evil.example", Some(403)),
        ("another_port", "https://127.0.0.1:1", Some(403)),
        ("not_an_origin", "127.0.0.1", Some(403)),
        ("our_own", "", Some(200)),
    ];
    for (name, origin, expected) in origins {
        let attack = Attack::new(format!("origin::{name}"), async move |target| {
            let own = format!("https://127.0.0.1:{}", target.udp.port());
            let origin = if origin.is_empty() { own.as_str() } else { origin };
            let quic = Quic::open(target).await;
            let _control = quic.control().await;
            let request = connect_frame(target, &[("origin", origin)]);
            let (_send, mut recv) = quic.bi(&request).await.unwrap();
            assert_eq!(patiently("an answer", status(&mut recv)).await, expected);
        });
        let cause = if expected == Some(403) { "origin" } else { "gone" };
        attacks.push(attack.counted(failure(cause)));
    }
    attacks
}
