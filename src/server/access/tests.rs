use serde_json::{Value, json};

use crate::access::*;
use crate::link::ending::Ending;
use gpys_proto::kind::Kind;
use gpys_proto::wire::{CloseCode, Presence, is_room_name};

const SECRET: [u8; 32] = [7; 32];
const OTHER: [u8; 32] = [8; 32];
const NOW: u64 = 1_800_000_000;

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hs256() -> Tokens {
    keys(&format!(
        "algorithm = \"HS256\"\nopen-rooms = [\"lobby\"]\n[keys]\none = \"{}\"\ntwo = \"{}\"\n",
        encoded(&SECRET),
        encoded(&OTHER)
    ))
}

fn keys(text: &str) -> Tokens {
    Tokens::new(Some(Arc::new(Shown::new(Keys::from_toml(text).unwrap()))))
}

fn hello(presence: Presence, access: Option<String>) -> Hello {
    Hello { presence, access, ..Hello::new("stage") }
}

/// Signs any header and claims with HS256 and this secret.
fn signed(head: &Value, claims: &Value, secret: &[u8]) -> String {
    let body = format!(
        "{}.{}",
        encoded(head.to_string().as_bytes()),
        encoded(claims.to_string().as_bytes())
    );
    let key = ::ring::hmac::Key::new(::ring::hmac::HMAC_SHA256, secret);
    let tag = ::ring::hmac::sign(&key, body.as_bytes());
    format!("{body}.{}", encoded(tag.as_ref()))
}

fn head() -> Value {
    json!({ "alg": "HS256", "typ": "JWT", "kid": "one" })
}

fn claims() -> Value {
    json!({ "exp": NOW + 60, "room": "stage", "rights": ["share"] })
}

/// The value with fields changed; null removes one.
fn with(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            change => value[name] = change.clone(),
        }
    }
    value
}

fn admit(access: &Tokens, token: &str) -> Result<Grant, Refusal> {
    admit_at(access, token, Duration::from_secs(NOW))
}

fn admit_at(access: &Tokens, token: &str, now: Duration) -> Result<Grant, Refusal> {
    access.admit(&hello(Presence::Watching, Some(token.to_owned())), now)
}

#[test]
fn open_rooms_and_servers_without_keys_require_no_token() {
    let now = Duration::from_secs(NOW);
    let stranger = hello(Presence::Sharing, None);
    assert_eq!(Tokens::default().admit(&stranger, now), Ok(Grant::OPEN));
    assert_eq!(hs256().admit(&stranger, now), Err(Refusal::Missing));
    for access in [None, Some("x.y.z".to_owned())] {
        let open = Hello { access, ..Hello::new("lobby") };
        assert_eq!(hs256().admit(&open, now), Ok(Grant::OPEN));
    }
}

#[test]
fn grants_exactly_the_rights_of_the_token() {
    let access = hs256();
    for (rights, may_share, host) in [
        (json!(["view"]), false, false),
        (json!(["share"]), true, false),
        (json!(["host"]), true, true),
        (json!(["share", "view"]), true, false),
    ] {
        let token = signed(&head(), &with(claims(), &json!({ "rights": rights })), &SECRET);
        let left = Some(Duration::from_secs(60));
        assert_eq!(admit(&access, &token), Ok(Grant { may_share, host, left, ..Grant::OPEN }));
        let shares = hello(Presence::Sharing, Some(token));
        let admitted = access.admit(&shares, Duration::from_secs(NOW));
        assert_eq!(admitted.is_ok(), may_share, "{admitted:?}");
    }
}

#[test]
fn refuses_another_algorithm_or_key() {
    let access = hs256();
    let refused = |changes: &Value, secret: &[u8]| {
        admit(&access, &signed(&with(head(), changes), &claims(), secret)).unwrap_err()
    };
    for alg in ["none", "None", "RS256", "HS384", "hs256", "EdDSA", ""] {
        assert_eq!(refused(&json!({ "alg": alg }), &SECRET), Refusal::Algorithm, "{alg}");
    }
    // The algorithm is checked before the key.
    assert_eq!(refused(&json!({ "alg": "none", "kid": null }), &SECRET), Refusal::Algorithm);
    assert_eq!(refused(&json!({ "alg": null }), &SECRET), Refusal::Malformed);
    for kid in [json!(null), json!("three"), json!(""), json!("../one")] {
        assert_eq!(refused(&json!({ "kid": kid }), &SECRET), Refusal::Key, "{kid}");
    }
    assert_eq!(refused(&json!({ "crit": ["exp"] }), &SECRET), Refusal::Malformed);
    assert_eq!(refused(&json!({ "kid": 1 }), &SECRET), Refusal::Malformed);
    assert_eq!(refused(&json!({}), &OTHER), Refusal::Signature);
    assert_eq!(refused(&json!({}), &[]), Refusal::Signature);
    assert_eq!(refused(&json!({ "kid": "two" }), &SECRET), Refusal::Signature);
    assert!(
        admit(&access, &signed(&with(head(), &json!({ "kid": "two" })), &claims(), &OTHER)).is_ok()
    );
}

#[test]
fn refuses_malformed_tokens() {
    let access = hs256();
    let good = signed(&head(), &claims(), &SECRET);
    assert!(admit(&access, &good).is_ok());
    let unsigned = good.rsplit_once('.').unwrap().0.to_owned();
    let flipped = good.replacen(&encoded(claims().to_string().as_bytes()), &encoded(b"{}"), 1);
    for (token, refusal) in [
        (String::new(), Refusal::Malformed),
        (".".to_owned(), Refusal::Malformed),
        ("..".to_owned(), Refusal::Malformed),
        ("?.?.?".to_owned(), Refusal::Malformed),
        ("\u{1F600}.e30.e30".to_owned(), Refusal::Malformed),
        ("e30.e30.e30".to_owned(), Refusal::Malformed),
        ("x".repeat(768), Refusal::Malformed),
        (unsigned.clone(), Refusal::Malformed),
        (format!("{unsigned}."), Refusal::Signature),
        (format!("{unsigned}.?"), Refusal::Signature),
        (format!("{good}A"), Refusal::Signature),
        (format!("{good}."), Refusal::Malformed),
        (format!("{good}.e30"), Refusal::Malformed),
        (flipped, Refusal::Signature),
    ] {
        assert_eq!(admit(&access, &token), Err(refusal), "{token}");
    }
}

#[test]
fn requires_claims_of_the_right_type() {
    let access = hs256();
    let refused = |changes: Value| {
        admit(&access, &signed(&head(), &with(claims(), &changes), &SECRET)).unwrap_err()
    };
    for changes in [
        json!({ "exp": null }),
        json!({ "exp": "never" }),
        json!({ "exp": [NOW + 60] }),
        json!({ "nbf": "0" }),
        json!({ "room": null }),
        json!({ "room": ["stage"] }),
        json!({ "rights": null }),
        json!({ "rights": "share" }),
        json!({ "rights": [] }),
        json!({ "rights": ["all"] }),
    ] {
        assert_eq!(refused(changes.clone()), Refusal::Claims, "{changes}");
    }
    for room in ["stag", "stage2", "", "stage*", "STAGE", "**"] {
        assert_eq!(refused(json!({ "room": room })), Refusal::Room, "{room}");
    }
    assert!(!is_room_name(ANY_ROOM), "no room can have this name");
    let any = with(claims(), &json!({ "room": "*", "sub": "Ada", "aud": "x", "iat": 1 }));
    assert!(admit(&access, &signed(&head(), &any, &SECRET)).is_ok());
}

#[test]
fn a_token_is_valid_from_its_start_to_its_end() {
    let access = hs256();
    let claims = with(claims(), &json!({ "nbf": NOW, "exp": NOW as f64 + 60.5 }));
    let token = signed(&head(), &claims, &SECRET);
    let at = |ms: i64| {
        let now = Duration::from_millis((NOW * 1_000).checked_add_signed(ms).unwrap());
        admit_at(&access, &token, now).map(|grant| grant.left.unwrap().as_millis())
    };
    assert_eq!(at(-31_000), Err(Refusal::Early));
    assert_eq!(at(-30_000), Ok(90_000), "a clock that is ahead");
    assert_eq!(at(59_999), Ok(1));
    assert_eq!(at(60_000), Err(Refusal::Expired));
    let ages = with(claims, &json!({ "exp": 1e300 }));
    assert!(admit(&access, &signed(&head(), &ages, &SECRET)).is_ok());
    let past = with(ages, &json!({ "exp": -5, "nbf": 0 }));
    assert_eq!(admit(&access, &signed(&head(), &past, &SECRET)), Err(Refusal::Expired));
}

#[test]
fn a_public_key_cannot_sign() {
    use ::ring::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::engine::general_purpose::STANDARD;
    let seed = [5; 32];
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let public = [&ED25519_PUBLIC, pair.public_key().as_ref()].concat();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(&public)
    );
    let access = keys(&format!("algorithm = \"EdDSA\"\n[keys]\none = '''\n{pem}'''\n"));
    let ours = Claims::new("stage".to_owned(), vec![Right::Share], NOW + 60);
    let key = pkcs8(&seed);
    let token = mint(Algorithm::EdDsa, "one", &key, &ours).unwrap();
    assert!(admit(&access, &token).is_ok());
    let forged = mint(Algorithm::EdDsa, "one", &pkcs8(&[6; 32]), &ours);
    assert_eq!(admit(&access, &forged.unwrap()), Err(Refusal::Signature));
    // The public key must not work as a secret, whether as PEM, DER or bare bytes.
    for secret in [pem.as_bytes(), &public, pair.public_key().as_ref()] {
        for (alg, refusal) in [("HS256", Refusal::Algorithm), ("EdDSA", Refusal::Signature)] {
            let head = with(head(), &json!({ "alg": alg }));
            assert_eq!(admit(&access, &signed(&head, &claims(), secret)), Err(refusal), "{alg}");
        }
    }
}

#[test]
fn a_refusal_gives_the_reason_and_quotes_nothing() {
    let ending = Ending::from(Refusal::Expired);
    assert_eq!(ending.code, CloseCode::Expired);
    let ending = Ending::from(Refusal::Room);
    assert_eq!(
        (ending.code, ending.reason.as_ref()),
        (CloseCode::Forbidden, "the access token is for another room")
    );
}

/// A gate that takes a while, and lets in those who give a name.
struct Slow(Duration);

impl Gate for Slow {
    async fn enter(&self, entry: Entry) -> Result<Grant, Refusal> {
        tokio::time::sleep(self.0).await;
        if entry.name.is_empty() {
            return Err(Refusal::because("give a name"));
        }
        Ok(Grant::new(Right::View).for_subject(entry.name).in_kind(Kind::default()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_decides_in_time_or_not_at_all() {
    let deadline = Duration::from_secs(5);
    let ask = async |seconds, name: &str, presence| {
        let access = Access::Gate(Arc::new(Slow(Duration::from_secs(seconds))));
        let hello = Hello { name: name.into(), ..hello(presence, None) };
        access.admit(&hello, Duration::ZERO, deadline).await
    };
    let grant = Grant { may_share: false, subject: Some("Ada".into()), ..Grant::OPEN };
    let grant = Grant { kind: Some(Kind::default()), ..grant };
    assert_eq!(ask(1, "Ada", Presence::Watching).await, Ok(grant));
    assert_eq!(ask(1, "Ada", Presence::Sharing).await, Err(Refusal::Rights));
    assert_eq!(ask(1, "", Presence::Watching).await, Err(Refusal::because("give a name")));
    assert_eq!(ask(6, "Ada", Presence::Watching).await, Err(Refusal::Undecided));
}
