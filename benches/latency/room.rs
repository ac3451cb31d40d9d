//! A room as a conventional server has one: GPyS's own world, whose frames and messages leave at
//! once, whether or not there is room for them.
//!
//! Every server that carries them compiles this file, `benches/webrtc` included, which is not part
//! of the workspace. So it names nothing of this crate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use gpys_proto::time::Time;
use gpys_proto::wire::{
    ClientDatagram, ClientMessage, DATAGRAM_LANE, Hello, PeerId, PublicId, ResumeToken, encode_pong,
};
use gpys_proto::world::{Arrival, Newcomer, RoomSettings, World};
use uuid::Uuid;

/// Maximum length of a frame, as in GPyS.
pub const MAX_FRAME: usize = 1_000;

/// The way out to one peer. What it cannot carry any more is lost: its own task notices the end.
pub trait Out: Send + 'static {
    /// Sends a reliable message.
    fn message(&self, bytes: Bytes);

    /// Sends a frame.
    fn frame(&self, bytes: Bytes);
}

/// A room of peers that are reached over an `O`.
pub struct Room<O> {
    epoch: Instant,
    inner: Mutex<Inner<O>>,
}

struct Inner<O> {
    world: World,
    outs: HashMap<PeerId, O>,
    ids: u32,
}

impl<O: Out> Room<O> {
    /// An empty room that ticks at `tick_hz` at least.
    pub fn new(tick_hz: u8) -> Self {
        let mut settings = RoomSettings { tick_hz, ..RoomSettings::default() };
        settings.default_budget = settings.limits.max_budget;
        let inner = Inner { world: World::new(settings, 1), outs: HashMap::new(), ids: 0 };
        Self { epoch: Instant::now(), inner: Mutex::new(inner) }
    }

    fn now(&self) -> Time {
        Time::from_ms(1_000 + self.epoch.elapsed().as_millis() as u64)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<O>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass, for ever.
    pub async fn tick(self: Arc<Self>) {
        let mut turns = tokio::time::interval(Duration::from_millis(1));
        loop {
            turns.tick().await;
            let now = self.now();
            let mut inner = self.lock();
            inner.world.handle_timeout(now);
            inner.send(now);
        }
    }

    /// Lets a peer in.
    ///
    /// # Errors
    /// If the world refuses it.
    pub fn enter(&self, hello: Hello, out: O) -> Result<PeerId> {
        let now = self.now();
        let mut inner = self.lock();
        inner.ids += 1;
        let id = PeerId(inner.ids);
        inner.outs.insert(id, out);
        inner.world.join(
            Newcomer {
                id,
                uuid: PublicId(Uuid::new_v4()),
                token: ResumeToken::mint(id, [0; 12]),
                arrival: Arrival {
                    name: hello.name,
                    presence: hello.presence,
                    budget: hello.budget,
                    viewport: hello.viewport,
                    ..Arrival::default()
                },
            },
            now,
        )?;
        inner.send(now);
        Ok(id)
    }

    /// Handles what came over a lane that carries both messages and datagrams, and returns the
    /// reply, if any.
    ///
    /// # Errors
    /// If the peer left, or broke the rules.
    pub fn handle(&self, id: PeerId, bytes: &[u8]) -> Result<Option<Bytes>> {
        match bytes.first() {
            Some(&first) if first >= DATAGRAM_LANE => self.datagram(id, bytes),
            _ => self.message(id, bytes).map(|()| None),
        }
    }

    fn message(&self, id: PeerId, bytes: &[u8]) -> Result<()> {
        let message = ClientMessage::decode(bytes)?;
        let now = self.now();
        let mut inner = self.lock();
        if inner.world.handle_message(id, &message, now).is_err() {
            bail!("the client broke the rules");
        }
        if matches!(message, ClientMessage::Leave) {
            bail!("left");
        }
        inner.send(now);
        Ok(())
    }

    /// Handles a datagram, and returns the reply, if any.
    ///
    /// # Errors
    /// If it does not decode.
    pub fn datagram(&self, id: PeerId, bytes: &[u8]) -> Result<Option<Bytes>> {
        let now = self.now();
        Ok(match ClientDatagram::decode(bytes, now, 0)? {
            ClientDatagram::Pose(sample) => {
                self.lock().world.handle_pose(id, sample);
                None
            }
            ClientDatagram::Ping(echo) => Some(encode_pong(echo, now).to_vec().into()),
            _ => None,
        })
    }

    /// Lets a peer go.
    pub fn leave(&self, id: PeerId) {
        let mut inner = self.lock();
        inner.outs.remove(&id);
        inner.world.leave(id);
    }
}

impl<O: Out> Inner<O> {
    /// Sends everything, regardless of room.
    fn send(&mut self, now: Time) {
        while let Some(event) = self.world.poll_event() {
            let bytes = Bytes::copy_from_slice(&event.message);
            for (&id, out) in &self.outs {
                if event.to.includes(id) {
                    out.message(bytes.clone());
                }
            }
        }
        let mut frame = Vec::new();
        while let Some(id) = self.world.poll_viewer() {
            frame.clear();
            if self.world.poll_frame(id, MAX_FRAME, now, &mut frame)
                && let Some(out) = self.outs.get(&id)
            {
                out.frame(Bytes::copy_from_slice(&frame));
            }
        }
    }
}
