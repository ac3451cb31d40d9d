//! A bot: it walks in a circle, greets whoever comes, and answers on the topic `chat`.
//!
//! ```sh
//! cargo run --example bot -- https://localhost:4433/r/stage
//! ```

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use std::error::Error;
use std::time::Duration;

use gpys::client::proto::wire::To;
use gpys::client::{Move, Room, RoomEvent, RoomOptions};

/// Latitude and longitude of the circle's middle, in degrees.
const MIDDLE: (f64, f64) = (45.75, 14.36);
/// Its radius, in degrees of latitude: about 30 m.
const RADIUS: f64 = 0.000_27;

/// Lives in the room at `url` until that ends.
pub(crate) async fn run(url: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let options = RoomOptions { name: "Bot".into(), ..RoomOptions::default() };
    let room = Room::join(url, options).await?;
    let mut steps = tokio::time::interval(Duration::from_millis(500));
    let mut angle = 0.0_f64;
    loop {
        tokio::select! {
            _ = steps.tick() => {
                angle += 0.05;
                let (lat, lng) = (MIDDLE.0 + RADIUS * angle.sin(), MIDDLE.1 + RADIUS * angle.cos());
                room.move_to(Move::earth(lat, lng).with_accuracy(1.0))?;
            }
            event = room.next() => match event {
                Some(RoomEvent::Enter(person)) => {
                    let hello = format!("Hello, {}!", person.name());
                    room.say("chat", &hello, To::Peer(person.id()), true)?;
                }
                Some(RoomEvent::Said(said)) if said.topic == "chat" => {
                    room.say("chat", &"I only walk in circles.", To::Peer(said.from), true)?;
                }
                Some(RoomEvent::Closed(closed)) => println!("{}", closed.ended),
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}

#[tokio::main]
#[allow(dead_code, reason = "a test runs it, too, as a module")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "https://localhost:4433/".to_owned());
    run(&url).await
}
