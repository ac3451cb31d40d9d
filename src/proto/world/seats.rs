//! Who looks: viewers come, look elsewhere, take their turns and go.

use std::ops::Range;
use std::sync::Arc;

use crate::geo::Viewport;
use crate::time::Time;
use crate::wire::{Roster, ServerMessage, VERSION, Welcome};
use crate::world::bulletin::Bulletin;
use crate::world::people::{NONE, Slot};
use crate::world::rate::Rate;
use crate::world::viewer::{Scene, Viewer};
use crate::world::{Audience, Event, VIEWPORT_BURST, VIEWPORTS_PER_SECOND, Violation, World};
use crate::world::{MAX_ROSTER, person, refresh_ticks};

/// The order in which viewers have their turns, split evenly among the slots of a tick.
///
/// It is the order in which they came, which is mostly the one in which their state lies in
/// memory: that is worth more than the order of where they look (docs/BENCHMARKS.md).
#[derive(Debug)]
pub(super) struct Seats {
    /// Who sits where; [`NONE`] once they rose, until the next round.
    order: Vec<Slot>,
    risen: bool,
    /// Seats that have a turn in this tick; whoever comes later has the first one in the next.
    round: usize,
    /// Slots of a tick.
    slots: usize,
}

impl Seats {
    pub(super) const fn new(slots: usize) -> Self {
        Self { order: Vec::new(), risen: false, round: 0, slots }
    }

    fn sit(&mut self, slot: Slot) -> u32 {
        self.order.push(slot);
        self.order.len() as u32 - 1
    }

    fn rise(&mut self, seat: u32) {
        self.order[seat as usize] = NONE;
        self.risen = true;
    }

    /// Begins a round: closes the gaps, and tells whether there were any.
    fn begin(&mut self) -> bool {
        let risen = std::mem::take(&mut self.risen);
        if risen {
            self.order.retain(|&slot| slot != NONE);
        }
        self.round = self.order.len();
        risen
    }

    /// The seats of a slot: whoever has seat `i` of `n` is in slot `i * slots / n`.
    fn range(&self, slot: usize) -> Range<usize> {
        let first = |slot: usize| (slot * self.round).div_ceil(self.slots);
        first(slot)..first(slot + 1)
    }

    /// A bit for each slot in which there are viewers.
    fn occupied(&self) -> u32 {
        (0..self.slots).map(|slot| u32::from(!self.range(slot).is_empty()) << slot).sum()
    }

    /// The slot of a seat that has a turn in this round.
    pub(super) fn slot_of(&self, seat: u32) -> Option<usize> {
        ((seat as usize) < self.round).then(|| seat as usize * self.slots / self.round)
    }
}

impl World {
    /// Gives a peer that has no viewer one, and its welcome.
    pub(super) fn attach(
        &mut self,
        slot: Slot,
        budget: u32,
        viewport: Option<Viewport>,
        resumed: bool,
        now: Time,
    ) {
        let id = self.bodies[slot as usize].id;
        let rate = Rate::new(self.clamp_budget(budget), self.settings.limits.min_budget, now);
        let viewer = Viewer::new(viewport.unwrap_or(Viewport::WORLD), rate);
        let Some(peer) = self.peers[slot as usize].as_mut() else { return };
        peer.viewer = Some(Box::new(viewer));
        peer.seat = self.seats.sit(slot);
        self.watching += 1;
        let welcome = Welcome {
            version: VERSION,
            id,
            uuid: peer.uuid,
            token: peer.token,
            resumed,
            time: now.stamp(),
            tick_hz: self.settings.tick_hz,
            limits: self.settings.limits,
            may_share: peer.may_share,
        };
        let joined = vec![person(peer, id)];
        let (to, time, online) = (Audience::One(id), now.stamp(), self.online);
        self.events.push_back(Event::new(to, &ServerMessage::Welcome(welcome)));
        let people = self.snapshot(now);
        let events = people.iter().map(|message| Event { to, message: Arc::clone(message) });
        self.events.extend(events);
        // The list may be from before the newcomer.
        let own = ServerMessage::Roster(Roster { time, joined, online, ..Roster::default() });
        self.events.push_back(Event::new(to, &own));
        self.ticker.note_change(now);
    }

    /// The messages that tell a newcomer who is here, made once for all who come until everybody
    /// is told the next news: newcomers hear them as well.
    fn snapshot(&mut self, now: Time) -> Arc<[Arc<[u8]>]> {
        let people = self.peers.iter().zip(&self.bodies);
        let known = people.filter(|(_, body)| !self.bulletin.announces(body.id));
        let people = known.filter_map(|(peer, body)| Some(person(peer.as_ref()?, body.id)));
        let messages = || Bulletin::snapshot(people.take(MAX_ROSTER), self.online, now);
        let made = self.snapshot.take();
        let made =
            made.unwrap_or_else(|| messages().map(|message| message.encode().into()).collect());
        self.snapshot = Some(Arc::clone(&made));
        made
    }

    /// Takes a peer's viewer away, if it has one.
    pub(super) fn dismiss(&mut self, slot: Slot) {
        let Some(peer) = self.peers[slot as usize].as_mut() else { return };
        let Some(mut viewer) = peer.viewer.take() else { return };
        viewer.close(&mut self.grid, &mut self.chunks);
        self.seats.rise(peer.seat);
        self.watching -= 1;
    }

    /// Gives everybody who looks a turn in this tick.
    pub(super) fn seat_viewers(&mut self) {
        if self.seats.begin() {
            for (seat, &slot) in (0..).zip(&self.seats.order) {
                if let Some(peer) = self.peers[slot as usize].as_mut() {
                    peer.seat = seat;
                }
            }
        }
        self.ticker.want_first(self.seats.occupied());
    }

    pub(super) fn look(
        &mut self,
        slot: Slot,
        viewport: Viewport,
        now: Time,
    ) -> Result<(), Violation> {
        let Some(peer) = self.peers[slot as usize].as_mut() else { return Ok(()) };
        let earned = u64::from(peer.looks) + now.since(peer.looked) * VIEWPORTS_PER_SECOND;
        peer.looks = earned.min(u64::from(VIEWPORT_BURST) * 1000) as u16;
        peer.looked = now;
        peer.looks = peer.looks.checked_sub(1000).ok_or(Violation::TooFast)?;
        if let Some(viewer) = &mut peer.viewer {
            let mut scene = Scene {
                grid: &mut self.grid,
                chunks: &mut self.chunks,
                bodies: &self.bodies,
                scratch: &mut self.scratch,
                tick: self.tick,
                refresh: refresh_ticks(&self.settings),
            };
            viewer.look(&mut scene, viewport);
            self.ticker.note_change(now);
        }
        Ok(())
    }

    pub(super) fn take_turns(&mut self, now: Time) {
        while let Some(turn) = self.ticker.next_turn(now) {
            for &slot in &self.seats.order[self.seats.range(turn.slot)] {
                let Some(Some(peer)) = self.peers.get(slot as usize) else { continue };
                if peer.viewer.as_ref().is_some_and(|viewer| !turn.second || viewer.backlog) {
                    self.due.push_back((self.bodies[slot as usize].id, slot));
                }
            }
        }
    }
}
