/** What is drawn this very moment: everybody in sight, glided, with colour and place on the screen. */
import {
  attitude,
  type Cluster,
  cellContains,
  cellRect,
  type Degrees,
  decodeAccuracy,
  type Figure,
  type Quaternion,
  type Sample,
  UNIT,
  type View,
} from '@gpys/client';
import { agoWords, OLD_MS } from '../device/old';
import { CIRCUMFERENCE, fromMercator, mercator } from './geo';
import { Glide } from './glide';
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
  /** Chosen in the list or on the map. */
  picked: boolean;
  label: string;
  /** Pixels within which they are, if that is so far that the figure alone would tell too much. */
  radius: number;
}

/** People who are not drawn one by one: a disc on the ground for a crowd, a figure for a heap. */
export interface Many {
  key: string;
  dx: number;
  dy: number;
  count: number;
  /** Of the disc in pixels; 0: a figure stands for them. */
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
  /** The whole world's width in pixels. */
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
  /** Pixels that a figure is high. */
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
/** From this accuracy on, in metres, somebody is drawn and told of as being about there. */
export const COARSE_M = 500;
/** Outside the map by more than this, nothing of a figure can be seen. */
const MARGIN = 80;
/** Quarters of a cell that are smaller than this on the screen share one disc, and so do discs that
 * are closer than this. */
const DISC_PIXELS = 56;
/** Of a figure's height: closer together than this, people hide each other. */
const HEAP = 0.35;
/** People of one cell share one circle; of more circles than this nobody can tell one from another. */
const MOST_CIRCLES = 40;
const OWN = -1;

export class Scene {
  /** Nobody is known to be there any more: the connection is down. */
  lost = false;
  venue: { lat: number; lng: number; label: string } | undefined;
  picked: number | undefined;
  /** How far the own figure may be from where it is drawn. */
  ownMetres = 0;
  /** Within which circle others see this device, if not where it is. */
  shownWithin: { at: Degrees; metres: number } | undefined;
  /** The server's time at a local time, as far as it is known. */
  serverTime: (now: number) => number | undefined = () => undefined;
  private touched = false;
  private ages = '';
  /** Who has stood for whom in the last picture. */
  private heaps: ReadonlyMap<number, number> = new Map();
  private readonly glides = new Map<number, Glide>();

  constructor(
    private readonly view: View,
    private readonly camera: () => Camera,
  ) {}

  /** The view has changed; what that means for the scene is worked out once per drawn frame. */
  touch(): void {
    this.touched = true;
  }

  /** Takes over what the frames have said since the last time. */
  update(now: number): void {
    if (!this.touched) return;
    this.touched = false;
    for (const [id, figure] of this.view.figures) {
      const glide = this.glides.get(id);
      if (glide) glide.update(figure, now);
      else this.glides.set(id, new Glide(figure));
    }
    for (const id of this.glides.keys()) {
      if (id !== OWN && !this.view.figures.has(id)) this.glides.delete(id);
    }
  }

  /** Returns whether that makes a difference to what is drawn. */
  self(sample: Sample | undefined, now: number): boolean {
    const glide = this.glides.get(OWN);
    if (!sample) return this.glides.delete(OWN);
    const figure = ownFigure(sample);
    this.ownMetres = decodeAccuracy(figure.accuracy) ?? 0;
    if (!glide) {
      this.glides.set(OWN, new Glide(figure));
      return true;
    }
    return glide.update(figure, now);
  }

  /** Whether this device is on the map. */
  get isShown(): boolean {
    return this.glides.has(OWN);
  }

  /** How old somebody's position is, in words, if it is so old that it has to be said. */
  age(id: number, now: number): string {
    const figure = this.view.figures.get(id);
    const time = this.serverTime(now);
    const age = figure && time !== undefined ? (time - figure.sampled) | 0 : 0;
    return age > OLD_MS ? agoWords(age) : '';
  }

  /** Whether what is said of old positions has changed since it was asked last. */
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

  /** Of people who hide each other one is drawn. A crowd's sample is counted by its disc. */
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

  /** Where somebody is drawn right now, for the list and the debug handle. */
  place(id: number | undefined, now: number): Place | undefined {
    this.update(now);
    const glide = this.glides.get(id ?? OWN);
    if (!glide) return undefined;
    const camera = this.camera();
    const [x, y] = glide.point(now);
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
    const [x, y] = glide.point(now);
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

  /** The crowds' discs, where their people are. */
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

/** Where people are only about, the places that they may be in. */
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

function ownFigure(sample: Sample): Figure {
  const { lat, lng, orientation, accuracy, at } = sample;
  return {
    id: OWN,
    lat,
    lng,
    orientation,
    accuracy,
    hidden: false,
    step: 0,
    time: 0,
    sampled: at,
    sampledBy: at,
  };
}

/** How far off somebody may be, in metres, if that is far. */
export function coarseness({ accuracy }: Figure): number | undefined {
  const metres = decodeAccuracy(accuracy);
  return metres !== null && metres >= COARSE_M ? metres : undefined;
}

/** Northwards; the protocol's units are of latitude and longitude alike. */
export const METRES_PER_UNIT = (CIRCUMFERENCE / 360) * UNIT;

/** How far somebody may be from where they are drawn, for the steps in which places are told. */
export function stepMetres({ step }: Figure): number {
  return (step / 2) * METRES_PER_UNIT;
}

function radiusOf(figure: Figure, camera: Camera): number {
  return pixelsOf(coarseness(figure) ?? 0, figure.lat * UNIT, camera);
}

/** How many pixels some metres are at a latitude. */
function pixelsOf(metres: number, lat: number, camera: Camera): number {
  const wide = CIRCUMFERENCE * Math.cos(lat * (Math.PI / 180));
  return (metres * camera.world) / Math.max(1, wide);
}

/** Where the nearest copy of the world shows a point. */
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
