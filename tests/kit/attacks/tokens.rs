//! Attackers with invalid access tokens, or without the rights they use.

use crate::scratch;

use gpys::proto::wire::{ClientMessage, CloseCode, Hello, Presence, ResumeToken};
use serde_json::json;

use crate::attacks::arena::{Attack, Settings, Target, counted, failure, leave};
use crate::attacks::messages::{Link, Over, over_both};
use crate::attacks::tools::{hello, pose};
use crate::forge::{self, Forged, NEW, OLD, STAGE, token};

/// A server with this key file; the lobby is open.
fn with_keys(name: &str, text: &str) -> Settings {
    let file = format!("hostile-{}-{name}.toml", std::process::id());
    let path = scratch(&file);
    std::fs::write(&path, text).unwrap();
    vec![("access-keys", path.display().to_string())]
}

/// A server with secret keys.
pub fn hs256() -> Settings {
    with_keys("hs256", &forge::hs256(&[("old", OLD), ("new", NEW)]))
}

/// A server with a public key.
pub fn eddsa() -> Settings {
    with_keys("eddsa", &forge::eddsa())
}

fn on_stage(presence: Presence, access: &str) -> Vec<u8> {
    let access = Some(access.to_owned());
    ClientMessage::Hello(Hello { room: STAGE.into(), presence, access, ..hello() }).encode()
}

/// The hello of a resuming peer with the right to watch only.
fn watching(presence: Presence, resume: ResumeToken) -> Vec<u8> {
    let (access, resume) = (Some(token(json!({ "rights": ["view"] }))), Some(resume));
    let hello = Hello { room: STAGE.into(), presence, resume, access, ..hello() };
    ClientMessage::Hello(hello).encode()
}

/// Asserts that a peer that exceeded its rights has left for good.
async fn check_left(target: &Target, over: Over, token: ResumeToken) {
    let (link, again) = Link::enter(target, over, &watching(Presence::Watching, token)).await;
    assert!(!again.resumed);
    link.leave().await;
}

fn refused(all: Vec<Forged>) -> Vec<Attack> {
    let attack = |Forged { name, token, code, cause }| {
        let both = over_both(&format!("token::{name}"), async move |target, over| {
            let mut link = Link::open(target, over).await;
            link.message(&on_stage(Presence::Sharing, &token)).await;
            link.ends().await.is(code);
        });
        counted(both, &failure(cause))
    };
    all.into_iter().flat_map(attack).collect()
}

/// All attacks on a server with a public key.
pub fn of_eddsa() -> Vec<Attack> {
    refused(forge::for_eddsa())
}

/// All attacks on a server with secret keys.
pub fn of_hs256() -> Vec<Attack> {
    let mut attacks = refused(forge::for_hs256());
    let both = over_both("token::a_second_hello_with_more_rights", async |target, over| {
        let view = on_stage(Presence::Watching, &token(json!({ "rights": ["view"] })));
        let (mut link, welcome) = Link::enter(target, over, &view).await;
        assert!(!welcome.may_share);
        link.message(&on_stage(Presence::Sharing, &token(json!({})))).await;
        link.ends().await.is(CloseCode::BadMessage);
        check_left(target, over, welcome.token).await;
    });
    attacks.extend(counted(both, &leave("bad_message")));
    let both = over_both("token::sharing_without_the_right", async |target, over| {
        let view = on_stage(Presence::Hidden, &token(json!({ "rights": ["view"] })));
        let (mut link, welcome) = Link::enter(target, over, &view).await;
        for seq in 0..20 {
            link.datagram(&pose(seq, welcome.time.0)).await;
        }
        link.answers().await;
        link.message(&ClientMessage::Presence(Presence::Sharing).encode()).await;
        link.ends().await.is(CloseCode::Forbidden);
        check_left(target, over, welcome.token).await;
    });
    attacks.extend(counted(both, &leave("forbidden")));
    let both = over_both("token::resuming_with_fewer_rights", async |target, over| {
        let share = on_stage(Presence::Sharing, &token(json!({})));
        let (_link, welcome) = Link::enter(target, over, &share).await;
        let mut refused = Link::open(target, over).await;
        refused.message(&watching(Presence::Sharing, welcome.token)).await;
        refused.ends().await.is(CloseCode::Forbidden);
        let back = watching(Presence::Hidden, welcome.token);
        let (link, again) = Link::enter(target, over, &back).await;
        assert!(again.resumed && !again.may_share);
        link.leave().await;
    });
    attacks.extend(counted(both, &failure("access_rights")));
    let both = over_both("token::guesses_of_a_signature", async |target, over| {
        let good = token(json!({}));
        let (body, _) = good.rsplit_once('.').unwrap();
        for guess in 0..30 {
            let guess = format!("{body}.{}", forge::encoded(&[guess; 32]));
            let mut link = Link::open(target, over).await;
            link.message(&on_stage(Presence::Watching, &guess)).await;
            link.ends().await.is(CloseCode::Forbidden);
        }
    });
    attacks.extend(counted(both, &failure("access_signature")));
    attacks
}
