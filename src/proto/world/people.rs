//! The people of a room, in tables that share one index.
//!
//! A person is spread over three tables by how often their parts are touched: a pose coming in
//! touches only the [`Inbox`], a tick only the [`Body`], and joins and messages the [`Peer`].

use std::collections::BTreeSet;

use crate::pose::{Extra, Pose};
use crate::time::Time;
use crate::wire::frame::Ids;
use crate::wire::{Online, PeerId, Person, Presence, PublicId, Role, Sample};
use crate::world::body::{Body, Shown};
use crate::world::extras::Extras;
use crate::world::inbox::Inbox;
use crate::world::interface::Seen;
use crate::world::peer::{Away, Peer};
use crate::world::slab::{self, Slot};
use crate::world::slots::Slots;
use crate::world::talk::Talk;
use crate::world::viewer::Viewer;

/// Everyone with a place in the room, with or without a link.
#[derive(Debug)]
pub(crate) struct People {
    bodies: Vec<Body>,
    inboxes: Vec<Inbox>,
    extras: Extras,
    peers: Vec<Option<Peer>>,
    free: Vec<Slot>,
    slots: Slots,
    /// Slots whose inbox has a pose for the tick.
    filled: Vec<Slot>,
    uuids: BTreeSet<PublicId>,
    hosts: BTreeSet<PeerId>,
    /// A range that holds every id.
    ids: Ids,
    online: Online,
}

/// One person, with what changes along with them.
pub(crate) struct Member<'a> {
    pub(crate) slot: Slot,
    pub(crate) peer: &'a mut Peer,
    pub(crate) inbox: &'a mut Inbox,
    /// All bodies, because the grid links neighbours.
    pub(crate) bodies: &'a mut [Body],
    extras: &'a mut Extras,
    filled: &'a mut Vec<Slot>,
    online: &'a mut Online,
}

impl People {
    pub(crate) fn new() -> Self {
        Self {
            bodies: Vec::new(),
            inboxes: Vec::new(),
            extras: Extras::default(),
            peers: Vec::new(),
            free: Vec::new(),
            slots: Slots::default(),
            filled: Vec::new(),
            uuids: BTreeSet::new(),
            hosts: BTreeSet::new(),
            ids: Ids { base: u32::MAX, span: 0 },
            online: Online::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many of them are no things.
    pub(crate) fn count(&self) -> usize {
        self.slots.len() - self.online.things as usize
    }

    #[inline]
    pub(crate) fn slot(&self, id: PeerId) -> Option<Slot> {
        self.slots.get(id)
    }

    pub(crate) fn has(&self, uuid: PublicId) -> bool {
        self.uuids.contains(&uuid)
    }

    /// The hosts, by id.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = PeerId> {
        self.hosts.iter().copied()
    }

    /// Keeps the list of hosts, after a peer's rights may have changed.
    pub(crate) fn list_host(&mut self, slot: Slot) {
        let id = self.body(slot).id;
        if self.peer(slot).is_some_and(Peer::is_host) {
            self.hosts.insert(id);
        } else {
            self.hosts.remove(&id);
        }
    }

    /// The ids of all, by slot.
    pub(crate) fn ids_of_all(&self) -> impl Iterator<Item = PeerId> {
        let people = self.peers.iter().zip(&self.bodies);
        people.filter_map(|(peer, body)| peer.as_ref().map(|_| body.id))
    }

    /// How much a peer has said.
    pub(crate) fn talk(&mut self, slot: Slot, now: Time) -> Option<&mut Talk> {
        Some(self.peer_mut(slot)?.talk(now))
    }

    pub(crate) fn bodies(&self) -> &[Body] {
        &self.bodies
    }

    pub(crate) const fn online(&self) -> Online {
        self.online
    }

    pub(crate) const fn ids(&self) -> Ids {
        self.ids
    }

    #[inline]
    pub(crate) fn body(&self, slot: Slot) -> &Body {
        &self.bodies[slot as usize]
    }

    #[inline]
    pub(crate) fn peer(&self, slot: Slot) -> Option<&Peer> {
        self.peers.get(slot as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn peer_mut(&mut self, slot: Slot) -> Option<&mut Peer> {
        self.peers.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn viewer_mut(&mut self, slot: Slot) -> Option<&mut Viewer> {
        self.peer_mut(slot)?.viewer.as_deref_mut()
    }

    /// A peer to compose a frame for, and the people whom the frame shows.
    #[inline]
    pub(crate) fn audience(&mut self, slot: Slot) -> Option<(&mut Peer, Shown<'_>)> {
        let shown = Shown { bodies: &self.bodies, extras: self.extras.shown() };
        Some((self.peers.get_mut(slot as usize)?.as_mut()?, shown))
    }

    pub(crate) fn member(&mut self, slot: Slot) -> Option<Member<'_>> {
        let Self { bodies, inboxes, extras, peers, filled, online, .. } = self;
        let peer = peers.get_mut(slot as usize)?.as_mut()?;
        let inbox = &mut inboxes[slot as usize];
        Some(Member { slot, peer, inbox, bodies, extras, filled, online })
    }

    /// The roster entries of those whose id passes, first people and then things, by slot.
    pub(crate) fn roster(&self, passes: impl Fn(PeerId) -> bool) -> impl Iterator<Item = Person> {
        let all = move |things: bool| {
            let all = self.peers.iter().zip(&self.bodies);
            let all = all.filter_map(|(peer, body)| Some((peer.as_ref()?, body.id)));
            all.filter(move |(peer, _)| (peer.role() == Role::Thing) == things)
        };
        let things = (self.online.things > 0).then(|| all(true)).into_iter().flatten();
        let both = all(false).chain(things).filter(move |&(_, id)| passes(id));
        both.map(|(peer, id)| peer.person(id))
    }

    /// Everybody and everything here, with the pose that viewers see, and what goes with it.
    pub(crate) fn seen(&self) -> impl Iterator<Item = Seen> {
        (0..).zip(&self.peers).filter_map(|(slot, peer)| {
            let (body, inbox) = (self.body(slot), &self.inboxes[slot as usize]);
            let person = peer.as_ref()?.person(body.id);
            let key = peer.as_ref()?.key().map(str::to_owned);
            let waiting = inbox.pose.map(|pose| (pose, self.extras.waiting_of(slot)));
            let pose = waiting.or_else(|| Some((body.pose?, self.extras.shown_of(slot))));
            Some(Seen { person, key, pose: pose.filter(|_| inbox.shown) })
        })
    }

    /// The roster entry of one person.
    pub(crate) fn person(&self, id: PeerId) -> Option<Person> {
        Some(self.peer(self.slot(id)?)?.person(id))
    }

    /// The deadlines of all peers without a link.
    pub(crate) fn away_mut(&mut self) -> impl Iterator<Item = &mut Away> {
        self.peers.iter_mut().flatten().filter_map(|peer| peer.away.as_mut())
    }

    pub(crate) fn insert(&mut self, id: PeerId, peer: Peer) -> Slot {
        count(&mut self.online, peer.role(), peer.presence(), |count| count + 1);
        self.uuids.insert(peer.uuid);
        self.widen_ids(id);
        let body = Body::new(id, peer.presence() == Presence::Hidden);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.bodies[slot as usize] = body;
                let queued = self.inboxes[slot as usize].queued;
                self.inboxes[slot as usize] = Inbox::new(peer.shares, queued);
                self.extras.clear(slot);
                self.peers[slot as usize] = Some(peer);
                slot
            }
            None => {
                slab::push(&mut self.bodies, body);
                slab::push(&mut self.inboxes, Inbox::new(peer.shares, false));
                slab::push(&mut self.peers, Some(peer));
                self.bodies.len() as Slot - 1
            }
        };
        self.slots.insert(id, slot);
        slot
    }

    /// Removes a person, who has no viewer and is in no leaf of the grid.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let Some(peer) = self.peers[slot as usize].take() else { return };
        self.uuids.remove(&peer.uuid);
        count(&mut self.online, peer.role(), peer.presence(), |count| count - 1);
        self.inboxes[slot as usize].shown = false;
        self.hosts.remove(&self.bodies[slot as usize].id);
        self.slots.remove(self.bodies[slot as usize].id);
        self.free.push(slot);
    }

    /// Takes a pose into a person's inbox, and reports whether the tick has something to deliver.
    #[inline]
    pub(crate) fn receive(&mut self, slot: Slot, sample: Sample) -> bool {
        let Sample { seq, pose, extra } = sample;
        let inbox = &mut self.inboxes[slot as usize];
        if !inbox.receive(seq, pose) {
            return false;
        }
        let motion = extra.motion.filter(|_| !inbox.approximate);
        self.extras.receive(slot, Extra { motion, ..extra });
        if inbox.shown {
            queue(inbox, slot, &mut self.filled);
        }
        inbox.shown
    }

    /// Empties the inboxes of those who are shown.
    #[inline]
    pub(crate) fn deliver(&mut self, mut each: impl FnMut(&mut [Body], Slot, Pose)) {
        let Self { bodies, inboxes, extras, filled, .. } = self;
        // In the order of the tables, in which memory is read ahead; poses come in any order.
        filled.sort_unstable();
        for slot in filled.drain(..) {
            if let Some(pose) = inboxes[slot as usize].deliver() {
                extras.deliver(slot);
                each(bodies, slot, pose);
            }
        }
    }

    fn widen_ids(&mut self, id: PeerId) {
        let Ids { base, span } = self.ids;
        let highest = if base == u32::MAX { id.0 } else { base + ((1_u32 << span) - 1) };
        self.ids = Ids::between(base.min(id.0), highest.max(id.0));
    }

    /// Fits the range of ids to those who are left.
    pub(crate) fn narrow_ids(&mut self) {
        let ids = self.peers.iter().zip(&self.bodies);
        let ids = ids.filter_map(|(peer, body)| peer.as_ref().map(|_| body.id.0));
        let (low, high) = ids.fold((u32::MAX, 0), |(low, high), id| (low.min(id), high.max(id)));
        self.ids = Ids::between(low, high);
    }

    /// Bytes of memory held, all indexes included, names and viewers' state not.
    pub(crate) fn memory(&self) -> usize {
        self.bodies.capacity() * size_of::<Body>()
            + self.inboxes.capacity() * size_of::<Inbox>()
            + self.extras.memory()
            + self.peers.capacity() * size_of::<Option<Peer>>()
            + (self.free.capacity() + self.filled.capacity()) * size_of::<Slot>()
            + self.slots.memory()
    }
}

impl Member<'_> {
    pub(crate) fn id(&self) -> PeerId {
        self.bodies[self.slot as usize].id
    }

    pub(crate) fn body(&mut self) -> &mut Body {
        &mut self.bodies[self.slot as usize]
    }

    /// Forgets how the person moves.
    pub(crate) fn clear_motion(&mut self) {
        self.extras.clear_motion(self.slot);
    }

    /// Marks the inbox as filled, so that the next tick delivers its pose.
    pub(crate) fn queue_pose(&mut self) {
        queue(self.inbox, self.slot, self.filled);
    }

    /// Replaces the presence, and counts the person under the new one.
    pub(crate) fn replace_presence(&mut self, presence: Presence) {
        let (old, role) = (self.peer.replace_presence(presence), self.peer.role());
        count(self.online, role, old, |count| count - 1);
        count(self.online, role, presence, |count| count + 1);
    }
}

#[inline]
fn queue(inbox: &mut Inbox, slot: Slot, filled: &mut Vec<Slot>) {
    if !std::mem::replace(&mut inbox.queued, true) {
        filled.push(slot);
    }
}

/// Changes the count of the people of this presence, of whom the gone are not counted, or that of
/// things.
fn count(online: &mut Online, role: Role, presence: Presence, change: impl FnOnce(u32) -> u32) {
    let count = match presence {
        _ if role == Role::Thing => &mut online.things,
        Presence::Sharing => &mut online.sharing,
        Presence::Hidden => &mut online.hidden,
        Presence::Watching => &mut online.watching,
        Presence::Gone => return,
    };
    *count = change(*count);
}
