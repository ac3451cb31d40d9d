/** What is drawn this very moment: everybody in sight, glided, with colour and place on the screen. */
import type { Quarters } from './frame';
import { CIRCUMFERENCE, cellRect, fromMercator, mercator, UNIT } from './geo';
import { Glide } from './glide';
import { agoWords, OLD_MS } from './old';
import { attitude, type Quaternion } from './orientation';
import type { Sample } from './sender';
import type { Cluster, Figure, View } from './view';
import { decodeAccuracy } from './wire';

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
  label: string;
  /** Pixels within which they are, if that is so far that the figure alone would tell too much. */
  radius: number;
}

export interface Blob {
  dx: number;
  dy: number;
  count: number;
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
  blobs: Blob[];
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
/** Quarters of a cell that are smaller than this on the screen share one disc. */
const BLOB_PIXELS = 56;
const OWN = -1;

export class Scene {
  /** Nobody is known to be there any more: the connection is down. */
  lost = false;
  venue: { lat: number; lng: number; label: string } | undefined;
  /** The server's time at a local time, as far as it is known. */
  serverTime: (now: number) => number | undefined = () => undefined;
  private touched = false;
  private ages = '';
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

  self(sample: Sample | undefined, now: number): void {
    if (!sample) {
      this.glides.delete(OWN);
      return;
    }
    const figure = ownFigure(sample);
    const glide = this.glides.get(OWN);
    if (glide) glide.update(figure, now);
    else this.glides.set(OWN, new Glide(figure));
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
    const drawn: Drawn[] = [];
    if (this.venue) this.addVenue(this.venue, camera, drawn);
    for (const [id, glide] of this.glides) {
      const one = this.person(id, glide, camera, now);
      if (one) drawn.push(one);
    }
    const blobs = [...this.view.clusters.values()].flatMap((c) => this.blobs(c, camera));
    return { drawn, blobs, width: camera.width, height: camera.height, size: sizeAt(camera.zoom) };
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
      label,
      radius: 0,
    });
  }

  /** A crowd's counts, as one disc per quarter of its cell, or one for all if they are too close. */
  private blobs(cluster: Cluster, camera: Camera): Blob[] {
    const { south, west, size } = cellRect(cluster.cell);
    const pixels = ((size / 2) * UNIT * camera.world) / 360;
    const at = (fx: number, fy: number): { dx: number; dy: number } =>
      project(...mercator((south + fy * size) * UNIT, (west + fx * size) * UNIT), camera);
    const all = cluster.counts.reduce((a, b) => a + b, 0);
    if (all === 0) return [];
    if (pixels < BLOB_PIXELS) {
      const [fx, fy] = middle(cluster.counts, all);
      return [{ ...at(fx, fy), count: all }].filter((b) => inSight(b.dx, b.dy, camera));
    }
    return cluster.counts
      .map((count, i) => ({ ...at(0.25 + 0.5 * (i % 2), 0.25 + 0.5 * (i >> 1)), count }))
      .filter((b) => b.count > 0 && inSight(b.dx, b.dy, camera));
  }
}

function middle([, se, nw, ne]: Quarters, all: number): [number, number] {
  return [0.25 + (0.5 * (se + ne)) / all, 0.25 + (0.5 * (nw + ne)) / all];
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

function radiusOf(figure: Figure, camera: Camera): number {
  const wide = CIRCUMFERENCE * Math.cos(figure.lat * UNIT * (Math.PI / 180));
  return ((coarseness(figure) ?? 0) * camera.world) / Math.max(1, wide);
}

/** Where the nearest copy of the world shows a point. */
function project(x: number, y: number, camera: Camera): { dx: number; dy: number } {
  const east = x - camera.x;
  return { dx: (east - Math.round(east)) * camera.world, dy: (y - camera.y) * camera.world };
}

function inSight(dx: number, dy: number, camera: Camera): boolean {
  return Math.abs(dx) < camera.width / 2 + MARGIN && Math.abs(dy) < camera.height / 2 + MARGIN;
}

export function sizeAt(zoom: number): number {
  return Math.max(28, Math.min(54, 28 + (zoom - 3) * 2.2));
}
