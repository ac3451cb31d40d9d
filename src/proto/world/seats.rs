//! Who looks: viewers come, look elsewhere, take their turns and go.

use super::{Audience, Event, VIEWPORT_BURST, VIEWPORTS_PER_SECOND, Violation, World};
use super::{MAX_ROSTER, person, refresh_ticks};
use crate::proto::geo::Viewport;
use crate::proto::people::Slot;
use crate::proto::rate::Rate;
use crate::proto::roster::Bulletin;
use crate::proto::schedule::{Scene, Viewer};
use crate::proto::time::Time;
use crate::proto::wire::{ServerMessage, VERSION, Welcome};

/// Ticks between two arrangements of seats; each is of one slot.
const ARRANGE_TICKS: u32 = 4;

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
        let bucket = id.0 as usize % self.seats.len();
        let Some(peer) = self.peers[slot as usize].as_mut() else { return };
        peer.viewer = Some(Box::new(viewer));
        peer.seat = self.seats[bucket].len() as u32;
        self.seats[bucket].push(slot);
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
        };
        self.events
            .push_back(Event { to: Audience::One(id), message: ServerMessage::Welcome(welcome) });
        let people = self.peers.iter().zip(&self.bodies);
        let people = people.filter_map(|(peer, body)| Some(person(peer.as_ref()?, body.id)));
        let messages = Bulletin::snapshot(people.take(MAX_ROSTER), self.online, now);
        let events = messages.map(|message| Event { to: Audience::One(id), message });
        self.events.extend(events);
        self.ticker.note_change(now);
    }

    /// Takes a peer's viewer away, if it has one.
    pub(super) fn dismiss(&mut self, slot: Slot) {
        let id = self.bodies[slot as usize].id;
        let Some(peer) = self.peers[slot as usize].as_mut() else { return };
        let Some(mut viewer) = peer.viewer.take() else { return };
        viewer.close(&mut self.grid, &mut self.chunks);
        let seat = peer.seat;
        let seats = self.seats.len();
        let bucket = &mut self.seats[id.0 as usize % seats];
        bucket.swap_remove(seat as usize);
        if let Some(&moved) = bucket.get(seat as usize)
            && let Some(peer) = self.peers[moved as usize].as_mut()
        {
            peer.seat = seat;
        }
        self.watching -= 1;
    }

    /// Now and then puts the viewers of a slot in the order of where they look: then those who
    /// share cells come one after the other, while the cells are still in the processor's cache.
    pub(super) fn arrange(&mut self) {
        if !self.tick.is_multiple_of(ARRANGE_TICKS) {
            return;
        }
        let slot = (self.tick / ARRANGE_TICKS) as usize % self.seats.len();
        let Self { seats, peers, .. } = self;
        let bucket = &mut seats[slot];
        let place = |&slot: &Slot| {
            let viewer = peers[slot as usize].as_ref()?.viewer.as_ref()?;
            Some(viewer.place())
        };
        bucket.sort_by_cached_key(place);
        for (seat, &slot) in bucket.iter().enumerate() {
            if let Some(peer) = peers[slot as usize].as_mut() {
                peer.seat = seat as u32;
            }
        }
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
            for &slot in &self.seats[turn.slot] {
                let viewer = self.peers[slot as usize].as_ref().and_then(|p| p.viewer.as_ref());
                if viewer.is_some_and(|viewer| !turn.second || viewer.backlog) {
                    self.due.push_back(self.bodies[slot as usize].id);
                }
            }
        }
    }
}
