//! The first exchange on an open link: a hello, and the welcome that answers it.

use gpys_proto::wire::{ClientMessage, Hello, ServerMessage, Welcome};

use crate::error::ConnectError;
use crate::link::Link;
use crate::link::end::Incoming;

/// Says hello on a link to `url`, and waits for the welcome.
///
/// # Errors
/// If the link breaks, or the server closes it instead.
pub async fn greet(link: &mut Link, hello: Hello, url: &str) -> Result<Welcome, ConnectError> {
    let room = hello.room.clone();
    let hello = ClientMessage::Hello(hello).encode();
    let broken = |reason: String| ConnectError::broken(url, reason);
    link.send_message(&hello).await.map_err(|end| broken(end.reason))?;
    let message = loop {
        match link.recv().await {
            Ok(Incoming::Message(bytes)) => break ServerMessage::decode(&bytes),
            // The lanes race.
            Ok(Incoming::Datagram(_)) => {}
            Err(end) => return Err(broken(end.reason)),
        }
    };
    match message.map_err(|error| ConnectError::broken(url, error))? {
        ServerMessage::Welcome(welcome) => Ok(welcome),
        ServerMessage::Closing(closing) => Err(ConnectError::from_closing(&closing, url, &room)),
        _ => Err(broken("another message came before the welcome".to_owned())),
    }
}
