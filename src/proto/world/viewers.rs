//! The viewers of a room: they come, take their turns and go.

use std::collections::VecDeque;

use crate::time::Time;
use crate::wire::PeerId;
use crate::world::map::Map;
use crate::world::pace::Pace;
use crate::world::peer::Peer;
use crate::world::people::People;
use crate::world::seats::Seats;
use crate::world::slab::Slot;
use crate::world::viewer::Viewer;

/// Whose turn it is. A [`Viewer`] itself is kept with its [`Peer`].
#[derive(Debug)]
pub(crate) struct Viewers {
    seats: Seats,
    count: usize,
    /// Viewers whose turn it is, with their slots.
    due: VecDeque<(PeerId, Slot)>,
    /// The last of them that was polled.
    polled: Option<(PeerId, Slot)>,
}

impl Viewers {
    pub(crate) const fn new() -> Self {
        Self { seats: Seats::new(), count: 0, due: VecDeque::new(), polled: None }
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Whether every viewer whose turn it was has been polled.
    pub(crate) fn are_served(&self) -> bool {
        self.due.is_empty()
    }

    /// Gives a peer that has no viewer one.
    pub(crate) fn attach(&mut self, slot: Slot, peer: &mut Peer, viewer: Viewer) {
        peer.viewer = Some(Box::new(viewer));
        peer.seat = self.seats.add(slot);
        self.count += 1;
    }

    /// Takes a peer's viewer away, if it has one.
    pub(crate) fn detach(&mut self, peer: &mut Peer, map: &mut Map) {
        let Some(mut viewer) = peer.viewer.take() else { return };
        viewer.close(&mut map.grid, &mut map.chunks);
        self.seats.remove(peer.seat);
        self.count -= 1;
    }

    /// Gives every viewer a turn in the tick that begins.
    pub(crate) fn begin_round(&mut self, people: &mut People, pace: &mut Pace) {
        if self.seats.begin(pace.groups()) {
            for (seat, slot) in self.seats.iter() {
                if let Some(peer) = people.peer_mut(slot) {
                    peer.seat = seat;
                }
            }
        }
        pace.want_first(self.seats.occupied());
    }

    /// Queues the viewers whose turn has come by `now`. Those whose own pace is slower get theirs
    /// in a later tick, which must not wait for the next change.
    pub(crate) fn take_turns(&mut self, people: &People, pace: &mut Pace, now: Time) {
        while let Some(turn) = pace.next_turn(now) {
            for slot in self.seats.group(turn.group) {
                let viewer = people.peer(slot).and_then(|peer| peer.viewer.as_ref());
                let Some(viewer) = viewer.filter(|viewer| !turn.second || viewer.backlog) else {
                    continue;
                };
                // The nearest tick to its time is its tick.
                let next = viewer.next_frame();
                if next <= now.after_us(pace.period() / 2) {
                    self.due.push_back((people.body(slot).id, slot));
                } else {
                    pace.want(next);
                }
            }
        }
    }

    /// The next viewer whose turn it is.
    #[inline]
    pub(crate) fn poll(&mut self) -> Option<PeerId> {
        self.polled = self.due.pop_front();
        self.polled.map(|(id, _)| id)
    }

    /// Writes a viewer's next frame, and asks for a second turn if the budget leaves room for more.
    #[inline]
    pub(crate) fn compose(
        &self,
        (people, map, pace): (&mut People, &mut Map, &mut Pace),
        id: PeerId,
        max_len: usize,
        now: Time,
        out: &mut Vec<u8>,
    ) -> bool {
        let slot = self.slot_of(people, id);
        let Some((peer, shown)) = slot.and_then(|slot| people.audience(slot)) else {
            return false;
        };
        let Some(viewer) = &mut peer.viewer else { return false };
        let sent = viewer.compose(&mut map.scene(shown), max_len, pace.slowest(), now, out);
        if let Some(at) = viewer.wanted {
            pace.want(at);
        }
        if viewer.backlog
            && let Some(group) = self.seats.group_of(peer.seat)
        {
            pace.want_second(group);
        }
        sent
    }

    /// A peer's slot; the viewer polled last is found without a search.
    fn slot_of(&self, people: &People, id: PeerId) -> Option<Slot> {
        let polled =
            self.polled.filter(|&(polled, slot)| polled == id && people.body(slot).id == id);
        polled.map_or_else(|| people.slot(id), |(_, slot)| Some(slot))
    }
}
