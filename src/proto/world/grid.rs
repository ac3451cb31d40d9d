//! Who is where: a quadtree over the cells of docs/PROTOCOL.md, section 7.
//!
//! People hang in the leaves (cells of level 0) and every node counts those below it, so a viewer's
//! cost depends on its cells and not on the crowd. A change marks the path above it once a tick, so
//! the changed people of any cell are found without looking at the others. Nodes exist only where
//! there are people or viewers look.

use crate::geo::{Cell, Position, TOP_LEVEL};
use crate::wire::frame::Entry;
use crate::world::body::Body;
use crate::world::news::News;
use crate::world::sample::CrowdSample;
use crate::world::since::Since;
use crate::world::slab::{self, NONE, Slot, mix};
use crate::world::tick::Tick;

/// A node of more people than this keeps its sample up to date...
const KEEP_SAMPLE: u32 = 64;
/// ...until it has fewer than this.
const DROP_SAMPLE: u32 = 32;

/// A cell with people or viewers, in one cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Node {
    pub(crate) cell: Cell,
    pub(crate) parent: u32,
    /// The children by quadrant; in a leaf the first is the head of its list of people.
    children: [u32; 4],
    /// People below.
    pub(crate) count: u32,
    /// Tick of the last change below.
    pub(crate) changed: Tick,
    /// Index of a leaf among those with changes in that tick.
    pub(crate) news: u32,
    /// The children that changed in that tick, a bit each.
    changed_children: u8,
    /// Index of the kept sample, or [`NONE`].
    sample: u32,
    /// Index of the cell's watch, or [`NONE`] while no viewer looks at it.
    pub(crate) watch: u32,
}

impl Node {
    const fn new(cell: Cell, parent: u32) -> Self {
        Self {
            cell,
            parent,
            children: [NONE; 4],
            count: 0,
            changed: Tick::NEVER,
            news: NONE,
            changed_children: 0,
            sample: NONE,
            watch: NONE,
        }
    }
}

/// The quadtree.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    nodes: Vec<Node>,
    free: Vec<u32>,
    samples: Vec<CrowdSample>,
    free_samples: Vec<u32>,
    news: News,
    /// Decides the ranks of people in samples.
    seed: u64,
}

/// The node of the whole world.
const ROOT: u32 = 0;

impl Grid {
    pub(crate) fn new(seed: u64) -> Self {
        let nodes = vec![Node::new(Cell::WORLD, NONE)];
        Self {
            nodes,
            free: Vec::new(),
            samples: Vec::new(),
            free_samples: Vec::new(),
            news: News::default(),
            seed,
        }
    }

    pub(crate) fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    pub(crate) fn set_watch(&mut self, node: u32, watch: u32) {
        self.nodes[node as usize].watch = watch;
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.samples.capacity() * size_of::<CrowdSample>()
            + (self.free.capacity() + self.free_samples.capacity()) * size_of::<u32>()
            + self.news.memory()
    }

    /// Returns the node of `cell`, if there is one.
    pub(crate) fn find(&self, cell: Cell) -> Option<u32> {
        let mut node = ROOT;
        for level in (cell.level..TOP_LEVEL).rev() {
            node = self.node(node).children[cell.ancestor(level).quadrant()];
            if node == NONE {
                return None;
            }
        }
        Some(node)
    }

    /// Returns the node of `cell`, and makes it if need be.
    pub(crate) fn ensure(&mut self, cell: Cell) -> u32 {
        self.descend(ROOT, cell, |_, _| {})
    }

    /// Frees `node` and the nodes above it that have neither people nor viewers.
    pub(crate) fn prune(&mut self, mut node: u32) {
        while node != ROOT {
            let Node { count, watch, children, parent, sample, cell, .. } = *self.node(node);
            if count > 0 || watch != NONE || children != [NONE; 4] {
                return;
            }
            self.drop_sample(node, sample);
            self.nodes[parent as usize].children[cell.quadrant()] = NONE;
            self.free.push(node);
            node = parent;
        }
    }

    /// Moves `slot`, from wherever it was, to the leaf of `position`.
    pub(crate) fn place(&mut self, bodies: &mut [Body], slot: Slot, position: Position) {
        let target = Cell::at(0, position);
        let leaf = bodies[slot as usize].leaf;
        if leaf == NONE {
            let leaf = self.climb_down(bodies, ROOT, target, slot, true);
            self.link(bodies, leaf, slot);
        } else if self.node(leaf).cell != target {
            self.unlink(bodies, slot);
            let mut top = leaf;
            while self.node(top).cell != target.ancestor(self.node(top).cell.level) {
                top = self.node(top).parent;
            }
            self.forget(bodies, leaf, top, slot);
            let new = self.climb_down(bodies, top, target, slot, false);
            self.link(bodies, new, slot);
            self.prune(leaf);
        }
    }

    /// Takes `slot` out, also from among the changed people of `tick`.
    pub(crate) fn remove(&mut self, bodies: &mut [Body], slot: Slot, tick: Tick) {
        let Body { id, leaf, .. } = bodies[slot as usize];
        if leaf != NONE {
            let Node { changed, news, .. } = *self.node(leaf);
            if changed == tick {
                self.news.forget(news, id);
            }
            self.unlink(bodies, slot);
            self.forget(bodies, leaf, NONE, slot);
            self.prune(leaf);
        }
    }

    /// Notes that `slot`, which is in the grid, changed in `tick`; once a tick.
    pub(crate) fn note_change(&mut self, leaf: u32, entry: Entry, motion: u8, tick: Tick) {
        let node = &mut self.nodes[leaf as usize];
        let mut fresh = node.changed != tick;
        if fresh {
            node.changed = tick;
            node.news = self.news.open();
        }
        self.news.push(node.news, entry, motion);
        let (mut parent, mut quadrant) = (node.parent, node.cell.quadrant());
        while fresh && parent != NONE {
            let node = &mut self.nodes[parent as usize];
            fresh = node.changed != tick;
            if fresh {
                node.changed = tick;
                node.changed_children = 0;
            }
            node.changed_children |= 1 << quadrant;
            (parent, quadrant) = (node.parent, node.cell.quadrant());
        }
    }

    /// Returns the changed people of this tick, by leaf.
    pub(crate) const fn news(&self) -> &News {
        &self.news
    }

    pub(crate) const fn news_mut(&mut self) -> &mut News {
        &mut self.news
    }

    /// Collects the people below `node` who changed in `tick`, and returns how much they moved.
    pub(crate) fn changed(&self, node: u32, tick: Tick, out: &mut Vec<Entry>) -> u32 {
        let Node { cell, changed, changed_children, children, news, .. } = *self.node(node);
        if changed != tick {
            return 0;
        }
        if cell.level == 0 {
            return self.news.read(news, out);
        }
        let children = children.iter().enumerate();
        let children = children.filter(|(quadrant, _)| changed_children >> quadrant & 1 == 1);
        let children = children.filter(|&(_, &child)| child != NONE);
        children.map(|(_, &child)| self.changed(child, tick, out)).sum()
    }

    /// Collects the people below `node` whose changes are among those of `since`.
    pub(crate) fn changed_since(
        &self,
        bodies: &[Body],
        node: u32,
        since: Since,
        out: &mut Vec<Slot>,
    ) {
        let Node { cell, children, changed, .. } = *self.node(node);
        if !since.may_concern(changed) {
            return;
        }
        if cell.level > 0 {
            for child in children.into_iter().filter(|&child| child != NONE) {
                self.changed_since(bodies, child, since, out);
            }
            return;
        }
        let mut slot = children[0];
        while slot != NONE {
            let body = &bodies[slot as usize];
            if since.concerns(body) {
                out.push(slot);
            }
            slot = body.next;
        }
    }

    /// Collects the people below `node`.
    pub(crate) fn everyone(&self, bodies: &[Body], node: u32, out: &mut Vec<Slot>) {
        let Node { cell, children, .. } = *self.node(node);
        if cell.level == 0 {
            let mut slot = children[0];
            while slot != NONE {
                out.push(slot);
                slot = bodies[slot as usize].next;
            }
            return;
        }
        for child in children {
            if child != NONE && self.node(child).count > 0 {
                self.everyone(bodies, child, out);
            }
        }
    }

    /// Counts the people in each quarter of `node`.
    pub(crate) fn quarters(&self, bodies: &[Body], node: u32) -> [u32; 4] {
        let Node { cell, children, .. } = *self.node(node);
        if cell.level > 0 {
            return children.map(|child| if child == NONE { 0 } else { self.node(child).count });
        }
        let mut counts = [0; 4];
        let half = 1 << (crate::geo::cell_bits(0) - 1);
        let mut slot = children[0];
        while slot != NONE {
            let body = &bodies[slot as usize];
            if let Some(pose) = body.pose {
                let (x, y) = cell.steps(pose.position);
                counts[usize::from(x >= half) | usize::from(y >= half) << 1] += 1;
            }
            slot = body.next;
        }
        counts
    }

    /// Collects the sample of the people below `node`. It does not depend
    /// on moves within the cell.
    pub(crate) fn sample(&self, bodies: &[Body], node: u32, out: &mut Vec<Slot>) {
        out.extend_from_slice(self.sample_of(bodies, node).slots());
    }

    fn sample_of(&self, bodies: &[Body], node: u32) -> CrowdSample {
        match self.samples.get(self.node(node).sample as usize) {
            Some(&kept) => kept,
            None => self.gather_sample(bodies, node),
        }
    }

    /// Makes the sample of a node from those of its children, or from its people if they are few.
    fn gather_sample(&self, bodies: &[Body], node: u32) -> CrowdSample {
        let mut sample = CrowdSample::EMPTY;
        let Node { cell, count, children, .. } = *self.node(node);
        if cell.level == 0 || count <= KEEP_SAMPLE {
            let mut people = Vec::with_capacity(count as usize);
            self.everyone(bodies, node, &mut people);
            people.into_iter().for_each(|slot| sample.offer(slot, |slot| self.rank(bodies, slot)));
            return sample;
        }
        for child in children {
            if child != NONE && self.node(child).count > 0 {
                for &slot in self.sample_of(bodies, child).slots() {
                    sample.offer(slot, |slot| self.rank(bodies, slot));
                }
            }
        }
        sample
    }

    fn rank(&self, bodies: &[Body], slot: Slot) -> u64 {
        mix(self.seed ^ u64::from(bodies[slot as usize].id.0))
    }

    fn drop_sample(&mut self, node: u32, sample: u32) {
        if sample != NONE {
            self.free_samples.push(sample);
            self.nodes[node as usize].sample = NONE;
        }
    }

    /// Walks from `top` down to `target`, making nodes, and counts `slot` in below `top` (and in
    /// `top` itself if `and_top`).
    fn climb_down(
        &mut self,
        bodies: &[Body],
        top: u32,
        target: Cell,
        slot: Slot,
        and_top: bool,
    ) -> u32 {
        if and_top {
            self.count_in(bodies, top, slot);
        }
        self.descend(top, target, |grid, node| grid.count_in(bodies, node, slot))
    }

    fn descend(&mut self, top: u32, target: Cell, mut each: impl FnMut(&mut Self, u32)) -> u32 {
        let mut node = top;
        for level in (target.level..self.node(top).cell.level.min(TOP_LEVEL)).rev() {
            let cell = target.ancestor(level);
            let child = self.node(node).children[cell.quadrant()];
            node = if child == NONE { self.grow(cell, node) } else { child };
            each(self, node);
        }
        node
    }

    fn grow(&mut self, cell: Cell, parent: u32) -> u32 {
        let node = Node::new(cell, parent);
        let index = match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = node;
                index
            }
            None => {
                slab::push(&mut self.nodes, node);
                self.nodes.len() as u32 - 1
            }
        };
        self.nodes[parent as usize].children[cell.quadrant()] = index;
        index
    }

    fn count_in(&mut self, bodies: &[Body], node: u32, slot: Slot) {
        self.nodes[node as usize].count += 1;
        let kept = self.node(node).sample as usize;
        if kept < self.samples.len() {
            let mut sample = self.samples[kept];
            sample.offer(slot, |slot| self.rank(bodies, slot));
            self.samples[kept] = sample;
        }
    }

    /// Counts `slot`, which is unlinked already, out of `leaf` and all above it, below `top`.
    fn forget(&mut self, bodies: &[Body], leaf: u32, top: u32, slot: Slot) {
        let mut node = leaf;
        while node != top {
            let entry = &mut self.nodes[node as usize];
            entry.count -= 1;
            let (count, kept, parent) = (entry.count, entry.sample, entry.parent);
            if kept != NONE {
                if count < DROP_SAMPLE {
                    self.drop_sample(node, kept);
                } else if self.samples[kept as usize].slots().contains(&slot) {
                    self.samples[kept as usize] = self.gather_sample(bodies, node);
                }
            }
            node = parent;
        }
    }

    fn link(&mut self, bodies: &mut [Body], leaf: u32, slot: Slot) {
        let first = self.nodes[leaf as usize].children[0];
        let body = &mut bodies[slot as usize];
        (body.leaf, body.next, body.previous) = (leaf, first, NONE);
        if first != NONE {
            bodies[first as usize].previous = slot;
        }
        self.nodes[leaf as usize].children[0] = slot;
        self.keep_samples(bodies, leaf);
    }

    /// Begins to keep the samples of the nodes from `leaf` up that became crowds.
    fn keep_samples(&mut self, bodies: &[Body], leaf: u32) {
        let mut node = leaf;
        while node != NONE {
            let Node { count, sample, parent, .. } = *self.node(node);
            if count > KEEP_SAMPLE && sample != NONE {
                return;
            }
            if count > KEEP_SAMPLE {
                let gathered = self.gather_sample(bodies, node);
                let index = match self.free_samples.pop() {
                    Some(index) => {
                        self.samples[index as usize] = gathered;
                        index
                    }
                    None => {
                        self.samples.push(gathered);
                        self.samples.len() as u32 - 1
                    }
                };
                self.nodes[node as usize].sample = index;
            }
            node = parent;
        }
    }

    fn unlink(&mut self, bodies: &mut [Body], slot: Slot) {
        let Body { leaf, next, previous, .. } = bodies[slot as usize];
        if previous == NONE {
            self.nodes[leaf as usize].children[0] = next;
        } else {
            bodies[previous as usize].next = next;
        }
        if next != NONE {
            bodies[next as usize].previous = previous;
        }
        bodies[slot as usize].leaf = NONE;
    }
}
