//! The server: one room, whose frames leave at once.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, bail};
use bytes::Bytes;
use gpys_proto::wire::{ClientMessage, PeerId};
use tokio::io::BufStream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::link::{Lane, Link};
use crate::room::{Out, Room};
use crate::signalling;

/// The way out to one peer.
struct Sender(UnboundedSender<(Lane, Bytes)>);

impl Out for Sender {
    fn message(&self, bytes: Bytes) {
        let _ = self.0.send((Lane::Reliable, bytes));
    }

    fn frame(&self, bytes: Bytes) {
        let _ = self.0.send((Lane::Latest, bytes));
    }
}

/// Serves until the process ends.
///
/// # Errors
/// If the port is taken.
pub async fn run(address: SocketAddr, tick_hz: u8) -> Result<()> {
    let room = Arc::new(Room::new(tick_hz));
    tokio::spawn(Arc::clone(&room).tick());
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let room = Arc::clone(&room);
        // One peer's failure is its own; the benchmark counts links that are lost.
        tokio::spawn(async move { drop(session(&room, stream, address).await) });
    }
}

/// A peer, from its offer to its end.
async fn session(room: &Arc<Room<Sender>>, stream: TcpStream, address: SocketAddr) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufStream::new(stream);
    let offer = signalling::read(&mut stream).await?;
    let mut link = Link::new(address.ip()).await?;
    let answer = link.answer(offer)?;
    signalling::respond(&mut stream, &answer).await?;
    drop(stream);
    let (out, queue) = unbounded_channel();
    let mut peer = Peer { room: Arc::clone(room), out, id: None };
    link.run(queue, move |bytes| peer.handle(&bytes)).await
}

/// A peer and, once it has said hello, its number; it leaves when dropped.
struct Peer {
    room: Arc<Room<Sender>>,
    out: UnboundedSender<(Lane, Bytes)>,
    id: Option<PeerId>,
}

impl Peer {
    fn handle(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(id) = self.id else {
            let ClientMessage::Hello(hello) = ClientMessage::decode(bytes)? else {
                bail!("no hello");
            };
            self.id = Some(self.room.enter(hello, Sender(self.out.clone()))?);
            return Ok(());
        };
        if let Some(answer) = self.room.handle(id, bytes)? {
            let _ = self.out.send((Lane::Latest, answer));
        }
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.room.leave(id);
        }
    }
}
