/** Groups people who are drawn on top of each other: one of them stands for all. Pure. */

export interface Dot {
  id: number;
  dx: number;
  dy: number;
}

export interface Group<T extends Dot> {
  /** The one who is drawn, as long as they are here. */
  first: T;
  members: T[];
}

/** Two people close together still look like two. */
export const LEAST = 3;
/** A group's members stay in it a little longer, or it would flicker. */
const CLING = 1.35;

/**
 * Groups people within `reach` pixels of a first one. Who is first depends only on ids, and
 * `before` (member to first, from the last time) keeps groups together.
 */
export function groupUp<T extends Dot>(
  dots: readonly T[],
  reach: number,
  before: ReadonlyMap<number, number>,
): Group<T>[] {
  const groups = new Map<number, Group<T>>();
  const grid = new Map<string, Group<T>[]>();
  const wide = reach * CLING;
  const at = (it: Dot): [number, number] => [Math.floor(it.dx / wide), Math.floor(it.dy / wide)];
  for (const dot of [...dots].sort((a, b) => a.id - b.id)) {
    const [x, y] = at(dot);
    let best: Group<T> | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 9; i++) {
      for (const group of grid.get(`${x - 1 + (i % 3)},${y - 1 + Math.floor(i / 3)}`) ?? []) {
        const off = Math.hypot(group.first.dx - dot.dx, group.first.dy - dot.dy);
        const was = before.get(dot.id) === group.first.id;
        if (off > (was ? wide : reach)) continue;
        const rank = was ? off - wide : off;
        if (rank < least) [best, least] = [group, rank];
      }
    }
    if (best) {
      best.members.push(dot);
      continue;
    }
    const group = { first: dot, members: [dot] };
    groups.set(dot.id, group);
    const key = `${x},${y}`;
    const here = grid.get(key);
    if (here) here.push(group);
    else grid.set(key, [group]);
  }
  return [...groups.values()];
}

export interface Disc {
  dx: number;
  dy: number;
  count: number;
}

/** Merges discs that would overlap, where their people are on average. */
export function mergeDiscs(discs: readonly Disc[], apart: number): Disc[] {
  const merged: Disc[] = [];
  for (const disc of [...discs].sort((a, b) => b.count - a.count)) {
    const near = merged.find((it) => Math.hypot(it.dx - disc.dx, it.dy - disc.dy) < apart);
    if (!near) {
      merged.push({ ...disc });
      continue;
    }
    const count = near.count + disc.count;
    near.dx = (near.dx * near.count + disc.dx * disc.count) / count;
    near.dy = (near.dy * near.count + disc.dy * disc.count) / count;
    near.count = count;
  }
  return merged;
}

/** Radius in pixels; it grows with the count, but a stadium is no planet. */
export function discRadius(count: number): number {
  return 20 + Math.min(22, Math.log2(count + 1) * 1.8);
}
