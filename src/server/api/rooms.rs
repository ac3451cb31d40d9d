//! Looking at rooms, and what hosts may do there.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::api::ask::{Asked, Caller, Named, text};
use crate::api::formats::{self, Look};
use crate::api::people::RoomJson;
use crate::api::problem::Problem;
use crate::api::state::{Api, ROOT};
use crate::tcp::Wire;
use gpys_proto::text::MAX_REASON;
use gpys_proto::wire::{PeerId, Say, To};

/// Most rooms of a page, and how many there are unless a number is given.
const PAGE: (usize, usize) = (1_000, 100);

/// Which rooms to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /rooms`.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    key: Caller,
    Asked(Page { after, limit }): Asked<Page>,
) -> Result<Response, Problem> {
    key.reads(None)?;
    let (most, default) = PAGE;
    let limit = limit.unwrap_or(default);
    if !(1..=most).contains(&limit) {
        return Err(Problem::wrong(format!("limit is from 1 to {most}")));
    }
    let after = after.as_deref();
    if let Some(own) = key.room() {
        let is_next = after.is_none_or(|after| own > after);
        let room = api.handle.people(own).await.ok().filter(|_| is_next);
        let rooms: Vec<_> = room.iter().map(|room| RoomJson::from(&room.info)).collect();
        return Ok(Json(json!({ "rooms": rooms, "next": null })).into_response());
    }
    let rooms = api.handle.rooms(after, limit).await;
    key.spend_look(api.context.clock.now());
    let next = rooms.last().filter(|_| rooms.len() == limit).map(|room| &room.name);
    let list: Vec<_> = rooms.iter().map(RoomJson::from).collect();
    Ok(Json(json!({ "rooms": list, "next": next })).into_response())
}

/// In which form to give a room.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    format: Option<String>,
}

/// `GET /rooms/{room}`.
pub(crate) async fn look(
    State(api): State<Arc<Api>>,
    key: Caller,
    Named(room): Named<String>,
    Asked(Form { format }): Asked<Form>,
    wire: Option<Extension<Wire>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    key.enters(&room)?;
    let people = api.handle.people(&room).await?;
    key.spend_look(api.context.clock.now());
    // A proxy is there for TLS.
    let secure = wire.is_none_or(|Extension(wire)| wire.secure || wire.is_proxy);
    let scheme = if secure { "https" } else { "http" };
    let host = text(&headers, header::HOST).unwrap_or("localhost");
    let url = format!("{scheme}://{host}{ROOT}/rooms/{room}");
    let look = Look { people: &people, key: &key, now: OffsetDateTime::now_utc(), url };
    formats::answer(&look, format.as_deref(), &headers)
}

/// Why somebody has to leave.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    #[serde(default)]
    reason: String,
}

/// `DELETE /rooms/{room}`.
pub(crate) async fn close(
    State(api): State<Arc<Api>>,
    key: Caller,
    Named(room): Named<String>,
    Asked(Reason { reason }): Asked<Reason>,
) -> Result<StatusCode, Problem> {
    key.manages(&room)?;
    api.handle.close(&room, shown(&reason, "reason")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /rooms/{room}/people/{id}`.
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    key: Caller,
    Named((room, id)): Named<(String, String)>,
    Asked(Reason { reason }): Asked<Reason>,
) -> Result<StatusCode, Problem> {
    key.manages(&room)?;
    let id = id.parse().map_err(|_| Problem::wrong("a person's id is a number"))?;
    api.handle.remove(&room, PeerId(id), shown(&reason, "reason")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Something to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a message, as a JSON object")]
struct Message {
    topic: String,
    data: Option<Value>,
    to: Option<Hearer>,
}

/// Whom it is for.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "to is \"room\", \"hosts\" or a person's id")]
enum Hearer {
    Many(Many),
    One(u32),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Many {
    Room,
    Hosts,
}

/// `POST /rooms/{room}/messages`.
pub(crate) async fn say(
    State(api): State<Arc<Api>>,
    key: Caller,
    Named(room): Named<String>,
    request: Request,
) -> Result<Response, Problem> {
    key.manages(&room)?;
    let Message { topic, data, to } = api.json(request).await?;
    let to = match to {
        None | Some(Hearer::Many(Many::Room)) => To::Room,
        Some(Hearer::Many(Many::Hosts)) => To::Hosts,
        Some(Hearer::One(id)) => To::Peer(PeerId(id)),
    };
    // As clients write it: nothing for null.
    let body = data.map(|data| data.to_string().into_bytes()).unwrap_or_default();
    let hearers = api.handle.say(&room, &Say { to, topic, body }).await?;
    Ok(Json(json!({ "hearers": hearers })).into_response())
}

/// What to announce.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an announcement, as a JSON object")]
struct Announcement {
    text: String,
}

/// `PUT /rooms/{room}/announcement`.
pub(crate) async fn announce(
    State(api): State<Arc<Api>>,
    key: Caller,
    Named(room): Named<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    key.manages(&room)?;
    let Announcement { text } = api.json(request).await?;
    api.handle.announce(&room, shown(&text, "text")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A text that people are shown, if it is not too long for that.
fn shown<'a>(text: &'a str, name: &str) -> Result<&'a str, Problem> {
    if text.len() <= MAX_REASON {
        return Ok(text);
    }
    Err(Problem::wrong(format!("{name} has at most {MAX_REASON} bytes")))
}
