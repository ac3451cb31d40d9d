/**
 * Decides what the map shows: where the page opens, and whom it keeps in sight. The map acts
 * (`CameraPorts`). No clock and no browser: `update` gets the time.
 */

import type { Degrees } from '@gpys/client/parts';
import {
  type Area,
  type Box,
  boundsOf,
  boxAround,
  isClear,
  middleOf,
  offsetOf,
  type Shot,
  shotOf,
} from './fit';

/** Close enough to recognise faces and their surroundings. */
export const CLOSE_ZOOM = 17;
const VENUE_ZOOM = 16;
/** A page that hears nothing for this long shows the venue for now. */
const UNHEARD_MS = 3000;
/** How long to wait for the world's first frames; the rest comes later or not at all. */
const SURVEY_MS = 1500;
/** A person not found by then is in a crowd, or has no known place. */
const HUNT_MS = 3000;
/** How long a look at all people is refined by finer positions. */
const SETTLE_MS = 6000;
/** Positions at least this accurate need no closer look. */
const SURE_M = 5;
/**
 * The camera travels to targets farther than this, in pixels; otherwise it follows step by step.
 */
const STEP_PIXELS = 120;
/** A camera that nobody touches looks at everybody again this often. */
const WATCH_MS = 10_000;
/** It moves if that brings everybody this much nearer, in zoom levels, or brings somebody in. */
const WORTH_ZOOM = 0.7;

/** A person's place, within so many metres. */
export interface Target {
  at: Degrees;
  metres: number;
}

/** The known places of people. */
export interface Known {
  boxes: Box[];
  /** Half the width of the least certain box, in metres. */
  unsure: number;
  /** Number of people in the boxes. */
  count: number;
  /** Number of people expected; undefined before the server has said so. */
  expected: number | undefined;
}

export interface CameraPorts {
  area(): Area;
  zoom(): number;
  /** A place's position on the map, in pixels. */
  pixel(at: Degrees): { x: number; y: number };
  isMoving(): boolean;
  go(shot: Shot, offset: [x: number, y: number], how: Motion): void;
  /** Asks the server for the whole world, coarsely, or again for what is shown. */
  survey(whole: boolean): void;
  known(): Known;
  self(): Target | undefined;
  person(id: number): Target | undefined;
  venue(): Degrees | undefined;
  /** `picked` or `mode` has changed. */
  changed(): void;
  /** The picked person, or without an id anyone, cannot be found. */
  missing(id: number | undefined): void;
}

/** How the camera moves. */
export type Motion = 'jump' | 'ease' | 'fly' | 'drift';

/** `found`: brought back when out of sight. `follow`: kept in the middle. */
export type Mode = 'free' | 'found' | 'follow';

/** `calm`: only if it is worth moving for, and slowly. */
type All = { of: 'all'; opening: boolean; calm?: boolean };
type Quest = { since: number; told?: number } & (All | { of: number });

export class CameraControl {
  mode: Mode = 'free';
  /** The picked person, also after a pan. */
  picked: number | undefined;

  private quest: Quest | undefined;
  private settling: { until: number; unsure: number; opening: boolean } | undefined;
  /** Whether the first person to appear is shown: the map is untouched and has shown no people. */
  private hopeful = false;
  /** Number of people expected when none was visible. */
  private hopedFor = 0;
  private venueShown = false;
  /** Whether the page shows what it showed before a reload. */
  private restored = false;
  /** Zoom at which to keep a person, until the user zooms. */
  private wanted: number | undefined;
  /** Accuracy of the place the camera last went to. */
  private aimed = Number.POSITIVE_INFINITY;
  private lostSince: number | undefined;
  private wasClear = false;
  /** Whether the current view is worth storing for a reload. */
  worthKeeping = false;

  constructor(private readonly ports: CameraPorts) {}

  /** Opens the page at the stored view, or else where people are. */
  open(kept: Shot | undefined, now: number): void {
    if (kept) {
      this.worthKeeping = true;
      this.restored = true;
      this.ports.go(kept, [0, 0], 'jump');
      return;
    }
    this.hopeful = true;
    this.seek({ of: 'all', opening: true, since: now });
  }

  /** The user has moved the map. */
  touched(isPan: boolean): void {
    this.worthKeeping = true;
    this.hopeful = false;
    this.settling = undefined;
    this.wanted = undefined;
    if (this.quest?.of === 'all') this.endQuest();
    if (isPan) this.free();
  }

  fitEverybody(now: number): void {
    this.free();
    this.hopeful = false;
    this.seek({ of: 'all', opening: false, since: now });
  }

  /** Keeps everybody in sight on a screen that nobody touches, without haste. */
  watchOver(now: number): void {
    this.watched ??= now;
    if (this.quest || this.ports.isMoving() || now - this.watched < WATCH_MS) return;
    this.watched = now;
    this.seek({ of: 'all', opening: false, calm: true, since: now });
  }

  private watched: number | undefined;

  goToVenue(): void {
    const venue = this.ports.venue();
    if (!venue) return;
    this.goTo(venue, VENUE_ZOOM);
  }

  goTo(center: Degrees, zoom: number): void {
    this.interrupt();
    this.shoot({ center, zoom }, 'fly');
    this.ports.changed();
  }

  /** Centres the user's figure; once more keeps it there. False: there is none. */
  locate(): boolean {
    if (!this.ports.self()) return false;
    const again = this.picked === undefined && this.mode !== 'free';
    this.keepSelf(again ? 'follow' : 'found');
    return true;
  }

  /** The user asks for their own figure, whatever the page opened with. */
  expectSelf(): void {
    this.restored = false;
  }

  /** The user's figure has appeared; `inSight`: where the user is already looking. */
  appeared(inSight: boolean): void {
    if (!inSight && !this.restored) this.keepSelf('found');
    this.restored = false;
  }

  pick(id: number, now: number): void {
    this.interrupt();
    this.picked = id;
    this.mode = 'follow';
    this.aimed = Number.POSITIVE_INFINITY;
    this.lostSince = undefined;
    this.wanted = Math.max(CLOSE_ZOOM, this.ports.zoom());
    if (!this.ports.person(id)) this.seek({ of: id, since: now });
    this.ports.changed();
    this.update(now);
  }

  unpick(): void {
    if (this.picked === undefined) return;
    this.picked = undefined;
    if (typeof this.quest?.of === 'number') this.endQuest();
    this.mode = 'free';
    this.ports.changed();
  }

  /** The covered area has changed: uncovers the user's figure. */
  areaChanged(): void {
    const self = this.ports.self();
    if (!self || this.mode !== 'free' || !this.wasClear) return;
    if (!isClear(this.ports.pixel(self.at), this.ports.area())) {
      this.shoot({ center: self.at, zoom: this.ports.zoom() }, 'ease');
    }
  }

  /** Updates the camera. Call it whenever people, the map or the time may have changed. */
  update(now: number): void {
    this.hope(now);
    this.look(now);
    this.settle(now);
    this.keep(now);
    const self = this.ports.self();
    this.wasClear = self !== undefined && isClear(this.ports.pixel(self.at), this.ports.area());
  }

  private keepSelf(mode: Mode): void {
    const self = this.ports.self()!;
    this.interrupt();
    this.picked = undefined;
    this.mode = mode;
    this.wanted = undefined;
    const closest = Math.max(CLOSE_ZOOM, this.ports.zoom());
    this.shoot(this.around(self, closest), 'fly');
    this.ports.changed();
  }

  private around({ at, metres }: Target, closest: number): Shot {
    return { ...shotOf(boxAround(at, metres), this.ports.area(), closest), center: at };
  }

  private free(): void {
    this.mode = 'free';
    this.wanted = undefined;
    if (typeof this.quest?.of === 'number') this.endQuest();
    this.ports.changed();
  }

  private interrupt(): void {
    this.hopeful = false;
    this.settling = undefined;
    if (this.quest) this.endQuest();
    this.worthKeeping = true;
    this.mode = 'free';
  }

  private shoot(shot: Shot, how: Motion): void {
    this.ports.go(shot, offsetOf(this.ports.area()), how);
  }

  private seek(quest: Quest): void {
    this.settling = undefined;
    this.quest = quest;
    this.ports.survey(true);
  }

  private endQuest(): void {
    this.quest = undefined;
    this.ports.survey(false);
  }

  /** Shows the first person to appear in an empty room. */
  private hope(now: number): void {
    if (!this.hopeful || this.quest) return;
    const { expected = 0 } = this.ports.known();
    if (expected > this.hopedFor) this.seek({ of: 'all', opening: true, since: now });
    this.hopedFor = expected;
  }

  private look(now: number): void {
    const { quest } = this;
    if (!quest) return;
    if (quest.of === 'all') this.lookForAll(quest, now);
    else this.lookFor(quest.of, quest.since, now);
  }

  private lookForAll(quest: Quest & All, now: number): void {
    const { boxes, unsure, count, expected } = this.ports.known();
    if (expected === undefined) {
      if (quest.opening && now - quest.since > UNHEARD_MS) this.showVenue();
      return;
    }
    quest.told ??= now;
    if (count < expected && now - quest.told < SURVEY_MS) return;
    const { opening, calm } = quest;
    this.endQuest();
    if (calm) {
      if (boxes.length > 0) this.drift(boxes);
      return;
    }
    if (boxes.length === 0) {
      this.hopedFor = expected;
      if (opening) this.showVenue();
      else this.ports.missing(undefined);
      return;
    }
    const first = opening && !this.venueShown;
    this.hopeful = false;
    this.worthKeeping = true;
    this.shootAll(boxes, first ? 'jump' : 'fly');
    this.settling = { until: now + SETTLE_MS, unsure, opening: first };
  }

  private drift(boxes: readonly Box[]): void {
    const shot = shotOf(boundsOf(boxes)!, this.ports.area(), CLOSE_ZOOM);
    const area = this.ports.area();
    const middle = ({ west, east, south, north }: Box): Degrees => {
      return { lat: (south + north) / 2, lng: (west + east) / 2 };
    };
    const isCut = boxes.some((box) => !isClear(this.ports.pixel(middle(box)), area));
    if (isCut || shot.zoom > this.ports.zoom() + WORTH_ZOOM) this.shoot(shot, 'drift');
  }

  private showVenue(): void {
    const venue = this.ports.venue();
    if (this.venueShown || !venue) return;
    this.venueShown = true;
    this.shoot({ center: venue, zoom: VENUE_ZOOM }, 'jump');
  }

  private shootAll(boxes: readonly Box[], how: Motion): void {
    this.shoot(shotOf(boundsOf(boxes)!, this.ports.area(), CLOSE_ZOOM), how);
  }

  /** Looks again: places are coarse from afar, and get finer closer up. */
  private settle(now: number): void {
    const { settling } = this;
    if (!settling) return;
    const { boxes, unsure } = this.ports.known();
    if (now > settling.until || settling.unsure <= SURE_M) this.settling = undefined;
    else if (boxes.length > 0 && unsure < settling.unsure / 2) {
      settling.unsure = unsure;
      this.shootAll(boxes, settling.opening ? 'jump' : 'ease');
    }
  }

  private lookFor(id: number, since: number, now: number): void {
    if (this.ports.person(id)) {
      this.endQuest();
      return;
    }
    if (now - since < HUNT_MS) return;
    const { boxes } = this.ports.known();
    this.endQuest();
    this.mode = 'free';
    if (boxes.length > 0) this.shootAll(boxes, 'fly');
    this.ports.missing(id);
    this.ports.changed();
  }

  private keep(now: number): void {
    if (this.mode === 'free' || this.quest) return;
    const target = this.picked === undefined ? this.ports.self() : this.ports.person(this.picked);
    if (!target) {
      this.lose(now);
      return;
    }
    this.lostSince = undefined;
    if (this.approach(target) || this.ports.isMoving()) return;
    const area = this.ports.area();
    const pixel = this.ports.pixel(target.at);
    const middle = middleOf(area);
    const off = Math.hypot(pixel.x - middle.x, pixel.y - middle.y);
    const shot = { center: target.at, zoom: this.ports.zoom() };
    if (this.mode === 'found') {
      if (!isClear(pixel, area) && off > 2) this.shoot(shot, 'ease');
    } else if (off > STEP_PIXELS) this.shoot(shot, 'ease');
    else if (off > 1.5) this.shoot(shot, 'jump');
  }

  /** Zooms in as far as the place is certain, again whenever it gets finer. */
  private approach(target: Target): boolean {
    if (this.wanted === undefined) return false;
    const shot = this.around(target, this.wanted);
    if (target.metres < this.aimed / 2 || (!this.ports.isMoving() && this.isFar(target, shot))) {
      this.aimed = target.metres;
      this.shoot(shot, 'fly');
      return true;
    }
    if (!this.ports.isMoving() && shot.zoom >= this.wanted - 0.01) this.wanted = undefined;
    return false;
  }

  private isFar({ at }: Target, { zoom }: Shot): boolean {
    return zoom > this.ports.zoom() + 0.1 || !isClear(this.ports.pixel(at), this.ports.area());
  }

  private lose(now: number): void {
    if (this.picked === undefined) {
      this.free();
      return;
    }
    this.lostSince ??= now;
    if (now - this.lostSince < HUNT_MS / 2) return;
    this.lostSince = undefined;
    // Found again, they are as coarse as at first, and are approached likewise.
    this.wanted = Math.max(CLOSE_ZOOM, this.ports.zoom());
    this.aimed = Number.POSITIVE_INFINITY;
    this.seek({ of: this.picked, since: now });
  }
}
