/** Connects the camera's decisions with the map, the view of people, and the buttons. */
import {
  cellContains,
  cellRect,
  type Degrees,
  type Figure,
  type Keep,
  Presence,
  UNIT,
  type View,
} from '@gpys/client/parts';
import { CameraControl, type Known, type Target } from './camera/camera';
import { type Area, type Box, boxAround } from './camera/fit';
import { fromMercator } from './geo';
import type { Hit } from './hit';
import type { LiveMap } from './map';
import { coarseness, METRES_PER_UNIT, stepMetres } from './scene';

export interface SightEvents {
  /** The part of the map that nothing covers. */
  area(): Area;
  changed(): void;
  missing(id: number | undefined): void;
}

/** A tap on a crowd zooms in this much. */
const CLOSER = 2;

export class Sight {
  readonly camera: CameraControl;
  private me: number | undefined;

  constructor(
    private readonly map: LiveMap,
    private readonly view: View,
    private readonly storage: Keep,
    room: string,
    events: SightEvents,
  ) {
    this.key = `gpys.camera.${room}`;
    this.camera = new CameraControl({
      area: () => events.area(),
      zoom: () => map.shot.zoom,
      pixel: (at) => map.pixel(at),
      isMoving: () => map.isMoving,
      go: (shot, offset, how) => map.go(shot, offset, how),
      survey: (whole) => map.survey(whole),
      known: () => this.known(),
      self: () => this.self(),
      person: (id) => this.person(id),
      venue: () => map.scene.venue,
      changed: () => {
        map.scene.picked = this.camera.picked;
        map.repaint();
        events.changed();
      },
      missing: events.missing,
    });
  }

  private readonly key: string;

  open(now: number): void {
    this.camera.open(readShot(this.storage.getItem(this.key)), now);
  }

  welcome(me: number): void {
    this.me = me;
  }

  /** Drops a picked person who no longer shares. */
  roster(): void {
    const { picked } = this.camera;
    if (picked !== undefined && !this.view.mayBeShown(picked)) this.camera.unpick();
  }

  rested(): void {
    if (!this.camera.worthKeeping) return;
    const { center, zoom } = this.map.shot;
    this.storage.setItem(this.key, JSON.stringify([center.lat, center.lng, zoom]));
  }

  /** Handles a tap on what is drawn. */
  tap(hit: Hit | undefined, now: number): void {
    if (!hit) this.camera.unpick();
    else if (hit.kind === 'person') this.camera.pick(hit.id, now);
    else if (hit.kind === 'venue') this.camera.goToVenue();
    else if (hit.kind === 'self') this.camera.locate();
    else this.camera.goTo(this.at(hit), this.map.shot.zoom + CLOSER);
  }

  private at({ dx, dy }: { dx: number; dy: number }): Degrees {
    const { x, y, world } = this.map.camera();
    return fromMercator(x + dx / world, y + dy / world);
  }

  private known(): Known {
    const { figures, clusters } = this.view;
    const boxes: Box[] = [];
    let unsure = 0;
    let count = 0;
    for (const figure of figures.values()) {
      const metres = stepMetres(figure);
      unsure = Math.max(unsure, metres);
      boxes.push(boxAround(degreesOf(figure), Math.max(metres, coarseness(figure) ?? 0)));
      const isSample = [...clusters.values()].some(({ cell }) =>
        cellContains(cell, figure.lat, figure.lng),
      );
      if (!isSample) count++;
    }
    for (const { cell, counts, middles } of clusters.values()) {
      const { south, west, size } = cellRect(cell);
      counts.forEach((people, i) => {
        count += people;
        if (people === 0 || middles[i]) return;
        // Where they are in this quarter is unknown.
        unsure = Math.max(unsure, (size / 4) * METRES_PER_UNIT);
        const [s, w] = [south + (i >> 1) * (size / 2), west + (i % 2) * (size / 2)];
        const [north, east] = [(s + size / 2) * UNIT, (w + size / 2) * UNIT];
        boxes.push({ south: s * UNIT, west: w * UNIT, north, east });
      });
    }
    const self = this.self();
    if (self) boxes.push(boxAround(self.at, self.metres));
    return { boxes, unsure, count, expected: this.expected(boxes.length) };
  }

  /** Number of others somewhere on the map; undefined before the first roster. */
  private expected(known: number): number | undefined {
    if (!this.view.heard) return undefined;
    const { sharing, hidden } = this.view.online;
    const mine = this.me === undefined ? undefined : this.view.presenceOf(this.me);
    const others = sharing - Number(mine === Presence.Sharing);
    // Some of those in the background may have a place.
    const perhaps = known === 0 && hidden > Number(mine === Presence.Hidden);
    return Math.max(others, Number(perhaps));
  }

  private self(): Target | undefined {
    const place = this.map.scene.place(undefined, performance.now());
    return place && { at: place, metres: this.map.scene.ownMetres };
  }

  private person(id: number): Target | undefined {
    const figure = this.view.figures.get(id);
    const place = figure && this.map.scene.place(id, performance.now());
    return place && { at: place, metres: Math.max(stepMetres(figure), coarseness(figure) ?? 0) };
  }
}

function degreesOf({ lat, lng }: Figure): Degrees {
  return { lat: lat * UNIT, lng: lng * UNIT };
}

/** Reads a stored shot; undefined if it is not a place. */
export function readShot(kept: string | null): ReturnType<() => LiveMap['shot']> | undefined {
  try {
    const [lat, lng, zoom] = JSON.parse(kept ?? '') as number[];
    const isPlace = Math.abs(lat!) <= 90 && Math.abs(lng!) <= 540 && zoom! >= 0 && zoom! <= 24;
    return isPlace ? { center: { lat: lat!, lng: lng! }, zoom: zoom! } : undefined;
  } catch {
    return undefined;
  }
}
