/**
 * What this receiver knows of its room: the roster, and who is where according to the frames.
 * Pure: it holds no clock; every time is one that a message carried (docs/PROTOCOL.md, section 7).
 */
import { AGES, type Chunk, type Entry, type Frame, type Quarters } from './wire/frame';
import { CELL, type Cell, cellContains, cellRect, cellsOverlap } from './wire/geo';
import type { Roster, ServerMessage, Welcome } from './wire/server';
import { type Online, type Person, Presence } from './wire/wire';

/** Frames older than this are ignored, and whoever is not named for this long has left the view. */
export const STALE_MS = 5000;

/**
 * After a gap this long between two frames' times, whoever was in view has as long again to be
 * named: the server was stopped, or nothing came through, and they did not go anywhere.
 */
const GAP_MS = 2000;

export interface Figure {
  id: number;
  lat: number;
  lng: number;
  orientation: number;
  accuracy: number;
  hidden: boolean;
  /** How finely the place is told, in units: the steps of the cell that it came in. */
  step: number;
  /** The newest frame time applied. */
  time: number;
  /**
   * When the sample was taken, on the server's clock: at the earliest, and at the latest. Of one
   * that was old already when it was first heard of, the earliest is only that much earlier.
   */
  sampled: number;
  sampledBy: number;
}

export interface Cluster {
  cell: Cell;
  counts: Quarters;
  /** Where the quarters' people are on average, as far as the sample tells; south-west first. */
  middles: readonly (Spot | undefined)[];
  time: number;
}

export interface Spot {
  lat: number;
  lng: number;
}

/** Somebody a key or crowd chunk removed from a cell: older news of that cell is void. */
interface Removal {
  cell: Cell;
  time: number;
}

/** Whether time a is after time b; the server's clock wraps after 49.7 days. */
export function after(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

/** An age is a rough code: it stands for everything above the code before it. */
const YOUNGEST = new Map(AGES.map((age, code) => [age, AGES[code - 1] ?? 0]));

type Sampled = Pick<Figure, 'sampled' | 'sampledBy'>;

/** When a sample was taken, from its age in this frame and from what earlier frames said of it. */
function sampledWhen(
  age: number,
  time: number,
  old: Sampled | undefined,
): Sampled & { isNews: boolean } {
  const sampled = (time - age) >>> 0;
  const sampledBy = (time - YOUNGEST.get(age)!) >>> 0;
  // The last code has no upper end at all.
  const isOld = age === AGES.at(-1)!;
  // Surely newer, however the two ages were rounded.
  const isNews = old !== undefined && !isOld && after(sampled, old.sampledBy);
  // Surely older: what was believed was not so.
  if (!old || isNews || after(old.sampled, sampledBy)) return { sampled, sampledBy, isNews };
  // It may be the same sample, so that both are right.
  return {
    sampled: isOld || after(old.sampled, sampled) ? old.sampled : sampled,
    sampledBy: after(sampledBy, old.sampledBy) ? old.sampledBy : sampledBy,
    isNews,
  };
}

/** Whether somebody who is told more coarsely than before is still where the finer news said. */
function stands(old: Figure, now: Figure, cell: Cell): boolean {
  const reach = now.step / 2 + old.step;
  return (
    now.step > old.step &&
    now.accuracy === old.accuracy &&
    cellContains(cell, old.lat, old.lng) &&
    Math.abs(now.lat - old.lat) <= reach &&
    Math.abs(now.lng - old.lng) <= reach
  );
}

function looksDifferent(a: Figure, b: Figure): boolean {
  return (
    a.lat !== b.lat ||
    a.lng !== b.lng ||
    a.orientation !== b.orientation ||
    a.accuracy !== b.accuracy ||
    a.hidden !== b.hidden
  );
}

function keyOf(cell: Cell): string {
  return `${cell.level}/${cell.x}/${cell.y}`;
}

/** Where the sample's people are on average, quarter by quarter. */
function middlesOf(cell: Cell, entries: readonly Entry[]): (Spot | undefined)[] {
  const { south, west, size } = cellRect(cell);
  const sums = Array.from({ length: 4 }, () => ({ lat: 0, lng: 0, n: 0 }));
  for (const { lat, lng } of entries) {
    const sum = sums[(lat - south >= size / 2 ? 2 : 0) + (lng - west >= size / 2 ? 1 : 0)]!;
    sum.lat += lat;
    sum.lng += lng;
    sum.n++;
  }
  return sums.map(({ lat, lng, n }) => (n > 0 ? { lat: lat / n, lng: lng / n } : undefined));
}

function isSameCrowd(a: Cluster, b: Cluster): boolean {
  return (
    a.counts.every((count, i) => count === b.counts[i]) &&
    a.middles.every((it, i) => it?.lat === b.middles[i]?.lat && it?.lng === b.middles[i]?.lng)
  );
}

export class View {
  readonly figures = new Map<number, Figure>();
  readonly clusters = new Map<string, Cluster>();
  readonly people = new Map<number, Person>();
  online: Online = { sharing: 0, watching: 0, hidden: 0 };
  /** Grows whenever something that is drawn has changed. */
  changes = 0;
  /** Whether a roster has come since the welcome. */
  heard = false;
  /** Where people were who have left the view, for what can be said of them. */
  readonly remembered = new Map<number, Figure>();
  /** The newest frame's time. */
  newest: number | undefined;

  /** Whether a frame came over this link. */
  private begun = false;
  /** The first frame after a gap, for as long as that matters. */
  private resumed: number | undefined;
  private me: number | undefined;
  private readonly presence = new Map<number, Presence>();
  private readonly left = new Set<number>();
  /** What is known of people's samples, also while they are out of the view. */
  private readonly known = new Map<number, Sampled>();
  private readonly removals = new Map<number, Removal>();
  /** When somebody stopped sharing: what frames said up to then is void. */
  private readonly withdrawn = new Map<number, number>();

  /** Takes a message of the reliable lane, of which a welcome and a roster say something. */
  handleMessage(message: ServerMessage): void {
    if (message.type === 'Welcome') this.handleWelcome(message);
    else if (message.type === 'Roster') this.handleRoster(message);
  }

  /** A welcome voids the roster; what was seen stays, faded by the page, if it is the same peer. */
  private handleWelcome({ id, resumed }: Welcome): void {
    this.me = id;
    this.heard = false;
    this.changes++;
    this.people.clear();
    this.presence.clear();
    this.withdrawn.clear();
    // Whoever left while there was no link is not named by anybody any more.
    this.begun = false;
    this.resumed = undefined;
    if (resumed) return;
    this.figures.clear();
    this.clusters.clear();
    this.removals.clear();
    this.known.clear();
    this.left.clear();
    this.remembered.clear();
    this.newest = undefined;
    this.resumed = undefined;
  }

  private handleRoster(roster: Roster): void {
    this.online = roster.online;
    this.heard = true;
    for (const person of roster.joined) {
      if (this.figures.has(person.id)) this.changes++;
      this.people.set(person.id, person);
      this.setPresence(person.id, person.presence, roster.time);
    }
    for (const change of roster.presence) {
      this.setPresence(change.id, change.presence, roster.time);
    }
    for (const id of roster.left) {
      this.left.add(id);
      this.people.delete(id);
      this.presence.delete(id);
      this.withdrawn.delete(id);
      this.known.delete(id);
      this.drop(id);
      this.remembered.delete(id);
    }
  }

  /** Takes somebody off the map; what is known of them can be said still. */
  private drop(id: number): void {
    const figure = this.figures.get(id);
    if (!figure) return;
    this.figures.delete(id);
    this.remembered.set(id, figure);
    this.changes++;
  }

  presenceOf(id: number): Presence | undefined {
    return this.presence.get(id);
  }

  /** Whether somebody can be on the map, as far as the roster says. */
  mayBeShown(id: number): boolean {
    const presence = this.presence.get(id);
    if (this.left.has(id)) return false;
    return presence !== Presence.Watching && presence !== Presence.Gone;
  }

  /**
   * Applies a frame and returns the ages, in ms at the frame's time, of the samples that were news.
   * Somebody who stands still is none, at first sight or later: that sample is old, not late.
   */
  handleFrame(frame: Frame): number[] {
    if (this.newest !== undefined && after(this.newest - STALE_MS, frame.time)) return [];
    const gap = this.newest !== undefined && after(frame.time, this.newest + GAP_MS);
    if (gap && this.begun) this.resumed = frame.time;
    this.begun = true;
    if (this.newest === undefined || after(frame.time, this.newest)) this.newest = frame.time;
    const ages: number[] = [];
    for (const chunk of frame.chunks) this.handleChunk(chunk, frame, ages);
    this.expire();
    return ages;
  }

  private handleChunk(chunk: Chunk, { time, base }: Frame, ages: number[]): void {
    if (chunk.kind !== 'delta') {
      this.clearCell(chunk, time, base);
      if (chunk.counts) this.setCluster(chunk, chunk.counts, time);
    }
    for (const entry of chunk.entries) this.handleEntry(entry, chunk, time, ages);
  }

  private handleEntry(entry: Entry, { cell }: Chunk, time: number, ages: number[]): void {
    const { id } = entry;
    if (id === this.me || this.left.has(id)) return;
    const withdrawn = this.withdrawn.get(id);
    if (withdrawn !== undefined && !after(time, withdrawn)) return;
    const old = this.figures.get(id);
    if (old && !after(time, old.time)) return;
    const removal = this.removals.get(id);
    if (removal && after(removal.time, time) && cellsOverlap(removal.cell, cell)) return;
    this.removals.delete(id);
    const { sampled, sampledBy, isNews } = sampledWhen(entry.age, time, this.known.get(id));
    if (old && isNews) ages.push(entry.age);
    this.known.set(id, { sampled, sampledBy });
    const figure: Figure = {
      id,
      lat: entry.lat,
      lng: entry.lng,
      orientation: entry.orientation,
      accuracy: entry.accuracy ?? old?.accuracy ?? 0,
      hidden: this.isHidden(id, entry.hidden ?? old?.hidden ?? false),
      step: CELL[cell.level]!.step,
      time,
      sampled,
      sampledBy,
    };
    if (old && stands(old, figure, cell)) Object.assign(figure, { lat: old.lat, lng: old.lng });
    if (!old || looksDifferent(old, figure)) this.changes++;
    this.figures.set(id, figure);
    this.remembered.delete(id);
  }

  /** The reliable lane says who is hidden first; frames say it of people not on the roster. */
  private isHidden(id: number, inFrame: boolean): boolean {
    const presence = this.presence.get(id);
    return presence === undefined ? inFrame : presence === Presence.Hidden;
  }

  private setPresence(id: number, presence: Presence, time: number): void {
    this.presence.set(id, presence);
    const person = this.people.get(id);
    if (person) person.presence = presence;
    const figure = this.figures.get(id);
    if (presence === Presence.Watching || presence === Presence.Gone) {
      this.withdrawn.set(id, time);
      this.remembered.delete(id);
      // A later frame may have overtaken the roster, and shows whoever shares again by then.
      if (!figure || !after(figure.time, time)) {
        this.drop(id);
        this.remembered.delete(id);
      }
      if (presence === Presence.Watching) this.known.delete(id);
      return;
    }
    const hidden = presence === Presence.Hidden;
    if (!figure || figure.hidden === hidden) return;
    figure.hidden = hidden;
    this.changes++;
  }

  /** A key or crowd chunk lists whom it lists: older beliefs about its cell and page end here. */
  private clearCell(chunk: Chunk, time: number, base: number): void {
    const pages = 2 ** chunk.pageBits;
    const listed = new Set(chunk.entries.map((entry) => entry.id));
    for (const [id, figure] of this.figures) {
      if (!after(time, figure.time) || !cellContains(chunk.cell, figure.lat, figure.lng)) continue;
      if (pages > 1 && (((id - base) % pages) + pages) % pages !== chunk.page) continue;
      if (listed.has(id)) continue;
      this.drop(id);
      this.removals.set(id, { cell: chunk.cell, time });
    }
    const key = keyOf(chunk.cell);
    for (const [other, cluster] of this.clusters) {
      if (!after(time, cluster.time) || !cellsOverlap(cluster.cell, chunk.cell)) continue;
      // A crowd that is told again is the same one.
      if (other === key && chunk.counts) continue;
      this.clusters.delete(other);
      this.changes++;
    }
  }

  private setCluster({ cell, entries }: Chunk, counts: Quarters, time: number): void {
    const key = keyOf(cell);
    const old = this.clusters.get(key);
    if (old && !after(time, old.time)) return;
    const cluster = { cell, counts, middles: middlesOf(cell, entries), time };
    this.clusters.set(key, cluster);
    if (!old || !isSameCrowd(old, cluster)) this.changes++;
  }

  private expire(): void {
    if (this.newest === undefined) return;
    const limit = this.newest - STALE_MS;
    for (const [id, removal] of this.removals) {
      if (after(limit, removal.time)) this.removals.delete(id);
    }
    for (const [id, time] of this.withdrawn) if (after(limit, time)) this.withdrawn.delete(id);
    if (this.resumed !== undefined && !after(limit, this.resumed)) return;
    this.resumed = undefined;
    for (const [id, figure] of this.figures) if (after(limit, figure.time)) this.drop(id);
    for (const [key, c] of this.clusters) {
      if (!after(limit, c.time)) continue;
      this.clusters.delete(key);
      this.changes++;
    }
  }
}
