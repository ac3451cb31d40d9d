//! The map of a room: where people are, and the chunks that show them.

use crate::pose::{Orientation, Pose};
use crate::time::Time;
use crate::wire::PeerId;
use crate::wire::frame::Coding;
use crate::world::ages::Ages;
use crate::world::body::{Body, Shown};
use crate::world::chunks::Chunks;
use crate::world::grid::Grid;
use crate::world::people::People;
use crate::world::scene::{Scene, Scratch};
use crate::world::slab::{NONE, Slot};
use crate::world::tick::Tick;
use crate::world::viewer::Viewer;

/// Samples further apart than this, in ms, are copied to viewers whose path loses packets. With
/// faster ones, the next sample comes as soon as a copy would be of use.
const SLOW_MS: u64 = 40;
/// Time between two fittings of the range of ids, in ms.
const IDS_MS: u64 = 2_000;

#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) grid: Grid,
    pub(crate) chunks: Chunks,
    scratch: Scratch,
    tick: Tick,
    /// Number of ticks so far.
    ticks: u64,
    /// When the range of ids was last fitted.
    fitted: Time,
    /// Time after which every cell is repeated, in ms.
    refresh_ms: u32,
    /// Bits of each person's state.
    pub(crate) state_bits: u32,
}

impl Map {
    pub(crate) fn new(seed: u64, refresh_ms: u16) -> Self {
        Self {
            grid: Grid::new(seed),
            chunks: Chunks::default(),
            scratch: Scratch::default(),
            tick: Tick::FIRST,
            ticks: 0,
            fitted: Time::default(),
            refresh_ms: refresh_ms.max(1).into(),
            state_bits: 0,
        }
    }

    /// Number of ticks so far.
    pub(crate) const fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Begins a tick, which counts as that of `stamp`: moves the poses from the inboxes into the
    /// grid. `ages` counts the new ones.
    pub(crate) fn advance(&mut self, people: &mut People, ages: &mut Ages, now: Time, stamp: Time) {
        self.tick = self.tick.next();
        self.ticks += 1;
        if now.since(self.fitted) >= IDS_MS {
            self.fitted = now;
            people.narrow_ids();
        }
        self.grid.news_mut().clear();
        people.deliver(|bodies, slot, pose| {
            if self.place(bodies, slot, pose, stamp) {
                ages.note(now.since(pose.sampled));
            }
        });
        self.grid.news_mut().sort();
        let coding = Coding { ids: people.ids(), state_bits: self.state_bits };
        self.chunks.begin(&self.grid, self.tick, self.refresh_ms, stamp, coding);
    }

    /// Shows a pose, and reports whether its sample is a new one.
    #[inline]
    fn place(&mut self, bodies: &mut [Body], slot: Slot, pose: Pose, stamp: Time) -> bool {
        self.grid.place(bodies, slot, pose.position);
        let body = &mut bodies[slot as usize];
        let old = body.pose.replace(pose);
        body.changed = self.tick;
        let motion = old.map_or(u8::MAX, |old| motion(old, pose));
        if let Some(entry) = body.entry(slot, stamp) {
            self.grid.note_change(body.leaf, entry, motion, self.tick);
        }
        match old {
            Some(old) if old.sampled == pose.sampled => return false,
            Some(old) => body.slow = pose.sampled.since(old.sampled) > SLOW_MS,
            None => body.slow = true,
        }
        true
    }

    /// Takes a person off the map, and reports whether they were on it. No frame shows them from
    /// now on, not even in the current tick.
    pub(crate) fn withdraw(&mut self, bodies: &mut [Body], slot: Slot) -> bool {
        let leaf = bodies[slot as usize].leaf;
        let placed = leaf != NONE;
        if placed {
            self.chunks.forget(&self.grid, leaf);
            self.grid.remove(bodies, slot, self.tick);
        }
        placed
    }

    /// The map as a viewer's next frame needs it.
    #[inline]
    pub(crate) fn scene<'a>(&'a mut self, shown: Shown<'a>) -> Scene<'a> {
        Scene {
            grid: &mut self.grid,
            chunks: &mut self.chunks,
            shown,
            scratch: &mut self.scratch,
            tick: self.tick,
            refresh_ms: self.refresh_ms,
        }
    }

    /// The people in a viewer's cells, or `None` if they are more than `most`.
    pub(crate) fn people_in(
        &self,
        viewer: &Viewer,
        bodies: &[Body],
        most: usize,
    ) -> Option<Vec<PeerId>> {
        let nodes: Vec<u32> = viewer.cells().filter_map(|cell| self.grid.find(cell)).collect();
        let count: u32 = nodes.iter().map(|&node| self.grid.node(node).count).sum();
        if count as usize > most {
            return None;
        }
        let mut slots = Vec::with_capacity(count as usize);
        for node in nodes {
            self.grid.everyone(bodies, node, &mut slots);
        }
        Some(slots.into_iter().map(|slot| bodies[slot as usize].id).collect())
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.grid.memory() + self.chunks.memory()
    }
}

/// How far a person moved and turned, in steps of about 8 cm and half a degree, at most 255.
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
