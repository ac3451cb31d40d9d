/**
 * What a receiver knows of its room: the roster, and who is where according to the frames. Pure: it
 * has no clock, and every time comes from a message (docs/PROTOCOL.md, section 7).
 */
import { AGES, type Chunk, type Entry, type Frame, type Quarters } from './wire/frame.ts';
import { CELL, type Cell, cellContains, cellRect, cellsOverlap } from './wire/geo.ts';
import type { StateBits } from './wire/kind.ts';
import type { Roster, ServerMessage, Welcome } from './wire/server.ts';
import { type Online, type Person, Presence } from './wire/wire.ts';

/** Frames older than this are ignored, and people not named for this long have left the view. */
export const STALE_MS = 5000;

/**
 * After a gap this long between two frames' times, people in view get the same time again to be
 * named: the server was stopped or nothing came through, and they did not go anywhere.
 */
const GAP_MS = 2000;

/** A person as the frames show them. */
export interface Figure extends StateBits {
  /** The person's number. */
  id: number;
  /** Latitude in units of 1e-7 degree. */
  lat: number;
  /** Longitude in units of 1e-7 degree. */
  lng: number;
  /** The orientation's code, or `NO_ORIENTATION`. */
  orientation: number;
  /** The motion's code, or `NO_MOTION`. */
  motion: number;
  /** The accuracy's code. */
  accuracy: number;
  /** Whether the person's page is in the background. */
  hidden: boolean;
  /** The position's step in units, which is that of the cell it came in. */
  step: number;
  /** The newest frame time applied. */
  time: number;
  /**
   * When the sample was taken, on the server's clock: at the earliest and at the latest. If the
   * sample was already old when first seen, the earliest is only a lower bound of its age.
   */
  sampled: number;
  /** The latest that it was taken. */
  sampledBy: number;
}

/** A crowd: people who are too many to be sent one by one. */
export interface Cluster {
  /** The crowd's cell. */
  cell: Cell;
  /** Number of people in each quarter. */
  counts: Quarters;
  /** Average position of the sampled people in each quarter; south-west first. */
  middles: readonly (Spot | undefined)[];
  /** The newest frame time applied. */
  time: number;
}

/** A position in units of 1e-7 degree. */
export interface Spot {
  /** Latitude. */
  lat: number;
  /** Longitude. */
  lng: number;
}

/** A person removed from a cell by a key or crowd chunk: older news of that cell is void. */
interface Removal {
  cell: Cell;
  time: number;
}

/** Whether time `a` is after time `b`; the server's clock wraps after 49.7 days. */
export function after(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

/** The lower end of each age code: a code stands for every age above the code before it. */
const YOUNGEST = new Map(AGES.map((age, code) => [age, AGES[code - 1] ?? 0]));

type Sampled = Pick<Figure, 'sampled' | 'sampledBy'>;

/** Bounds the time of a sample by its age in this frame and by earlier frames. */
function sampledWhen(
  age: number,
  time: number,
  old: Sampled | undefined,
): Sampled & { isNews: boolean } {
  const sampled = (time - age) >>> 0;
  const sampledBy = (time - YOUNGEST.get(age)!) >>> 0;
  // The last code has no upper end.
  const isOld = age === AGES.at(-1)!;
  // Surely newer, however the ages were rounded.
  const isNews = old !== undefined && !isOld && after(sampled, old.sampledBy);
  // Surely older: the earlier belief was wrong.
  if (!old || isNews || after(old.sampled, sampledBy)) return { sampled, sampledBy, isNews };
  // It may be the same sample, and then both bounds hold.
  return {
    sampled: isOld || after(old.sampled, sampled) ? old.sampled : sampled,
    sampledBy: after(sampledBy, old.sampledBy) ? old.sampledBy : sampledBy,
    isNews,
  };
}

/** Whether a person now shown more coarsely may still be where the finer position said. */
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
    a.motion !== b.motion ||
    a.stateLow !== b.stateLow ||
    a.stateHigh !== b.stateHigh ||
    a.accuracy !== b.accuracy ||
    a.hidden !== b.hidden
  );
}

function keyOf(cell: Cell): string {
  return `${cell.level}/${cell.x}/${cell.y}`;
}

/** Average position of the sampled people in each quarter. */
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

/** What a receiver knows of its room. */
export class View {
  /** People in view, by id. */
  readonly figures = new Map<number, Figure>();
  /** Crowds in view, by cell. */
  readonly clusters = new Map<string, Cluster>();
  /** People on the roster, by id. */
  readonly people = new Map<number, Person>();
  /** Number of people and things in the room. */
  online: Online = { sharing: 0, watching: 0, hidden: 0, things: 0 };
  /** Number of changes to anything that is drawn. */
  changes = 0;
  /** Whether a roster has arrived since the welcome. */
  heard = false;
  /** Last figures of people who have left the view. */
  readonly remembered = new Map<number, Figure>();
  /** The newest frame's time. */
  newest: number | undefined;

  /** Whether a frame has come over this link. */
  #begun = false;
  /** Time of the first frame after a gap, while it matters. */
  #resumed: number | undefined;
  #me: number | undefined;
  readonly #presence = new Map<number, Presence>();
  readonly #left = new Set<number>();
  /** Sample times of people, also while they are out of view. */
  readonly #known = new Map<number, Sampled>();
  readonly #removals = new Map<number, Removal>();
  /** When each person stopped sharing; frames up to then do not count. */
  readonly #withdrawn = new Map<number, number>();

  /** Takes a message of the reliable lane: welcomes and rosters change the view. */
  handleMessage(message: ServerMessage): void {
    if (message.type === 'Welcome') this.#handleWelcome(message);
    else if (message.type === 'Roster') this.#handleRoster(message);
  }

  /** A welcome voids the roster. For the same peer, what was seen stays, faded by the page. */
  #handleWelcome({ id, resumed }: Welcome): void {
    this.#me = id;
    this.heard = false;
    this.changes++;
    this.people.clear();
    this.#presence.clear();
    this.#withdrawn.clear();
    // People who left while there was no link will not be named again.
    this.#begun = false;
    this.#resumed = undefined;
    if (resumed) return;
    this.figures.clear();
    this.clusters.clear();
    this.#removals.clear();
    this.#known.clear();
    this.#left.clear();
    this.remembered.clear();
    this.newest = undefined;
    this.#resumed = undefined;
  }

  #handleRoster(roster: Roster): void {
    this.online = roster.online;
    this.heard = true;
    for (const person of roster.joined) {
      if (this.figures.has(person.id)) this.changes++;
      this.people.set(person.id, person);
      this.#setPresence(person.id, person.presence, roster.time);
    }
    for (const change of roster.presence) {
      this.#setPresence(change.id, change.presence, roster.time);
    }
    for (const id of roster.left) {
      this.#left.add(id);
      this.people.delete(id);
      this.#presence.delete(id);
      this.#withdrawn.delete(id);
      this.#known.delete(id);
      this.#drop(id);
      this.remembered.delete(id);
    }
  }

  /** Takes a person off the map, and remembers the last figure. */
  #drop(id: number): void {
    const figure = this.figures.get(id);
    if (!figure) return;
    this.figures.delete(id);
    this.remembered.set(id, figure);
    this.changes++;
  }

  /** A person's presence, if the roster has named it. */
  presenceOf(id: number): Presence | undefined {
    return this.#presence.get(id);
  }

  /** Whether this person has left, for good. */
  hasLeft(id: number): boolean {
    return this.#left.has(id);
  }

  /** Whether this person may be on the map, according to the roster. */
  mayBeShown(id: number): boolean {
    const presence = this.#presence.get(id);
    if (this.#left.has(id)) return false;
    return presence !== Presence.Watching && presence !== Presence.Gone;
  }

  /**
   * Applies a frame and returns the ages of new samples, in ms at the frame's time. A person who
   * stands still adds none: that sample is old, not late.
   */
  handleFrame(frame: Frame): number[] {
    if (this.newest !== undefined && after(this.newest - STALE_MS, frame.time)) return [];
    const gap = this.newest !== undefined && after(frame.time, this.newest + GAP_MS);
    if (gap && this.#begun) this.#resumed = frame.time;
    this.#begun = true;
    if (this.newest === undefined || after(frame.time, this.newest)) this.newest = frame.time;
    const ages: number[] = [];
    for (const chunk of frame.chunks) this.#handleChunk(chunk, frame, ages);
    this.#expire();
    return ages;
  }

  #handleChunk(chunk: Chunk, { time, base }: Frame, ages: number[]): void {
    if (chunk.kind !== 'delta') {
      this.#clearCell(chunk, time, base);
      if (chunk.counts) this.#setCluster(chunk, chunk.counts, time);
    }
    for (const entry of chunk.entries) this.#handleEntry(entry, chunk, time, ages);
  }

  #handleEntry(entry: Entry, { cell }: Chunk, time: number, ages: number[]): void {
    const { id } = entry;
    if (id === this.#me || this.#left.has(id)) return;
    const withdrawn = this.#withdrawn.get(id);
    if (withdrawn !== undefined && !after(time, withdrawn)) return;
    const old = this.figures.get(id);
    if (old && !after(time, old.time)) return;
    const removal = this.#removals.get(id);
    if (removal && after(removal.time, time) && cellsOverlap(removal.cell, cell)) return;
    this.#removals.delete(id);
    const { sampled, sampledBy, isNews } = sampledWhen(entry.age, time, this.#known.get(id));
    if (old && isNews) ages.push(entry.age);
    this.#known.set(id, { sampled, sampledBy });
    const figure: Figure = {
      id,
      lat: entry.lat,
      lng: entry.lng,
      orientation: entry.orientation,
      motion: entry.motion,
      stateLow: entry.stateLow,
      stateHigh: entry.stateHigh,
      accuracy: entry.accuracy ?? old?.accuracy ?? 0,
      hidden: this.#isHidden(id, entry.hidden ?? old?.hidden ?? false),
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

  /** The roster says who is hidden; frames say it only of people not on the roster. */
  #isHidden(id: number, inFrame: boolean): boolean {
    const presence = this.#presence.get(id);
    return presence === undefined ? inFrame : presence === Presence.Hidden;
  }

  #setPresence(id: number, presence: Presence, time: number): void {
    this.#presence.set(id, presence);
    const person = this.people.get(id);
    if (person) person.presence = presence;
    const figure = this.figures.get(id);
    if (presence === Presence.Watching || presence === Presence.Gone) {
      this.#withdrawn.set(id, time);
      this.remembered.delete(id);
      // A later frame may have overtaken the roster, and shows those who share again by then.
      if (!figure || !after(figure.time, time)) {
        this.#drop(id);
        this.remembered.delete(id);
      }
      if (presence === Presence.Watching) this.#known.delete(id);
      return;
    }
    const hidden = presence === Presence.Hidden;
    if (!figure || figure.hidden === hidden) return;
    figure.hidden = hidden;
    this.changes++;
  }

  /** A key or crowd chunk is complete: older beliefs about its cell and page end here. */
  #clearCell(chunk: Chunk, time: number, base: number): void {
    const pages = 2 ** chunk.pageBits;
    const listed = new Set(chunk.entries.map((entry) => entry.id));
    for (const [id, figure] of this.figures) {
      if (!after(time, figure.time) || !cellContains(chunk.cell, figure.lat, figure.lng)) continue;
      if (pages > 1 && (((id - base) % pages) + pages) % pages !== chunk.page) continue;
      if (listed.has(id)) continue;
      this.#drop(id);
      this.#removals.set(id, { cell: chunk.cell, time });
    }
    const key = keyOf(chunk.cell);
    for (const [other, cluster] of this.clusters) {
      if (!after(time, cluster.time) || !cellsOverlap(cluster.cell, chunk.cell)) continue;
      // A crowd that is sent again is the same one.
      if (other === key && chunk.counts) continue;
      this.clusters.delete(other);
      this.changes++;
    }
  }

  #setCluster({ cell, entries }: Chunk, counts: Quarters, time: number): void {
    const key = keyOf(cell);
    const old = this.clusters.get(key);
    if (old && !after(time, old.time)) return;
    const cluster = { cell, counts, middles: middlesOf(cell, entries), time };
    this.clusters.set(key, cluster);
    if (!old || !isSameCrowd(old, cluster)) this.changes++;
  }

  #expire(): void {
    if (this.newest === undefined) return;
    const limit = this.newest - STALE_MS;
    for (const [id, removal] of this.#removals) {
      if (after(limit, removal.time)) this.#removals.delete(id);
    }
    for (const [id, time] of this.#withdrawn) if (after(limit, time)) this.#withdrawn.delete(id);
    if (this.#resumed !== undefined && !after(limit, this.#resumed)) return;
    this.#resumed = undefined;
    for (const [id, figure] of this.figures) if (after(limit, figure.time)) this.#drop(id);
    for (const [key, c] of this.clusters) {
      if (!after(limit, c.time)) continue;
      this.clusters.delete(key);
      this.changes++;
    }
  }
}
