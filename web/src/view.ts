/**
 * What this receiver knows of its room: the roster, and who is where according to the frames.
 * Pure: it holds no clock; every time is one that a message carried (docs/PROTOCOL.md, section 7).
 */
import { AGES, type Chunk, type Entry, type Frame, type Quarters } from './frame';
import { type Cell, cellHolds, cellsOverlap } from './geo';
import { type Online, type Person, Presence, type Roster } from './wire';

/** Frames older than this are ignored, and whoever is not named for this long has left the view. */
export const STALE_MS = 5000;

export interface Figure {
  id: number;
  lat: number;
  lng: number;
  orientation: number;
  accuracy: number;
  hidden: boolean;
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
  time: number;
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

export class View {
  readonly figures = new Map<number, Figure>();
  readonly clusters = new Map<string, Cluster>();
  readonly people = new Map<number, Person>();
  online: Online = { sharing: 0, watching: 0, hidden: 0 };
  /** The newest frame's time. */
  newest: number | undefined;

  private me: number | undefined;
  private readonly presence = new Map<number, Presence>();
  private readonly left = new Set<number>();
  /** What is known of people's samples, also while they are out of the view. */
  private readonly known = new Map<number, Sampled>();
  private readonly removals = new Map<number, Removal>();
  /** When somebody stopped sharing: what frames said up to then is void. */
  private readonly withdrawn = new Map<number, number>();

  /** A welcome voids the roster; what was seen stays, faded by the page, if it is the same peer. */
  welcome(me: number, resumed: boolean): void {
    this.me = me;
    this.people.clear();
    this.presence.clear();
    this.withdrawn.clear();
    if (resumed) return;
    this.figures.clear();
    this.clusters.clear();
    this.removals.clear();
    this.known.clear();
    this.left.clear();
    this.newest = undefined;
  }

  roster(roster: Roster): void {
    this.online = roster.online;
    for (const person of roster.joined) {
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
      this.figures.delete(id);
    }
  }

  presenceOf(id: number): Presence | undefined {
    return this.presence.get(id);
  }

  /**
   * Applies a frame and returns the ages, in ms at the frame's time, of the samples that were news.
   * Somebody who stands still is none, at first sight or later: that sample is old, not late.
   */
  frame(frame: Frame): number[] {
    if (this.newest !== undefined && after(this.newest - STALE_MS, frame.time)) return [];
    if (this.newest === undefined || after(frame.time, this.newest)) this.newest = frame.time;
    const ages: number[] = [];
    for (const chunk of frame.chunks) this.chunk(chunk, frame, ages);
    this.expire();
    return ages;
  }

  private chunk(chunk: Chunk, { time, base }: Frame, ages: number[]): void {
    if (chunk.kind !== 'delta') {
      this.clearCell(chunk, time, base);
      if (chunk.counts) this.setCluster(chunk.cell, chunk.counts, time);
    }
    for (const entry of chunk.entries) this.entry(entry, chunk, time, ages);
  }

  private entry(entry: Entry, { cell }: Chunk, time: number, ages: number[]): void {
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
    this.figures.set(id, {
      id,
      lat: entry.lat,
      lng: entry.lng,
      orientation: entry.orientation,
      accuracy: entry.accuracy ?? old?.accuracy ?? 0,
      hidden: this.isHidden(id, entry.hidden ?? old?.hidden ?? false),
      time,
      sampled,
      sampledBy,
    });
  }

  /** The reliable lane says who is hidden within a tick; frames say it of people not on the roster. */
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
      // A later frame may have overtaken the roster, and shows whoever shares again by then.
      if (!figure || !after(figure.time, time)) this.figures.delete(id);
      if (presence === Presence.Watching) this.known.delete(id);
      return;
    }
    if (figure) figure.hidden = presence === Presence.Hidden;
  }

  /** A key or crowd chunk lists whom it lists: older beliefs about its cell and page end here. */
  private clearCell(chunk: Chunk, time: number, base: number): void {
    const pages = 2 ** chunk.pageBits;
    const listed = new Set(chunk.entries.map((entry) => entry.id));
    for (const [id, figure] of this.figures) {
      if (!after(time, figure.time) || !cellHolds(chunk.cell, figure.lat, figure.lng)) continue;
      if (pages > 1 && (((id - base) % pages) + pages) % pages !== chunk.page) continue;
      if (listed.has(id)) continue;
      this.figures.delete(id);
      this.removals.set(id, { cell: chunk.cell, time });
    }
    for (const [key, cluster] of this.clusters) {
      if (after(time, cluster.time) && cellsOverlap(cluster.cell, chunk.cell)) {
        this.clusters.delete(key);
      }
    }
  }

  private setCluster(cell: Cell, counts: Quarters, time: number): void {
    const key = `${cell.level}/${cell.column}/${cell.row}`;
    const old = this.clusters.get(key);
    if (!old || after(time, old.time)) this.clusters.set(key, { cell, counts, time });
  }

  private expire(): void {
    if (this.newest === undefined) return;
    const limit = this.newest - STALE_MS;
    for (const [id, figure] of this.figures) if (after(limit, figure.time)) this.figures.delete(id);
    for (const [key, c] of this.clusters) if (after(limit, c.time)) this.clusters.delete(key);
    for (const [id, removal] of this.removals) {
      if (after(limit, removal.time)) this.removals.delete(id);
    }
    for (const [id, time] of this.withdrawn) if (after(limit, time)) this.withdrawn.delete(id);
  }
}
