//! The receiver's state: who is where, from frames in any order and the roster
//! (docs/PROTOCOL.md, section 7, "What a chunk says").

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::geo::{Cell, Position};
use crate::pose::{Accuracy, Extra, Orientation};
use crate::time::Stamp;
use crate::wire::frame::{Chunk, ChunkKind, Entry, Frame, FrameError, age_ms};
use crate::wire::{Online, PeerId, Person, Presence, Roster, ServerMessage};

/// Age against the newest frame, in ms, beyond which a frame is ignored, and beyond which a person
/// that no frame named is out of view.
const STALE_MS: i32 = 5_000;
/// Gap between two frames' times, in ms, after which everyone in view gets [`STALE_MS`] more to be
/// named: the server stopped, or nothing came through, but they went nowhere.
const GAP_MS: i32 = 2_000;
/// Number of people who left to remember, so that a late frame does not bring them back.
const REMEMBERED: usize = 4096;

/// A person as a frame shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The position, to the frame's precision.
    pub position: Position,
    /// How the device is held; `None` without such a sensor.
    pub orientation: Option<Orientation>,
    /// How sure the position is, as of the last key chunk.
    pub accuracy: Accuracy,
    /// Whether their page was in the background, by the roster or else by the last key chunk.
    pub hidden: bool,
    /// When the sample was taken, on the server's clock, rounded towards older.
    pub sampled: Stamp,
    /// The time of the frame that showed them.
    pub shown: Stamp,
    /// The cell in which that frame had them.
    pub cell: Cell,
    /// How they move, and their state bits.
    pub extra: Extra,
}

/// The people in each quarter of a cell (south-west, south-east, north-west, north-east), counted
/// because they are too many to send one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The counts.
    pub counts: [u32; 4],
    /// The time of the frame that counted them.
    pub shown: Stamp,
}

/// The receiver's state.
#[derive(Debug, Default)]
pub struct View {
    own: Option<PeerId>,
    figures: BTreeMap<PeerId, Figure>,
    /// People who are no longer where they were, by the time of the frame without them: an older
    /// frame that comes late does not bring them back.
    absent: BTreeMap<PeerId, Stamp>,
    clusters: BTreeMap<Cell, Cluster>,
    roster: BTreeMap<PeerId, Person>,
    left: BTreeSet<PeerId>,
    left_order: VecDeque<PeerId>,
    online: Online,
    newest: Option<Stamp>,
    /// Whether a frame came over this link.
    begun: bool,
    /// The first frame after a gap, for as long as that matters.
    resumed: Option<Stamp>,
    swept: Stamp,
    frame: Frame,
}

impl View {
    /// Takes a message of the reliable lane. A welcome voids the earlier roster. A welcome as a new
    /// peer voids everything: the server may have restarted, with new ids and a new clock.
    pub fn handle_message(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Welcome(welcome) => {
                // Before the first one there is nothing but frames that overtook it.
                if !welcome.resumed && self.own.is_some() {
                    *self = Self::default();
                }
                // No message will name those who left while there was no link.
                (self.begun, self.resumed) = (false, None);
                self.own = Some(welcome.id);
                self.roster.clear();
                self.figures.remove(&welcome.id);
            }
            ServerMessage::Roster(roster) => self.handle_roster(roster),
            ServerMessage::Closing(_)
            | ServerMessage::Refused(_)
            | ServerMessage::Copies(_)
            | ServerMessage::Said(_)
            | ServerMessage::Announcement(_) => {}
        }
    }

    /// Takes a frame, and hands each person with news in it to `fresh`.
    ///
    /// # Errors
    /// If the bytes are not a frame; the state then stays as it was.
    pub fn handle_frame(
        &mut self,
        bytes: &[u8],
        mut fresh: impl FnMut(PeerId, &Figure),
    ) -> Result<(), FrameError> {
        let mut frame = std::mem::take(&mut self.frame);
        let decoded = frame.decode(bytes);
        let time = frame.time;
        let newest = self.newest.filter(|newest| newest.after(time) > 0).unwrap_or(time);
        if decoded.is_ok() && newest.after(time) <= STALE_MS {
            let gap = self.newest.is_some_and(|before| time.after(before) > GAP_MS);
            if gap && self.begun {
                self.resumed = Some(time);
            }
            self.begun = true;
            self.newest = Some(newest);
            for (chunk, entries) in frame.chunks() {
                self.apply(&frame, chunk, entries, &mut fresh);
            }
            self.sweep(newest);
        }
        self.frame = frame;
        decoded
    }

    /// The people in view, by id.
    pub fn figures(&self) -> impl Iterator<Item = (PeerId, &Figure)> {
        self.figures.iter().map(|(&id, figure)| (id, figure))
    }

    /// One person in view.
    #[must_use]
    pub fn figure(&self, id: PeerId) -> Option<&Figure> {
        self.figures.get(&id)
    }

    /// The crowds in view, by cell.
    pub fn clusters(&self) -> impl Iterator<Item = (Cell, &Cluster)> {
        self.clusters.iter().map(|(&cell, cluster)| (cell, cluster))
    }

    /// The people on the roster, by id.
    pub fn roster(&self) -> impl Iterator<Item = &Person> {
        self.roster.values()
    }

    /// How many people are in the room.
    #[must_use]
    pub const fn online(&self) -> Online {
        self.online
    }

    /// The time of the newest frame.
    #[must_use]
    pub const fn newest(&self) -> Option<Stamp> {
        self.newest
    }

    fn handle_roster(&mut self, roster: &Roster) {
        self.online = roster.online;
        for person in &roster.joined {
            self.roster.insert(person.id, person.clone());
            self.note_presence(person.id, person.presence, roster.time);
        }
        for change in &roster.presence {
            if let Some(person) = self.roster.get_mut(&change.id) {
                person.presence = change.presence;
            }
            self.note_presence(change.id, change.presence, roster.time);
        }
        for &id in &roster.left {
            self.roster.remove(&id);
            self.figures.remove(&id);
            if self.left.insert(id) {
                self.left_order.push_back(id);
            }
        }
        while self.left_order.len() > REMEMBERED {
            if let Some(id) = self.left_order.pop_front() {
                self.left.remove(&id);
            }
        }
    }

    fn note_presence(&mut self, id: PeerId, presence: Presence, time: Stamp) {
        if matches!(presence, Presence::Watching | Presence::Gone) {
            self.withdraw(id, time);
        } else if let Some(figure) = self.figures.get_mut(&id) {
            figure.hidden = presence == Presence::Hidden;
        }
    }

    /// Voids what frames from before `time` said of a person. A later frame may have overtaken the
    /// roster, and shows a person who shares again.
    fn withdraw(&mut self, id: PeerId, time: Stamp) {
        if self.figures.get(&id).is_some_and(|figure| figure.shown.after(time) < 0) {
            self.figures.remove(&id);
        }
        let since = self.absent.entry(id).or_insert(time);
        if time.after(*since) > 0 {
            *since = time;
        }
    }

    fn apply(
        &mut self,
        frame: &Frame,
        chunk: &Chunk,
        entries: &[Entry],
        fresh: &mut impl FnMut(PeerId, &Figure),
    ) {
        let (time, ids) = (frame.time, frame.coding.ids);
        for entry in entries {
            self.show(frame, chunk, entry, fresh);
        }
        if chunk.kind == ChunkKind::Delta {
            return;
        }
        let Chunk { cell, page, .. } = *chunk;
        let Self { figures, absent, .. } = self;
        figures.retain(|&id, figure| {
            let stays = time.after(figure.shown) <= 0
                || !cell.contains(figure.position)
                || ids.page(id, page.bits) != page.index;
            if !stays {
                absent.insert(id, time);
            }
            stays
        });
        self.clusters
            .retain(|other, cluster| time.after(cluster.shown) <= 0 || !cell.overlaps(*other));
        if let ChunkKind::Crowd(counts) = chunk.kind {
            let cluster = Cluster { counts, shown: time };
            let known = self.clusters.entry(cell).or_insert(cluster);
            if time.after(known.shown) > 0 {
                *known = cluster;
            }
        }
    }

    fn show(
        &mut self,
        frame: &Frame,
        chunk: &Chunk,
        entry: &Entry,
        fresh: &mut impl FnMut(PeerId, &Figure),
    ) {
        let time = frame.time;
        let Entry { id, position, orientation, age, .. } = *entry;
        if Some(id) == self.own || self.left.contains(&id) {
            return;
        }
        if self.absent.get(&id).is_some_and(|since| time.after(*since) < 0) {
            return;
        }
        let known = self.figures.get(&id);
        if known.is_some_and(|known| time.after(known.shown) <= 0) {
            return;
        }
        let told = match (chunk.kind, known) {
            (ChunkKind::Delta, Some(known)) => (known.accuracy, known.hidden),
            _ => (entry.accuracy, entry.hidden),
        };
        // The roster knows within a tick; for people it does not name, the frame decides.
        let named = self.roster.get(&id).map(|person| person.presence == Presence::Hidden);
        let figure = Figure {
            position,
            orientation,
            accuracy: told.0,
            hidden: named.unwrap_or(told.1),
            sampled: Stamp(time.0.wrapping_sub(age_ms(age))),
            shown: time,
            cell: chunk.cell,
            extra: entry.extra(&frame.extras),
        };
        fresh(id, &figure);
        self.figures.insert(id, figure);
    }

    /// Forgets people that no frame named for long.
    fn sweep(&mut self, newest: Stamp) {
        if newest.after(self.swept) < STALE_MS / 10 && newest.after(self.swept) >= 0 {
            return;
        }
        self.swept = newest;
        self.absent.retain(|_, since| newest.after(*since) <= STALE_MS);
        self.resumed = self.resumed.filter(|resumed| newest.after(*resumed) <= STALE_MS);
        if self.resumed.is_none() {
            self.figures.retain(|_, figure| newest.after(figure.shown) <= STALE_MS);
            self.clusters.retain(|_, cluster| newest.after(cluster.shown) <= STALE_MS);
        }
    }
}
