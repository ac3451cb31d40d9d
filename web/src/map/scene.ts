/**
 * What is drawn at this moment: everyone in sight, in mid-glide, with colour and place on the
 * screen.
 */
import {
  attitude,
  type Cluster,
  cellContains,
  cellRect,
  type Degrees,
  decodeAccuracy,
  type Figure,
  Glide,
  type Quaternion,
  type Sample,
  sampledAt,
  UNIT,
  type View,
} from '@gpys/client/parts';
import { agoWords, OLD_MS } from '../device/old';
import { CIRCUMFERENCE, fromMercator, mercator } from './geo';
import { discRadius, groupUp, LEAST, mergeDiscs } from './groups';

export type Kind = 'figure' | 'pin' | 'venue';

export interface Drawn {
  id: number | undefined;
  kind: Kind;
  /** Pixels from the middle of the map, y downwards. */
  dx: number;
  dy: number;
  q: Quaternion;
  colour: readonly [number, number, number];
  opacity: number;
  own: boolean;
  /** Picked in the list or on the map. */
  picked: boolean;
  label: string;
  /** Radius in pixels of where the person may be, if too large for the figure alone. */
  radius: number;
}

/** People who are not drawn one by one: a disc on the ground for a crowd, a figure for a group. */
export interface Many {
  key: string;
  dx: number;
  dy: number;
  count: number;
  /** Radius of the disc in pixels; 0: a figure stands for them. */
  radius: number;
}

export interface Circle {
  dx: number;
  dy: number;
  radius: number;
}

export interface Camera {
  x: number;
  y: number;
  /** Width of the whole world in pixels. */
  world: number;
  width: number;
  height: number;
  zoom: number;
}

export interface SceneFrame {
  drawn: Drawn[];
  many: Many[];
  circles: Circle[];
  width: number;
  height: number;
  /** Height of a figure in pixels. */
  size: number;
}

export interface Place {
  lat: number;
  lng: number;
  heading: number | null;
  lean_left_right_deg: number | null;
  lean_front_back_deg: number | null;
  screen: { x: number; y: number };
}

const UPRIGHT: Quaternion = [1, 0, 0, 0];
const YELLOW = [1.0, 0.8, 0.12] as const;
const RED = [0.9, 0.2, 0.17] as const;
const PURPLE = [0.55, 0.27, 0.86] as const;
const FADED = 0.42;
/** From this accuracy on, in metres, a position is drawn and described as approximate. */
export const COARSE_M = 500;
/** Figures further outside the map than this are invisible. */
const MARGIN = 80;
/**
 * Quarters of a cell smaller than this on the screen share a disc, as do discs closer than this.
 */
const DISC_PIXELS = 56;
/** Share of a figure's height: people closer together than this hide each other. */
const HEAP = 0.35;
/** People of one cell share a circle; more circles than this are indistinguishable. */
const MOST_CIRCLES = 40;
const OWN = -1;

export class Scene {
  /** Whether people may be gone, because the connection is down. */
  lost = false;
  venue: { lat: number; lng: number; label: string } | undefined;
  picked: number | undefined;
  /** How far the user may be from where the figure is drawn. */
  ownMetres = 0;
  /** The circle in which others see this device, if they see no exact position. */
  shownWithin: { at: Degrees; metres: number } | undefined;
  /** The server's time at a local time, if known. */
  serverTime: (now: number) => number | undefined = () => undefined;
  private touched = false;
  private ages = '';
  /** Who stood for whom in the last picture. */
  private heaps: ReadonlyMap<number, number> = new Map();
  private readonly glides = new Map<number, Glide>();

  constructor(
    private readonly view: View,
    private readonly camera: () => Camera,
  ) {}

  /** Notes a change of the view, which is worked out once per drawn frame. */
  touch(): void {
    this.touched = true;
  }

  /** Takes in the view's changes since the last time. */
  update(now: number): void {
    if (!this.touched) return;
    this.touched = false;
    const time = this.serverTime(now);
    for (const [id, figure] of this.view.figures) {
      const glide = this.glides.get(id);
      const since = sampledAt(figure, now, time);
      if (glide) glide.update(figure, now, since);
      else this.glides.set(id, new Glide(figure, since));
    }
    for (const id of this.glides.keys()) {
      if (id !== OWN && !this.view.figures.has(id)) this.glides.delete(id);
    }
  }

  /** Sets the user's own sample; returns whether the picture changes. */
  self(sample: Sample | undefined, now: number): boolean {
    const glide = this.glides.get(OWN);
    if (!sample) return this.glides.delete(OWN);
    const figure = ownFigure(sample);
    this.ownMetres = decodeAccuracy(figure.accuracy) ?? 0;
    if (!glide) {
      this.glides.set(OWN, new Glide(figure, sample.at));
      return true;
    }
    return glide.update(figure, now, sample.at);
  }

  /** Whether this device is on the map. */
  get isShown(): boolean {
    return this.glides.has(OWN);
  }

  /** Age of a person's position in words, if it is old enough to mention. */
  age(id: number, now: number): string {
    const figure = this.view.figures.get(id);
    const time = this.serverTime(now);
    const age = figure && time !== undefined ? (time - figure.sampled) | 0 : 0;
    return age > OLD_MS ? agoWords(age) : '';
  }

  /** Whether the words about old positions have changed since the last call. */
  aged(now: number): boolean {
    const ages = [...this.view.figures.keys()].map((id) => this.age(id, now)).join();
    const changed = ages !== this.ages;
    this.ages = ages;
    return changed;
  }

  moving(now: number): boolean {
    for (const glide of this.glides.values()) if (glide.moving(now)) return true;
    return false;
  }

  prepare(now: number): SceneFrame {
    this.update(now);
    const camera = this.camera();
    const size = sizeAt(camera.zoom);
    const single: Drawn[] = [];
    if (this.venue) this.addVenue(this.venue, camera, single);
    const people: (Drawn & { id: number })[] = [];
    for (const [id, glide] of this.glides) {
      const one = this.person(id, glide, camera, now);
      if (!one) continue;
      if (one.own || one.picked) single.push(one);
      else people.push({ ...one, id });
    }
    const circles = circlesOf([...people, ...single], size);
    const within =
      this.shownWithin && this.glides.has(OWN) && circleAround(this.shownWithin, camera);
    if (within) circles.push(within);
    const discs = this.discs(camera);
    const heaps = this.heapUp(people, size, discs.length > 0);
    return {
      drawn: [...single, ...heaps.drawn],
      many: [...discs, ...heaps.many],
      circles,
      width: camera.width,
      height: camera.height,
      size,
    };
  }

  /** Draws one of those who hide each other. A crowd's disc already counts its sample. */
  private heapUp(
    people: readonly (Drawn & { id: number })[],
    size: number,
    mayBeSample: boolean,
  ): { drawn: Drawn[]; many: Many[] } {
    const heaps = new Map<number, number>();
    const drawn: Drawn[] = [];
    const many: Many[] = [];
    for (const { first, members } of groupUp(people, HEAP * size, this.heaps)) {
      for (const { id } of members) heaps.set(id, first.id);
      if (members.length < LEAST) {
        drawn.push(...members);
        continue;
      }
      drawn.push({ ...first, label: '' });
      if (mayBeSample && members.some(({ id }) => this.isSample(id))) continue;
      const { dx, dy } = first;
      many.push({ key: `heap ${first.id}`, dx, dy, count: members.length, radius: 0 });
    }
    this.heaps = heaps;
    return { drawn, many };
  }

  private isSample(id: number): boolean {
    const figure = this.view.figures.get(id);
    if (!figure) return false;
    for (const { cell } of this.view.clusters.values()) {
      if (cellContains(cell, figure.lat, figure.lng)) return true;
    }
    return false;
  }

  /** Where a person is drawn right now, for the list and the debug handle. */
  place(id: number | undefined, now: number): Place | undefined {
    this.update(now);
    const glide = this.glides.get(id ?? OWN);
    if (!glide) return undefined;
    const camera = this.camera();
    const [x, y] = onMap(glide, now);
    const { dx, dy } = project(x, y, camera);
    const q = glide.orientation(now);
    const held = q && attitude(q);
    return {
      ...fromMercator(x, y),
      heading: held?.heading ?? null,
      lean_left_right_deg: held?.leanLeftRight ?? null,
      lean_front_back_deg: held?.leanFrontBack ?? null,
      screen: { x: camera.width / 2 + dx, y: camera.height / 2 + dy },
    };
  }

  private person(id: number, glide: Glide, camera: Camera, now: number): Drawn | undefined {
    const [x, y] = onMap(glide, now);
    const { dx, dy } = project(x, y, camera);
    if (!inSight(dx, dy, camera)) return undefined;
    const own = id === OWN;
    const q = glide.orientation(now);
    const figure = own ? undefined : this.view.figures.get(id);
    const hidden = figure?.hidden ?? false;
    return {
      id: own ? undefined : id,
      kind: q ? 'figure' : 'pin',
      dx,
      dy,
      q: q ?? UPRIGHT,
      colour: q ? YELLOW : RED,
      opacity: hidden || this.lost ? FADED : 1,
      own,
      picked: !own && id === this.picked,
      label: own ? 'You' : this.label(id, now),
      radius: figure ? radiusOf(figure, camera) : 0,
    };
  }

  private label(id: number, now: number): string {
    return [this.view.people.get(id)?.name, this.age(id, now)].filter(Boolean).join(' · ');
  }

  private addVenue(
    venue: { lat: number; lng: number; label: string },
    camera: Camera,
    to: Drawn[],
  ): void {
    const { dx, dy } = project(...mercator(venue.lat, venue.lng), camera);
    if (!inSight(dx, dy, camera)) return;
    const { label } = venue;
    to.push({
      id: undefined,
      kind: 'venue',
      dx,
      dy,
      q: UPRIGHT,
      colour: PURPLE,
      opacity: 1,
      own: false,
      picked: false,
      label,
      radius: 0,
    });
  }

  /** The discs of crowds, where their people are. */
  private discs(camera: Camera): Many[] {
    const discs = [...this.view.clusters.values()].flatMap((it) => this.discsOf(it, camera));
    return mergeDiscs(discs, DISC_PIXELS)
      .filter(({ dx, dy }) => inSight(dx, dy, camera))
      .map((it, i) => ({ ...it, key: `crowd ${i}`, radius: discRadius(it.count) }));
  }

  /** One disc per quarter of the cell, or one for all if they are too close. */
  private discsOf(cluster: Cluster, camera: Camera): { dx: number; dy: number; count: number }[] {
    const { south, west, size } = cellRect(cluster.cell);
    const quarters = cluster.counts.flatMap((count, i) => {
      if (count === 0) return [];
      const middle = {
        lat: south + size * (0.25 + 0.5 * (i >> 1)),
        lng: west + size * (0.25 + 0.5 * (i % 2)),
      };
      const { lat, lng } = cluster.middles[i] ?? middle;
      return [{ ...project(...mercator(lat * UNIT, lng * UNIT), camera), count }];
    });
    const pixels = ((size / 2) * UNIT * camera.world) / 360;
    return pixels < DISC_PIXELS ? mergeDiscs(quarters, Number.POSITIVE_INFINITY) : quarters;
  }
}

/** The circles in which approximate people may be. */
function circlesOf(drawn: readonly Drawn[], size: number): Circle[] {
  const circles = new Map<string, Circle>();
  for (const { dx, dy, radius } of drawn) {
    if (radius < size / 2 || circles.size >= MOST_CIRCLES) continue;
    circles.set(`${Math.round(dx)},${Math.round(dy)}`, { dx, dy, radius });
  }
  return [...circles.values()];
}

function circleAround(it: { at: Degrees; metres: number }, camera: Camera): Circle {
  const { lat, lng } = it.at;
  return { ...project(...mercator(lat, lng), camera), radius: pixelsOf(it.metres, lat, camera) };
}

/** Where somebody is drawn, in Web Mercator; x may be outside 0 to 1 across the antimeridian. */
function onMap(glide: Glide, now: number): [x: number, y: number] {
  const [lng, lat] = glide.point(now);
  return mercator(lat * UNIT, lng * UNIT);
}

function ownFigure(sample: Sample): Figure {
  const { at, ...rest } = sample;
  return {
    id: OWN,
    ...rest,
    hidden: false,
    step: 0,
    time: 0,
    sampled: at,
    sampledBy: at,
  };
}

/** How far off a position may be, in metres, if that is far. */
export function coarseness({ accuracy }: Figure): number | undefined {
  const metres = decodeAccuracy(accuracy);
  return metres !== null && metres >= COARSE_M ? metres : undefined;
}

/** Metres per unit northwards; the protocol's units are the same in latitude and longitude. */
export const METRES_PER_UNIT = (CIRCUMFERENCE / 360) * UNIT;

/** How far a person may be from where they are drawn, because of the steps of positions. */
export function stepMetres({ step }: Figure): number {
  return (step / 2) * METRES_PER_UNIT;
}

function radiusOf(figure: Figure, camera: Camera): number {
  return pixelsOf(coarseness(figure) ?? 0, figure.lat * UNIT, camera);
}

/** Converts metres to pixels at a latitude. */
function pixelsOf(metres: number, lat: number, camera: Camera): number {
  const wide = CIRCUMFERENCE * Math.cos(lat * (Math.PI / 180));
  return (metres * camera.world) / Math.max(1, wide);
}

/** Where a point is drawn in the nearest copy of the world. */
export function project(x: number, y: number, camera: Camera): { dx: number; dy: number } {
  const east = x - camera.x;
  return { dx: (east - Math.round(east)) * camera.world, dy: (y - camera.y) * camera.world };
}

function inSight(dx: number, dy: number, camera: Camera): boolean {
  return Math.abs(dx) < camera.width / 2 + MARGIN && Math.abs(dy) < camera.height / 2 + MARGIN;
}

export function sizeAt(zoom: number): number {
  return Math.max(28, Math.min(54, 28 + (zoom - 3) * 2.2));
}
