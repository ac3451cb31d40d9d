/** Places labels next to their people, over no face and no other label. Pure. */

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Wish {
  /** Identifies the label in the next picture, so that it stays in place. */
  key: string;
  text: string;
  width: number;
  height: number;
  /** Possible centres of the label, best first. */
  spots: readonly { x: number; y: number }[];
  /** Whether it is shown even without a free place, wherever it is least in the way. */
  must: boolean;
  /** Whether it may be cut. */
  short: boolean;
}

export interface Placed {
  key: string;
  text: string;
  x: number;
  y: number;
}

/** Shares of a name that are worth showing. */
const SHARES = [1, 0.6];
const FEWEST_LETTERS = 5;

export function overlap(a: Rect, b: Rect): number {
  const wide = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const tall = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return wide > 0 && tall > 0 ? wide * tall : 0;
}

/** Cuts a text between graphemes, not UTF-16 units. */
export function shorten(text: string, share: number): string {
  if (share >= 1) return text;
  const letters = [...new Intl.Segmenter().segment(text)].map((it) => it.segment);
  const keep = Math.max(FEWEST_LETTERS, Math.floor(letters.length * share));
  return keep >= letters.length ? text : `${letters.slice(0, keep).join('').trimEnd()}…`;
}

/**
 * Places labels in their order. A label whose places are taken is moved, then cut, and only then
 * left out. `before` holds each label's last spot, and is updated.
 */
export function place(
  wishes: readonly Wish[],
  faces: readonly Rect[],
  screen: Rect,
  before: Map<string, number>,
  measure: (text: string) => number,
): Placed[] {
  const taken: Rect[] = [];
  const placed: Placed[] = [];
  const spots = new Map<string, number>();
  for (const wish of wishes) {
    const found = find(wish, { faces, taken, screen }, before.get(wish.key) ?? 0, measure);
    if (!found) continue;
    taken.push(found.rect);
    spots.set(wish.key, found.spot);
    placed.push({ key: wish.key, text: found.text, ...wish.spots[found.spot]! });
  }
  before.clear();
  for (const [key, spot] of spots) before.set(key, spot);
  return placed;
}

interface Found {
  rect: Rect;
  spot: number;
  text: string;
}

interface InTheWay {
  faces: readonly Rect[];
  taken: readonly Rect[];
  screen: Rect;
}

function find(
  wish: Wish,
  { faces, taken, screen }: InTheWay,
  last: number,
  measure: (text: string) => number,
): Found | undefined {
  const order = wish.spots
    .map((_, i) => i)
    .sort((a, b) => Number(b === last) - Number(a === last) || a - b);
  let best: Found | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const share of wish.short ? SHARES : [1]) {
    const text = shorten(wish.text, share);
    const width = share === 1 ? wish.width : measure(text) + (wish.width - measure(wish.text));
    for (const spot of order) {
      const { x, y } = wish.spots[spot]!;
      const rect = { x: x - width / 2, y: y - wish.height / 2, width, height: wish.height };
      const lost = width * wish.height - overlap(rect, screen);
      const cost = 4 * (sum(rect, taken) + lost) + sum(rect, faces);
      if (cost === 0) return { rect, spot, text };
      if (cost < least) [best, least] = [{ rect, spot, text }, cost];
    }
  }
  return wish.must ? best : undefined;
}

function sum(rect: Rect, others: readonly Rect[]): number {
  let all = 0;
  for (const other of others) all += overlap(rect, other);
  return all;
}
