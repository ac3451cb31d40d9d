//! A web application with presence: an axum router with a page of its own, and in the same process
//! a GPyS server that asks the application who may enter, and tells it who came and went.
//!
//! ```sh
//! cargo run --example embed
//! cargo run --example bot -- http://localhost:8080/r/garden    # and see the page change
//! ```

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::{Html, Json};
use axum::{Router, routing::get};
use gpys::server::access::{Entry, Gate, Grant, Refusal, Right};
use gpys::server::config::Config;
use gpys::server::events::{Events, What};
use gpys::server::{Server, StartError};

/// How many people are in each room, by its name.
type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

/// The application's own rules: the garden is open, and the office for those with the word.
struct Doorman;

impl Gate for Doorman {
    async fn enter(&self, entry: Entry) -> Result<Grant, Refusal> {
        match (entry.room.as_str(), entry.access.as_deref()) {
            ("garden", _) => Ok(Grant::new(Right::Share)),
            ("office", Some("open sesame")) => {
                Ok(Grant::new(Right::Host).for_time(Duration::from_secs(8 * 3_600)))
            }
            ("office", _) => Err(Refusal::because("say the word to enter the office")),
            _ => Err(Refusal::because("there are two rooms: garden and office")),
        }
    }
}

/// The application's own pages.
fn pages(counts: Counts) -> Router {
    Router::new().route("/", get(index)).route("/rooms.json", get(rooms)).with_state(counts)
}

async fn index(State(counts): State<Counts>) -> Html<String> {
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let rows: String =
        counts.iter().map(|(room, people)| format!("<li>{room}: {people}</li>")).collect();
    Html(format!("<!doctype html><meta charset=utf-8><title>Who is here</title><ul>{rows}</ul>"))
}

async fn rooms(State(counts): State<Counts>) -> Json<BTreeMap<String, usize>> {
    Json(counts.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Keeps the counts, and prints what happens.
async fn follow(mut events: Events, counts: Counts) {
    while let Some(event) = events.next().await {
        println!("{}: {:?}", event.room, event.what);
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        match event.what {
            What::Entered(_) => *counts.entry(event.room).or_default() += 1,
            What::Left(_) => {
                if let Some(people) = counts.get_mut(&event.room) {
                    *people = people.saturating_sub(1);
                }
            }
            What::Vacated => drop(counts.remove(&event.room)),
            What::Occupied => {}
        }
    }
}

/// The application, with its ports open.
pub(crate) fn application(config: Config) -> Result<Server, StartError> {
    let counts = Counts::default();
    let server = Server::builder(config).gate(Doorman).router(pages(Arc::clone(&counts))).bind()?;
    tokio::spawn(follow(server.events(), counts));
    Ok(server)
}

#[tokio::main]
#[allow(dead_code, reason = "a test runs the application, too, as a module")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = application(Config::from_pairs([("http", "127.0.0.1:8080")])?)?;
    if let Some(address) = server.http_address()? {
        println!("open http://localhost:{}", address.port());
    }
    // Clients are told to come back, and do so once the next process runs.
    server.run(async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}
