//! The first exchange on an open link: a hello, and the welcome that answers it.

use gpys_proto::wire::{ClientMessage, Closing, Hello, ServerMessage, Welcome};

use crate::link::Link;
use crate::link::end::Incoming;

/// Why joining failed on an open link.
pub enum JoinError {
    /// The link broke, or what came is no answer.
    Link(String),
    /// The server closes instead.
    Refused(Closing),
}

/// Says hello and waits for the welcome.
///
/// # Errors
/// If the link breaks, or the server closes it instead.
pub async fn greet(link: &mut Link, hello: Hello) -> Result<Welcome, JoinError> {
    let hello = ClientMessage::Hello(hello).encode();
    link.send_message(&hello).await.map_err(|end| JoinError::Link(end.reason))?;
    let message = loop {
        match link.recv().await {
            Ok(Incoming::Message(bytes)) => break ServerMessage::decode(&bytes),
            // The lanes race.
            Ok(Incoming::Datagram(_)) => {}
            Err(end) => return Err(JoinError::Link(end.reason)),
        }
    };
    match message.map_err(|error| JoinError::Link(error.to_string()))? {
        ServerMessage::Welcome(welcome) => Ok(welcome),
        ServerMessage::Closing(closing) => {
            let reason = closing.words();
            Err(JoinError::Refused(Closing { reason, ..closing }))
        }
        ServerMessage::Roster(_) | ServerMessage::Refused(_) => {
            Err(JoinError::Link("another message came before the welcome".to_owned()))
        }
    }
}
