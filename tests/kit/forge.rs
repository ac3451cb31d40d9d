//! Access tokens forged by hand, to be wrong in every way.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gpys::proto::wire::{CloseCode, MAX_ACCESS};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// The secret of the key `old`.
pub const OLD: [u8; 32] = [7; 32];
/// The secret of the key `new`.
pub const NEW: [u8; 32] = [8; 32];
/// The room that the tokens are for; the lobby requires none.
pub const STAGE: &str = "stage";

/// A file of HS256 keys.
pub fn hs256(keys: &[(&str, [u8; 32])]) -> String {
    let line = |(kid, key): &(&str, [u8; 32])| format!("{kid} = \"{}\"\n", encoded(key));
    let keys: String = keys.iter().map(line).collect();
    format!("algorithm = \"HS256\"\nopen-rooms = [\"lobby\"]\n[keys]\n{keys}")
}

/// A file with an EdDSA public key.
pub fn eddsa() -> String {
    format!("algorithm = \"EdDSA\"\nopen-rooms = [\"lobby\"]\n[keys]\nold = '''\n{}'''\n", pem())
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&OLD).unwrap()
}

fn der() -> Vec<u8> {
    let head = [48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];
    [&head, pair().public_key().as_ref()].concat()
}

fn pem() -> String {
    let der = STANDARD.encode(der());
    format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")
}

pub fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A header naming the key `old`.
pub fn head(alg: &str) -> Value {
    json!({ "alg": alg, "typ": "JWT", "kid": "old" })
}

/// Claims that grant sharing on the stage for an hour.
pub fn claims() -> Value {
    json!({ "exp": now() as u64 + 3_600, "room": STAGE, "rights": ["share"] })
}

/// Returns the value with fields changed; null removes one.
pub fn with(mut value: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("changes must be an object") };
    for (name, change) in changes {
        match change {
            Value::Null => drop(value.as_object_mut().unwrap().remove(&name)),
            change => value[name] = change,
        }
    }
    value
}

fn body(head: &Value, claims: &Value) -> String {
    [head, claims].map(|part| encoded(part.to_string().as_bytes())).join(".")
}

/// A token signed with HMAC.
pub fn signed(head: &Value, claims: &Value, secret: &[u8]) -> String {
    let body = body(head, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), body.as_bytes());
    format!("{body}.{}", encoded(tag.as_ref()))
}

/// A token signed by the key `old`, with some claims changed.
pub fn token(changes: Value) -> String {
    signed(&head("HS256"), &with(claims(), changes), &OLD)
}

/// The same, signed by the EdDSA private key.
pub fn ed_token(changes: Value) -> String {
    let body = body(&head("EdDSA"), &with(claims(), changes));
    format!("{body}.{}", encoded(pair().sign(body.as_bytes()).as_ref()))
}

/// A token that the server must refuse.
pub struct Forged {
    /// What is wrong with it.
    pub name: &'static str,
    pub token: String,
    /// How the link ends.
    pub code: CloseCode,
    /// The failure cause that is counted.
    pub cause: &'static str,
}

fn forged(name: &'static str, token: String, cause: &'static str) -> Forged {
    let code = match cause {
        "access_expired" => CloseCode::Expired,
        _ => CloseCode::Forbidden,
    };
    Forged { name, token, code, cause }
}

/// Tokens for a server with HS256 keys.
pub fn for_hs256() -> Vec<Forged> {
    let good = token(json!({}));
    let (unsigned, _) = good.rsplit_once('.').unwrap();
    let head_of = |changes| signed(&with(head("HS256"), changes), &claims(), &OLD);
    let seconds = now() as i64;
    vec![
        forged("another_secret", signed(&head("HS256"), &claims(), &NEW), "access_signature"),
        forged("no_secret", signed(&head("HS256"), &claims(), &[]), "access_signature"),
        forged("no_signature", format!("{unsigned}."), "access_signature"),
        forged("two_parts", unsigned.to_owned(), "access_malformed"),
        forged("other_claims", swap(&good, &token(json!({ "room": "*" }))), "access_signature"),
        forged("alg_none", head_of(json!({ "alg": "none" })), "access_algorithm"),
        forged(
            "alg_none_unsigned",
            format!("{}.", body(&head("none"), &claims())),
            "access_algorithm",
        ),
        forged("alg_hs512", head_of(json!({ "alg": "HS512" })), "access_algorithm"),
        forged("alg_eddsa", ed_token(json!({})), "access_algorithm"),
        forged("the_kid_of_another_key", head_of(json!({ "kid": "new" })), "access_signature"),
        forged("an_unknown_kid", head_of(json!({ "kid": "newer" })), "access_key"),
        forged("a_kid_that_is_a_path", head_of(json!({ "kid": "/dev/null" })), "access_key"),
        forged("no_kid", head_of(json!({ "kid": null })), "access_key"),
        forged("a_critical_header", head_of(json!({ "crit": ["b64"] })), "access_malformed"),
        forged("expired", token(json!({ "exp": seconds - 1 })), "access_expired"),
        forged("expired_long_ago", token(json!({ "exp": 0 })), "access_expired"),
        forged("not_yet_valid", token(json!({ "nbf": seconds + 1_800 })), "access_early"),
        forged("no_exp", token(json!({ "exp": null })), "access_claims"),
        forged("an_exp_that_is_text", token(json!({ "exp": "never" })), "access_claims"),
        forged("no_room", token(json!({ "room": null })), "access_claims"),
        forged("all_rights", token(json!({ "rights": ["*"] })), "access_claims"),
        forged("no_rights", token(json!({ "rights": [] })), "access_claims"),
        forged("another_room", token(json!({ "room": "backstage" })), "access_room"),
        forged("a_pattern_of_rooms", token(json!({ "room": "st*" })), "access_room"),
        forged("the_right_to_watch_only", token(json!({ "rights": ["view"] })), "access_rights"),
        forged("garbage", "?.?.?".to_owned(), "access_malformed"),
        forged("nothing", String::new(), "access_malformed"),
        forged("dots", ".".repeat(MAX_ACCESS), "access_malformed"),
        forged("not_json", format!("{0}.{0}.{0}", encoded(b"\xFF{")), "access_malformed"),
        forged("deep_nesting", encoded(&b"[".repeat(500)) + ".x.x", "access_malformed"),
        forged("one_byte_too_long", "x".repeat(MAX_ACCESS + 1), "access_malformed"),
    ]
}

/// The first token's signature with the second one's claims.
fn swap(signed: &str, claims: &str) -> String {
    let (body, _) = claims.rsplit_once('.').unwrap();
    let (_, signature) = signed.rsplit_once('.').unwrap();
    format!("{body}.{signature}")
}

/// Tokens for a server with a public key, which must not let its readers sign.
pub fn for_eddsa() -> Vec<Forged> {
    let by = |alg: &str, secret: &[u8]| signed(&head(alg), &claims(), secret);
    let good = ed_token(json!({}));
    let other = swap(&good, &ed_token(json!({ "room": "*" })));
    vec![
        forged("hs256_with_the_public_pem", by("HS256", pem().as_bytes()), "access_algorithm"),
        forged("hs256_with_the_public_der", by("HS256", &der()), "access_algorithm"),
        forged("hs256_with_the_public_key", by("HS256", &der()[12..]), "access_algorithm"),
        forged("rs256_with_the_public_pem", by("RS256", pem().as_bytes()), "access_algorithm"),
        forged("an_hmac_labelled_eddsa", by("EdDSA", &der()[12..]), "access_signature"),
        forged(
            "zeros_for_a_signature",
            swap(&format!(".{}", encoded(&[0; 64])), &good),
            "access_signature",
        ),
        forged("other_claims", other, "access_signature"),
        forged("none", format!("{}.", body(&head("none"), &claims())), "access_algorithm"),
    ]
}
