//! The state of a room: who is here, what they last said, and who is told what.
//!
//! `handle_*` takes what arrives, `poll_*` hands out what must be sent. The shell calls
//! [`World::handle_timeout`] when [`World::poll_timeout`] says so, then drains
//! [`World::poll_event`] and [`World::poll_viewer`]. Poses wait in mailboxes, where the latest
//! wins, until the tick moves them into the grid; nothing else in here waits anywhere.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::blur::approximate;
use crate::pose::{Orientation, Pose};
use crate::time::Time;
use crate::wire::frame::Ids;
use crate::wire::{
    ClientMessage, Online, PeerId, Person, Presence, PublicId, Refused, ResumeToken, Sample,
    ServerMessage,
};
use crate::world::bulletin::Bulletin;
use crate::world::chunks::Chunks;
use crate::world::grid::Grid;
use crate::world::people::{Body, Mailbox, Slot, Slots};
use crate::world::ticker::Ticker;
use crate::world::viewer::{Scene, Scratch, Viewer};

pub use self::ages::{AGE_BOUNDS_MS, Ages};
pub use self::interface::{
    Arrival, Audience, Event, Feedback, JoinError, Newcomer, Parting, Settings, Violation,
};
use crate::world::deadlines::Deadlines;
use crate::world::seats::Seats;

mod ages;
mod bulletin;
mod chunks;
mod deadlines;
mod grid;
mod interface;
mod news;
mod people;
mod presence;
mod rate;
mod seats;
mod ticker;
mod viewer;

/// After this long without a sign of life, in ms, a peer counts as gone.
pub const SILENCE_MS: u64 = 15_000;
/// A peer that closed its link counts as gone this long after, in ms: a page that is reloaded is
/// back by then, also on a slow phone, and one that was closed is not waited for as long as one
/// in a tunnel.
pub const CLOSED_MS: u64 = 5_000;
/// Viewports a second that are taken, and how many at once.
const VIEWPORTS_PER_SECOND: u64 = 10;
const VIEWPORT_BURST: u16 = 20;
/// People whom a newcomer is told of.
const MAX_ROSTER: usize = 1024;
/// Ticks between two looks at the range of ids.
const IDS_TICKS: u32 = 64;

/// What a tick does not touch of a person.
#[derive(Debug)]
struct Peer {
    uuid: PublicId,
    token: ResumeToken,
    name: Box<str>,
    presence: Presence,
    /// Whether the poses are shown, also while hidden.
    shares: bool,
    /// When that ends by itself.
    ends: Option<Time>,
    may_share: bool,
    /// What becomes of it without a link.
    away: Option<Away>,
    viewer: Option<Box<Viewer>>,
    /// Its viewer's seat.
    seat: u32,
    /// Viewports that may come at once, in thousandths, as of `looked`.
    looks: u16,
    looked: Time,
}

/// When somebody without a link counts as gone, and when they have left.
#[derive(Clone, Copy, Debug)]
struct Away {
    gone: Time,
    left: Time,
}

/// The state of a room.
#[derive(Debug)]
pub struct World {
    settings: Settings,
    bodies: Vec<Body>,
    mailboxes: Vec<Mailbox>,
    peers: Vec<Option<Peer>>,
    free: Vec<Slot>,
    slots: Slots,
    /// The public identities of everybody.
    uuids: BTreeSet<PublicId>,
    grid: Grid,
    chunks: Chunks,
    scratch: Scratch,
    ticker: Ticker,
    tick: u32,
    /// Ages of what was taken in since they were asked for.
    ages: Ages,
    ids: Ids,
    /// Slots with mail.
    mail: Vec<Slot>,
    seats: Seats,
    watching: usize,
    /// Viewers whose turn it is, and where they are found.
    due: VecDeque<(PeerId, Slot)>,
    /// The last of them that was polled.
    polled: Option<(PeerId, Slot)>,
    events: VecDeque<Event>,
    bulletin: Bulletin,
    /// Who is here, as newcomers are told, in bytes. Whatever changed since is in the bulletin.
    snapshot: Option<Arc<[Arc<[u8]>]>>,
    online: Online,
    /// What happens to somebody by time alone.
    deadlines: Deadlines,
}

impl World {
    /// An empty room. `seed` is drawn at random by the shell; it decides which people are shown
    /// as the sample of a crowd.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> Self {
        let ticker = Ticker::new(settings.tick_hz);
        Self {
            settings,
            bodies: Vec::new(),
            mailboxes: Vec::new(),
            peers: Vec::new(),
            free: Vec::new(),
            slots: Slots::default(),
            uuids: BTreeSet::new(),
            grid: Grid::new(seed),
            chunks: Chunks::default(),
            scratch: Scratch::default(),
            seats: Seats::new(ticker.slots()),
            ticker,
            tick: 0,
            ages: Ages::default(),
            ids: Ids { base: u32::MAX, span: 0 },
            mail: Vec::new(),
            watching: 0,
            due: VecDeque::new(),
            polled: None,
            events: VecDeque::new(),
            bulletin: Bulletin::default(),
            snapshot: None,
            online: Online::default(),
            deadlines: Deadlines::default(),
        }
    }

    /// Takes a pose into the peer's mailbox: latest wins. Old ones are dropped.
    pub fn handle_pose(&mut self, id: PeerId, sample: Sample, now: Time) {
        let Some(slot) = self.slots.get(id) else { return };
        let mailbox = &mut self.mailboxes[slot as usize];
        if mailbox.begun && sample.seq <= mailbox.seq {
            return;
        }
        (mailbox.begun, mailbox.seq) = (true, sample.seq);
        let Sample { pose, .. } = sample;
        mailbox.pose = Some(if mailbox.approximate { approximate(pose) } else { pose });
        if mailbox.shown {
            self.queue_mail(slot);
            self.ticker.note_change(now);
        }
    }

    /// Takes a message of the reliable lane.
    ///
    /// # Errors
    /// If it ends the link. The peer stays until [`World::leave`] or [`World::detach`].
    pub fn handle_message(
        &mut self,
        id: PeerId,
        message: &ClientMessage,
        now: Time,
    ) -> Result<(), Violation> {
        let Some(slot) = self.slots.get(id) else { return Ok(()) };
        match *message {
            ClientMessage::Hello(_) => return Err(Violation::OutOfTurn),
            ClientMessage::Leave => self.leave(id, now),
            ClientMessage::Presence(presence) => {
                let may_share =
                    self.peers[slot as usize].as_ref().is_some_and(|peer| peer.may_share);
                if presence == Presence::Sharing && !may_share {
                    return Err(Violation::MayNotShare);
                }
                self.set_presence(slot, presence);
                self.ticker.note_change(now);
            }
            ClientMessage::Budget(budget) => {
                let asked = self.clamp_budget(budget);
                if let Some(viewer) = self.viewer(slot) {
                    viewer.rate.ask(asked);
                }
            }
            ClientMessage::Viewport(viewport) => self.look(slot, viewport, now)?,
            ClientMessage::Sharing(sharing) => self.set_sharing(slot, sharing, now),
        }
        Ok(())
    }

    /// Tells somebody, behind all that is told already, of a value that was not taken.
    pub fn refuse(&mut self, id: PeerId, refused: Refused) {
        self.events.push_back(Event::new(Audience::One(id), &ServerMessage::Refused(refused)));
    }

    /// Takes what a link learned of its path.
    pub fn handle_feedback(&mut self, id: PeerId, feedback: Feedback, now: Time) {
        if let Some(slot) = self.slots.get(id)
            && let Some(viewer) = self.viewer(slot)
        {
            viewer.rate.adapt(feedback, now);
        }
    }

    /// When [`World::handle_timeout`] must be called next; `None` while nothing is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let deadline = self.deadlines.next();
        let tick = self.ticker.poll_timeout(self.watching > 0);
        match (deadline, tick) {
            (Some(deadline), Some(tick)) => Some(deadline.min(tick)),
            (deadline, tick) => deadline.or(tick),
        }
    }

    /// Runs whatever is due at `now`: expiry, the viewers' turns, and then the next tick once
    /// everybody had their turn. Drain [`World::poll_event`] and [`World::poll_viewer`] after it.
    pub fn handle_timeout(&mut self, now: Time) {
        self.expire(now);
        self.take_turns(now);
        if self.due.is_empty() && self.ticker.begin(now, self.watching > 0) {
            self.run_tick(now);
            self.take_turns(now);
        }
    }

    /// The next message for the reliable lane.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next viewer whose turn it is; call [`World::poll_frame`] for it if its link has room.
    /// A viewer that is passed over lost nothing: its next frame tells all that is new.
    pub fn poll_viewer(&mut self) -> Option<PeerId> {
        self.polled = self.due.pop_front();
        self.polled.map(|(id, _)| id)
    }

    /// Writes the viewer's next frame of at most `max_len` bytes (at least 1,000 if it is not to
    /// starve in a crowd) behind what is in `out`, and tells whether there is one.
    pub fn poll_frame(&mut self, id: PeerId, max_len: usize, now: Time, out: &mut Vec<u8>) -> bool {
        let Some(slot) = self.slot_of(id) else { return false };
        let Some(peer) = self.peers[slot as usize].as_mut() else { return false };
        let Some(viewer) = &mut peer.viewer else { return false };
        let mut scene = Scene {
            grid: &mut self.grid,
            chunks: &mut self.chunks,
            bodies: &self.bodies,
            scratch: &mut self.scratch,
            tick: self.tick,
            refresh: refresh_ticks(&self.settings),
        };
        let sent = viewer.compose(&mut scene, max_len, now, out);
        if viewer.backlog
            && let Some(slot) = self.seats.slot_of(peer.seat)
        {
            self.ticker.want_second(slot);
        }
        sent
    }

    /// Whether nobody is here, not even somebody who may come back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.len() == 0
    }

    /// Whether nobody but a host gets in.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.slots.len() >= self.settings.max_people as usize
    }

    /// Whether somebody of this number has a place here, with or without a link.
    #[must_use]
    pub fn is_here(&self, id: PeerId) -> bool {
        self.slots.get(id).is_some()
    }

    /// Whether somebody here has this public identity.
    #[must_use]
    pub fn has(&self, uuid: PublicId) -> bool {
        self.uuids.contains(&uuid)
    }

    /// How many people are here.
    #[must_use]
    pub const fn online(&self) -> Online {
        self.online
    }

    /// How often the room ticked.
    #[must_use]
    pub const fn ticks(&self) -> u32 {
        self.tick
    }

    /// How old the samples were that ticks took in since the last call.
    pub fn take_ages(&mut self) -> Ages {
        std::mem::take(&mut self.ages)
    }

    /// Bytes per second that the viewer may be sent now.
    #[must_use]
    pub fn budget(&self, id: PeerId) -> Option<u32> {
        let peer = self.peers[self.slots.get(id)? as usize].as_ref()?;
        peer.viewer.as_ref().map(|viewer| viewer.rate.bytes_per_second())
    }

    /// Bytes of memory held for people, all indexes included, names and viewers' state not.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bodies.capacity() * size_of::<Body>()
            + self.mailboxes.capacity() * size_of::<Mailbox>()
            + self.peers.capacity() * size_of::<Option<Peer>>()
            + (self.free.capacity() + self.mail.capacity()) * size_of::<Slot>()
            + self.slots.memory()
            + self.grid.memory()
            + self.chunks.memory()
    }

    /// Where somebody is; whoever was just polled is found without a search.
    fn slot_of(&self, id: PeerId) -> Option<Slot> {
        let polled = self
            .polled
            .filter(|&(polled, slot)| polled == id && self.bodies[slot as usize].id == id);
        polled.map_or_else(|| self.slots.get(id), |(_, slot)| Some(slot))
    }

    fn viewer(&mut self, slot: Slot) -> Option<&mut Viewer> {
        self.peers[slot as usize].as_mut()?.viewer.as_deref_mut()
    }

    fn clamp_budget(&self, asked: u32) -> u32 {
        let Settings { default_budget, limits, .. } = self.settings;
        let asked = if asked == 0 { default_budget } else { asked };
        asked.clamp(limits.min_budget, limits.max_budget)
    }

    fn queue_mail(&mut self, slot: Slot) {
        let queued = &mut self.mailboxes[slot as usize].queued;
        if !std::mem::replace(queued, true) {
            self.mail.push(slot);
        }
    }

    fn run_tick(&mut self, now: Time) {
        self.tick += 1;
        if self.tick.is_multiple_of(IDS_TICKS) {
            self.narrow_ids();
        }
        self.seat_viewers();
        let mut mail = std::mem::take(&mut self.mail);
        // In the order of the tables, in which memory is read ahead; mail comes in any order.
        mail.sort_unstable();
        self.grid.news_mut().clear();
        for slot in mail.drain(..) {
            self.deliver(slot, now);
        }
        self.grid.news_mut().sort();
        self.mail = mail;
        let refresh = refresh_ticks(&self.settings);
        self.chunks.begin(&self.grid, self.tick, refresh, now, self.ids);
        if self.bulletin.is_due(self.watching, now) {
            self.tell_everybody(now);
        }
    }

    fn tell_everybody(&mut self, now: Time) {
        let Self { slots, peers, bulletin, online, events, .. } = self;
        let person = |id| Some(person(peers[slots.get(id)? as usize].as_ref()?, id));
        let messages = bulletin.publish(person, *online, now).into_iter();
        events.extend(messages.map(|message| Event::new(Audience::Everyone, &message)));
        self.snapshot = None;
    }

    /// Moves a mailbox into the grid.
    fn deliver(&mut self, slot: Slot, now: Time) {
        let mailbox = &mut self.mailboxes[slot as usize];
        mailbox.queued = false;
        if !mailbox.shown {
            return;
        }
        let Some(pose) = mailbox.pose.take() else { return };
        self.grid.place(&mut self.bodies, slot, pose.position);
        let body = &mut self.bodies[slot as usize];
        if body.pose.is_none_or(|old| old.sampled != pose.sampled) {
            self.ages.note(now.since(pose.sampled));
        }
        let motion = body.pose.map_or(u8::MAX, |old| motion(old, pose));
        body.pose = Some(pose);
        if let Some(entry) = body.entry(now) {
            self.grid.note_change(body.leaf, entry, motion, self.tick);
        }
    }

    fn widen_ids(&mut self, id: PeerId) {
        let Ids { base, span } = self.ids;
        let highest = if base == u32::MAX { id.0 } else { base + ((1_u32 << span) - 1) };
        self.ids = Ids::between(base.min(id.0), highest.max(id.0));
    }

    fn narrow_ids(&mut self) {
        let ids = self.peers.iter().zip(&self.bodies);
        let ids = ids.filter_map(|(peer, body)| peer.as_ref().map(|_| body.id.0));
        let (low, high) = ids.fold((u32::MAX, 0), |(low, high), id| (low.min(id), high.max(id)));
        self.ids = Ids::between(low, high);
    }
}

fn refresh_ticks(settings: &Settings) -> u32 {
    (u32::from(settings.limits.refresh_ms) * u32::from(settings.tick_hz) / 1000).max(1)
}

fn person(peer: &Peer, id: PeerId) -> Person {
    Person { id, uuid: peer.uuid, name: peer.name.clone().into(), presence: peer.presence }
}

/// How far somebody moved and turned, in steps of about 8 cm and half a degree, at most 255.
fn motion(old: Pose, new: Pose) -> u8 {
    let moved = old.position.lat().abs_diff(new.position.lat()) / 7
        + old.position.lng().abs_diff(new.position.lng()) / 7;
    let turned = match (old.orientation, new.orientation) {
        (Some(old), Some(new)) => Orientation::steps_between(old, new),
        (None, None) => 0,
        _ => u32::MAX,
    };
    moved.saturating_add(turned).min(255) as u8
}

#[cfg(test)]
mod tests;
