//! Peers that talk: too much, to nobody, or as hosts that they are not.

use std::time::Duration;

use gpys::proto::kind::{Layout, Number, Plane, Space, StateField, Values};
use gpys::proto::wire::{
    ClientMessage, CloseCode, Field, Hello, HostAction, PeerId, Removal, Say, To,
};

use crate::attacks::arena::{Attack, counted, failure, limit};
use crate::attacks::messages::{Link, over_both, refused};
use crate::attacks::tools::hello;

fn say(to: To, body: usize) -> Say {
    Say { to, topic: "flood".into(), body: vec![0xFF; body] }
}

/// What a peer may say, but not here or not so.
fn refusals() -> Vec<Attack> {
    let message = |topic: &str, body: usize| {
        ClientMessage::Say(Say { topic: topic.into(), ..say(To::Room, body) }).encode()
    };
    let to = |to| ClientMessage::Say(say(to, 1)).encode();
    let host = |action| ClientMessage::Host(action).encode();
    let removal = Removal { peer: PeerId(1), reason: "spam".into() };
    let hello_with =
        |profile: &str| ClientMessage::Hello(Hello { profile: profile.into(), ..hello() }).encode();
    let list = [
        ("a_topic_with_a_space", message("a b", 0), Field::Say),
        ("no_topic", message("", 0), Field::Say),
        ("a_topic_of_33_bytes", message(&"t".repeat(33), 0), Field::Say),
        ("a_body_of_513_bytes", message("t", 513), Field::Say),
        ("to_nobody", to(To::Peer(PeerId(u32::MAX))), Field::Say),
        ("a_guest_announces", host(HostAction::Announce("spam".into())), Field::Host),
        ("a_guest_removes_somebody", host(HostAction::Remove(removal)), Field::Host),
        ("a_guest_closes_the_room", host(HostAction::Close("spam".into())), Field::Host),
        ("a_profile_that_is_not_json", ClientMessage::Profile("{".into()).encode(), Field::Profile),
        ("a_profile_of_many_brackets", hello_with(&"[".repeat(500)), Field::Profile),
        ("a_hello_with_a_long_profile", hello_with(&"1".repeat(513)), Field::Profile),
        ("state_where_there_is_none", [&pose()[..], &[1]].concat(), Field::State),
    ];
    list.into_iter().flat_map(|(name, bytes, field)| refused(name, bytes, field)).collect()
}

fn pose() -> [u8; 22] {
    crate::attacks::tools::pose(0, 0)
}

/// Kinds that the lobby is not of, or that no room can be of.
fn kinds() -> Vec<Attack> {
    let plane = |step| Some(Space::Plane(Plane { unit: "px".into(), step: Number(step) }));
    let field = |name: &str, values| StateField { name: name.into(), values };
    let layout = |fields| Some(Layout { fields });
    let endless = Values::Range { min: Number(f64::NAN), step: Number(-0.0), count: u32::MAX };
    let list = [
        ("a_plane_where_the_earth_is", plane(1.0), None),
        ("a_plane_without_a_step", plane(0.0), None),
        ("a_plane_of_steps_that_are_no_number", plane(f64::NAN), None),
        ("state_where_there_is_none", None, layout(vec![field("a", Values::Flag)])),
        ("an_endless_field", None, layout(vec![field("a", endless)])),
        ("a_field_of_255_bits", None, layout(vec![field("a", Values::Unsigned(255))])),
        ("a_hundred_fields", None, layout(vec![field("a", Values::Flag); 100])),
    ];
    let attack = |(name, space, layout)| {
        let hello = ClientMessage::Hello(Hello { space, layout, ..hello() }).encode();
        let attacks = over_both(&format!("kind::{name}"), async move |target, over| {
            let mut link = Link::open(target, over).await;
            link.message(&hello).await;
            link.ends().await.is(CloseCode::WrongKind);
        });
        counted(attacks, &failure("hello"))
    };
    list.into_iter().flat_map(attack).collect()
}

/// Endless talk.
fn floods() -> Vec<Attack> {
    let endless = |name: &str, message: ClientMessage| {
        let attacks = over_both(&format!("talk::{name}"), async move |target, over| {
            let mut link = Link::join(target, over).await;
            for _ in 0..200 {
                link.message(&message.encode()).await;
            }
            link.ends().await.is(CloseCode::TooFast);
        });
        counted(attacks, &limit("messages"))
    };
    let steady = over_both("talk::all_that_is_allowed_and_more", async |target, over| {
        let mut link = Link::join(target, over).await;
        for second in 0..40_u32 {
            for tenth in 0..10 {
                let seq = 10 * second + tenth;
                link.datagram(&say(To::Room, 512).encode_datagram(3 * seq)).await;
                link.datagram(&say(To::Near, 512).encode_datagram(3 * seq + 1)).await;
            }
            let profile = format!("{{\"at\":{second},\"long\":\"{}\"}}", "x".repeat(480));
            link.message(&ClientMessage::Profile(profile).encode()).await;
            link.message(&ClientMessage::Say(say(To::Room, 512)).encode()).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        link.answers().await;
        link.leave().await;
    });
    let all = [
        endless("endless_messages", ClientMessage::Say(say(To::Room, 512))),
        endless("endless_names", ClientMessage::Name("n".repeat(64))),
        endless("endless_profiles", ClientMessage::Profile("1".repeat(512))),
        counted(steady, &limit("says")),
    ];
    all.into_iter().flatten().collect()
}

/// All attacks by talking.
pub fn attacks() -> Vec<Attack> {
    [refusals(), kinds(), floods()].into_iter().flatten().collect()
}
