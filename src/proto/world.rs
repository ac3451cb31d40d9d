//! The server's half: the state of a room, and what each peer gets to know of it.
//!
//! Poses wait in inboxes, where the latest wins, until the tick moves them into the grid; nothing
//! else in here waits anywhere.

use std::collections::{BTreeSet, VecDeque};

use crate::geo::Viewport;
use crate::kind::Kind;
use crate::time::Time;
use crate::wire::{
    ClientMessage, Online, PeerId, Presence, PublicId, Refused, Sample, ServerMessage,
};
use crate::world::deadlines::{Deadlines, Due};
use crate::world::map::Map;
use crate::world::outbox::Outbox;
use crate::world::pace::Pace;
use crate::world::peer::Away;
use crate::world::people::People;
use crate::world::presence::Transition;
use crate::world::slab::Slot;
use crate::world::talk::Talks;
use crate::world::things::Things;
use crate::world::viewers::Viewers;

pub use self::ages::{AGE_BOUNDS_MS, Ages};
pub use self::interface::{
    Arrival, Audience, CLOSED_MS, Dismissal, Event, FROZEN_MS, FROZEN_OUT_MS, JoinError, Lane,
    Newcomer, Parting, RoomSettings, SILENCE_MS, Seen, Violation,
};
pub use self::rate::Feedback;
pub use self::talk::{Over, TOO_MUCH};
pub use self::things::{LAST_SEEN_MS, MAX_KEY, Placed, Put, PutError, is_thing_key};

mod ages;
mod arrivals;
mod body;
mod bulletin;
mod chunks;
mod deadlines;
mod extras;
mod grid;
mod hosts;
mod inbox;
mod interface;
mod kinds;
mod loss;
mod map;
mod news;
mod outbox;
mod pace;
mod peer;
mod people;
mod presence;
mod puts;
mod rate;
mod sample;
mod say;
mod scene;
mod seats;
mod since;
mod slab;
mod slots;
mod talk;
mod things;
mod tick;
mod viewer;
mod viewers;

/// The state machine of a room.
///
/// It is driven by one task, which owns it and the links of its peers. Its methods are of three
/// kinds:
///
/// - **Input.** [`join`](Self::join), [`resume`](Self::resume), [`detach`](Self::detach) and
///   [`leave`](Self::leave) follow links that open and close;
///   [`handle_pose`](Self::handle_pose), [`handle_message`](Self::handle_message) and
///   [`handle_feedback`](Self::handle_feedback) take what arrives on them;
///   [`handle_cost`](Self::handle_cost) takes what frames cost. Input may come in any order. Input
///   of an unknown peer does nothing.
/// - **Time.** [`poll_timeout`](Self::poll_timeout) returns when
///   [`handle_timeout`](Self::handle_timeout) is due. Any input may change it.
///   [`next_change`](Self::next_change) returns how long poses may wait outside.
/// - **Output.** [`poll_event`](Self::poll_event) returns messages for the reliable lane,
///   [`poll_viewer`](Self::poll_viewer) the viewers whose turn it is, and
///   [`poll_frame`](Self::poll_frame) a viewer's next frame.
///
/// The task repeats these steps, with a `now` that never goes back:
///
/// 1. Wait for input, at most until `poll_timeout`.
/// 2. Hand the input in. After an `Err` of `handle_message`, close that link and call `detach` or
///    `leave`.
/// 3. Call `handle_timeout`. Before its time it does nothing.
/// 4. Call `poll_event` until `None`, and send each message to its audience.
/// 5. Call `poll_viewer` until `None`. For each viewer whose link has room, call `poll_frame` and
///    send the bytes as one datagram.
///
/// Steps left out have these consequences. A late `handle_timeout` skips ticks, and none is made
/// up for; if the process did not run for seconds, [`excuse`](Self::excuse) keeps its peers from
/// counting as silent. Events that are not polled pile up. No tick begins while a viewer has not
/// been polled. A polled viewer may be passed over: it misses nothing, as its next frame holds all
/// that is new to it. A peer whose link is lost stays on the map until `detach`: the world does not
/// watch links.
///
/// ```
/// use gpys_proto::geo::Position;
/// use gpys_proto::pose::{Accuracy, Pose};
/// use gpys_proto::time::Time;
/// use gpys_proto::view::View;
/// use gpys_proto::wire::{PeerId, PublicId, ResumeToken, Sample, ServerMessage};
/// use gpys_proto::world::{Arrival, Audience, Newcomer, RoomSettings, World};
///
/// let mut world = World::new(RoomSettings::default(), 7);
/// let (walker, watcher, now) = (PeerId(1), PeerId(2), Time::from_ms(1_000));
/// for id in [walker, watcher] {
///     let uuid = PublicId(uuid::Uuid::from_u128(id.0.into()));
///     let token = ResumeToken::mint(id, [0; 12]);
///     world.join(Newcomer { id, uuid, token, arrival: Arrival::default() }, now)?;
/// }
/// let (position, accuracy) = (Position::from_degrees(46.05, 14.51)?, Accuracy::from_metres(5.0));
/// let pose = Pose { position, orientation: None, accuracy, sampled: now };
/// world.handle_pose(walker, Sample::new(0, pose));
///
/// // A change in a small room is due at once. Here the watcher's view needs no network.
/// let mut view = View::default();
/// let due = world.poll_timeout().expect("a tick is due");
/// world.handle_timeout(now.max(due));
/// while let Some(event) = world.poll_event() {
///     if event.to == Audience::Everyone || event.to == Audience::One(watcher) {
///         view.handle_message(&ServerMessage::decode(&event.message)?);
///     }
/// }
/// while let Some(viewer) = world.poll_viewer() {
///     let mut frame = Vec::new();
///     if world.poll_frame(viewer, 1_000, now, &mut frame) && viewer == watcher {
///         view.handle_frame(&frame, |_, _| {})?;
///     }
/// }
/// assert_eq!(view.online().sharing, 2);
/// assert!(view.figure(walker).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct World {
    settings: RoomSettings,
    /// What the room is for; its first peer decides unless it was given.
    kind: Option<Kind>,
    people: People,
    map: Map,
    viewers: Viewers,
    pace: Pace,
    outbox: Outbox,
    deadlines: Deadlines,
    talks: Talks,
    things: Things,
    /// What a host shows everybody.
    announcement: String,
    /// Peers whose links are to be closed.
    dismissals: VecDeque<Dismissal>,
    /// The identities and subjects of those whom a host removed.
    removed: BTreeSet<PublicId>,
    /// Whether a host closed the room.
    is_over: bool,
    /// Ages of the samples shown since [`World::take_ages`].
    ages: Ages,
}

impl World {
    /// Makes an empty room. `seed`, drawn at random by the caller, decides which people are shown
    /// as the sample of a crowd.
    #[must_use]
    pub fn new(settings: RoomSettings, seed: u64) -> Self {
        Self {
            settings,
            kind: None,
            people: People::new(),
            map: Map::new(seed, settings.limits.refresh_ms),
            viewers: Viewers::new(),
            pace: Pace::new(settings.tick_hz),
            outbox: Outbox::default(),
            deadlines: Deadlines::default(),
            talks: Talks::new(),
            things: Things::new(),
            announcement: String::new(),
            dismissals: VecDeque::new(),
            removed: BTreeSet::new(),
            is_over: false,
            ages: Ages::default(),
        }
    }

    /// Postpones the deadlines of silent peers by the time for which the server did not run, in
    /// ms. Sharing for a time ends when it was to end all the same.
    pub fn excuse(&mut self, ms: u64) {
        self.deadlines.postpone(ms);
        for away in self.people.away_mut() {
            *away = Away { gone: away.gone + ms, left: away.left + ms };
        }
    }

    /// Takes a pose into the peer's inbox: latest wins. Older ones are dropped.
    pub fn handle_pose(&mut self, id: PeerId, mut sample: Sample) {
        sample.extra.state &= u64::MAX.checked_shr(64 - self.map.state_bits).unwrap_or(0);
        if let Some(slot) = self.people.slot(id)
            && self.people.receive(slot, sample)
        {
            self.pace.note_change();
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
        let Some(slot) = self.people.slot(id) else { return Ok(()) };
        match *message {
            ClientMessage::Name(ref name) => {
                self.change_facts(slot, |peer| peer.set_name(name), now);
            }
            ClientMessage::Profile(ref profile) => {
                self.change_facts(slot, |peer| peer.set_profile(profile), now);
            }
            ClientMessage::Say(ref say) => self.say(slot, say, now),
            ClientMessage::Host(ref action) => self.handle_host(slot, action, now),
            ClientMessage::Hello(_) => return Err(Violation::OutOfTurn),
            ClientMessage::Leave => self.leave(id),
            ClientMessage::Presence(presence) => {
                let Some(mut peer) = self.transition(slot) else { return Ok(()) };
                if presence == Presence::Sharing && !peer.member.peer.may_share {
                    return Err(Violation::MayNotShare);
                }
                peer.set_presence(presence);
                self.pace.note_change();
            }
            ClientMessage::Budget(budget) => {
                let asked = self.settings.clamp_budget(budget);
                if let Some(viewer) = self.people.viewer_mut(slot) {
                    viewer.rate.ask(asked);
                }
            }
            ClientMessage::Pace(pace) => {
                if let Some(viewer) = self.people.viewer_mut(slot) {
                    viewer.limit_frames(pace.max_frames_hz);
                }
            }
            ClientMessage::Viewport(viewport) => self.look(slot, viewport, now)?,
            ClientMessage::Sharing(sharing) if sharing.approximate && self.is_plane() => {
                self.refuse_approximate(slot, now);
            }
            ClientMessage::Sharing(sharing) => {
                if let Some(mut peer) = self.transition(slot) {
                    peer.set_sharing(sharing, now);
                }
            }
        }
        Ok(())
    }

    /// Queues a message to a peer that a value of its was not taken.
    pub fn refuse(&mut self, id: PeerId, refused: Refused) {
        self.outbox.push(Audience::One(id), &ServerMessage::Refused(refused));
    }

    /// Takes what a link learned of its path.
    pub fn handle_feedback(&mut self, id: PeerId, feedback: Feedback, now: Time) {
        if let Some(slot) = self.people.slot(id)
            && let Some(viewer) = self.people.viewer_mut(slot)
        {
            viewer.rate.adapt(feedback, now);
            viewer.loss.note(feedback);
        }
    }

    /// Takes what frames cost the server, all in all: `us` µs of a core's time for so many of them.
    /// The more they cost, the slower is the room's pace, up to that of
    /// [`RoomSettings::tick_hz`].
    pub fn handle_cost(&mut self, frames: u32, us: u64) {
        self.pace.note_cost(frames, us);
    }

    /// Returns when a change that comes now would be shown: until then, poses may wait outside.
    #[must_use]
    pub fn next_change(&self) -> Time {
        self.pace.next_change()
    }

    /// Returns when [`World::handle_timeout`] must be called next, at once if that time is over, or
    /// `None` while nothing is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let tick = self.pace.poll_timeout(self.viewers.count() > 0);
        self.deadlines.next().into_iter().chain(tick).min()
    }

    /// Runs what is due at `now`: expiry, viewers' turns, and the next tick once every viewer had
    /// its turn. Drain [`World::poll_event`] and [`World::poll_viewer`] after it.
    pub fn handle_timeout(&mut self, now: Time) {
        self.expire(now);
        self.viewers.take_turns(&self.people, &mut self.pace, now);
        if self.viewers.are_served() && self.pace.begin(now, self.viewers.count()) {
            self.viewers.begin_round(&mut self.people, &mut self.pace);
            let stamp = self.pace.stamp(now);
            self.map.advance(&mut self.people, &mut self.ages, now, stamp);
            self.tell_waiting(now, stamp);
            if let Some(at) = self.outbox.publish(&self.people, self.viewers.count(), stamp) {
                self.pace.want(at);
            }
            self.viewers.take_turns(&self.people, &mut self.pace, now);
        }
    }

    /// Returns the next message for the reliable lane.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.outbox.pop()
    }

    /// Returns the next viewer whose turn it is; call [`World::poll_frame`] for it if its link has
    /// room. A viewer that is passed over loses nothing: its next frame holds all that is new.
    pub fn poll_viewer(&mut self) -> Option<PeerId> {
        self.viewers.poll()
    }

    /// Appends the viewer's next frame of at most `max_len` bytes to `out`, and reports whether
    /// there is one. Below 1,000 bytes a viewer may starve in a crowd.
    pub fn poll_frame(&mut self, id: PeerId, max_len: usize, now: Time, out: &mut Vec<u8>) -> bool {
        let room = (&mut self.people, &mut self.map, &mut self.pace);
        self.viewers.compose(room, id, max_len, now, out)
    }

    /// Everybody and everything here, as viewers see it.
    pub fn seen(&self) -> impl Iterator<Item = Seen> {
        self.people.seen()
    }

    /// Whether the room has no things and no people, not even ones who may come back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.people.len() == 0
    }

    /// Whether only a host gets in.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.people.count() >= self.settings.max_people as usize
    }

    /// Whether this peer has a place here, with or without a link.
    #[must_use]
    pub fn is_here(&self, id: PeerId) -> bool {
        self.people.slot(id).is_some()
    }

    /// Whether a peer here has this public identity.
    #[must_use]
    pub fn has(&self, uuid: PublicId) -> bool {
        self.people.has(uuid)
    }

    /// Counts the people here by presence.
    #[must_use]
    pub const fn online(&self) -> Online {
        self.people.online()
    }

    /// Counts the ticks so far.
    #[must_use]
    pub const fn ticks(&self) -> u64 {
        self.map.ticks()
    }

    /// Returns the ages of the samples that ticks took in since the last call.
    pub fn take_ages(&mut self) -> Ages {
        std::mem::take(&mut self.ages)
    }

    /// Returns a viewer's present budget, in bytes per second: what its path carries and its client
    /// takes.
    #[must_use]
    pub fn budget(&self, id: PeerId) -> Option<u32> {
        let peer = self.people.peer(self.people.slot(id)?)?;
        peer.viewer.as_ref().map(|viewer| viewer.bytes_per_second())
    }

    /// Returns the bytes of memory held for people, with all indexes, without names and viewers'
    /// state.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.people.memory() + self.map.memory()
    }

    fn transition(&mut self, slot: Slot) -> Option<Transition<'_>> {
        Some(Transition {
            member: self.people.member(slot)?,
            map: &mut self.map,
            deadlines: &mut self.deadlines,
            bulletin: &mut self.outbox.bulletin,
            pace: &mut self.pace,
        })
    }

    fn look(&mut self, slot: Slot, viewport: Viewport, now: Time) -> Result<(), Violation> {
        let Some((peer, shown)) = self.people.audience(slot) else { return Ok(()) };
        if !peer.may_look(now) {
            return Err(Violation::TooFast);
        }
        if let Some(viewer) = &mut peer.viewer {
            viewer.look(&mut self.map.scene(shown), viewport);
            self.pace.note_change();
        }
        Ok(())
    }

    /// Ends what was to end by now: silent peers are gone, gone ones have left, and sharing for a
    /// time is over.
    fn expire(&mut self, now: Time) {
        while let Some((due, id)) = self.deadlines.pop(now) {
            let Some(slot) = self.people.slot(id) else { continue };
            let Some(mut peer) = self.transition(slot) else { continue };
            match due {
                Due::Unshare => peer.end_sharing(),
                Due::Gone => peer.set_presence(Presence::Gone),
                Due::Left => self.leave(id),
            }
            self.pace.note_change();
        }
    }
}

#[cfg(test)]
mod tests;
