/** Labels over the map: names, the venue, and crowds' counts, on their own canvas. */

import { isolated } from '@gpys/client/parts';
import { type Placed, place, type Rect, type Wish } from './placement';
import type { Circle, Drawn, Many, SceneFrame } from './scene';

/** More names than this are a wall of text. */
const MOST_NAMES = 60;
/** The mesh's head in figure heights, as the vertex shader projects it (see `figures.ts`). */
const HEAD = { up: 0.78, radius: 0.2, sin: 0.669, cos: 0.743 };
const NAME_FONT = '600 12px system-ui, sans-serif';
const COUNT_FONT = '700 13px system-ui, sans-serif';
const NAME_HEIGHT = 16;
const COUNT_HEIGHT = 20;

interface Colours {
  halo: string;
  name: string;
  own: string;
  badge: string;
  count: string;
  circle: string;
  edge: string;
}

const LIGHT: Colours = {
  halo: 'rgba(255, 255, 255, 0.9)',
  name: '#1d2733',
  own: '#0b57d0',
  badge: 'rgba(38, 52, 68, 0.94)',
  count: '#ffffff',
  circle: 'rgba(168, 120, 0, 0.09)',
  edge: 'rgba(140, 98, 0, 0.5)',
};

const DARK: Colours = {
  halo: 'rgba(13, 20, 29, 0.85)',
  name: '#eef2f6',
  own: '#7db4ff',
  badge: 'rgba(222, 232, 242, 0.95)',
  count: '#17202b',
  circle: 'rgba(255, 204, 31, 0.09)',
  edge: 'rgba(255, 204, 31, 0.5)',
};

export class Labels {
  private readonly context: CanvasRenderingContext2D;
  /** The place that each label had last. */
  private readonly spots = new Map<string, number>();

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly dark: () => boolean,
  ) {
    this.context = canvas.getContext('2d')!;
  }

  draw(frame: SceneFrame): void {
    const { drawn, many, circles, width, height, size } = frame;
    const c = this.context;
    const colours = this.dark() ? DARK : LIGHT;
    this.resize(width, height);
    c.clearRect(0, 0, width, height);
    c.save();
    c.translate(width / 2, height / 2);
    c.textAlign = 'center';
    c.textBaseline = 'middle';
    this.circles(circles, colours);
    c.font = NAME_FONT;
    const measure = (text: string): number => c.measureText(text).width;
    const wishes = [...this.badges(many, size), ...this.names(drawn, size)];
    // The user and the venue come first, so that a crowd does not take their place.
    wishes.sort((a, b) => rankOf(a.key) - rankOf(b.key));
    const faces = drawn.map((it) => faceOf(it, size));
    const screen = { x: -width / 2, y: -height / 2, width, height };
    const of = new Map(drawn.map((it) => [keyOf(it), it]));
    for (const it of place(wishes, faces, screen, this.spots, measure)) {
      const who = of.get(it.key);
      if (who) this.name(it, who, colours);
      else this.badge(it, colours);
    }
    c.restore();
  }

  private resize(width: number, height: number): void {
    const ratio = window.devicePixelRatio;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  /** Draws the circles in which approximate people may be. */
  private circles(circles: readonly Circle[], colours: Colours): void {
    const c = this.context;
    c.lineWidth = 1.5;
    c.fillStyle = colours.circle;
    c.strokeStyle = colours.edge;
    for (const { dx, dy, radius } of circles) {
      c.beginPath();
      c.arc(dx, dy, radius, 0, 2 * Math.PI);
      c.fill();
      c.stroke();
    }
  }

  private badges(many: readonly Many[], size: number): Wish[] {
    const c = this.context;
    c.font = COUNT_FONT;
    const wishes = many.map(({ key, dx, dy, count, radius }): Wish => {
      const text = short(count);
      const width = Math.max(COUNT_HEIGHT, c.measureText(text).width + 12);
      // A group's figure has the number at its feet; a crowd's disc has it around its middle.
      const [side, below] = radius > 0 ? [radius, radius * 0.67] : [0.42 * size, 0.22 * size];
      const spots = [
        ...(radius > 0 ? [{ x: dx, y: dy }] : []),
        { x: dx, y: dy + below },
        { x: dx + side, y: dy },
        { x: dx - side, y: dy },
        { x: dx, y: dy - below },
        { x: dx + side, y: dy + below },
        { x: dx - side, y: dy + below },
      ];
      return { key, text, width, height: COUNT_HEIGHT, spots, must: true, short: false };
    });
    c.font = NAME_FONT;
    return wishes;
  }

  private names(drawn: readonly Drawn[], size: number): Wish[] {
    const named = drawn.filter((it) => it.label !== '');
    named.sort((a, b) => rankOf(keyOf(a)) - rankOf(keyOf(b)));
    return named.slice(0, MOST_NAMES).map((it): Wish => {
      const width = this.context.measureText(it.label).width + 10;
      const { dx, dy } = it;
      const foot = (it.kind === 'figure' ? 0.3 : 0.12) * size + NAME_HEIGHT / 2;
      const side = 0.34 * size + width / 2;
      const top = dy - (HEAD.up + HEAD.radius) * HEAD.cos * size - NAME_HEIGHT / 2 - 2;
      const spots = [
        { x: dx, y: dy + foot },
        { x: dx + side, y: dy - 0.1 * size },
        { x: dx - side, y: dy - 0.1 * size },
        { x: dx, y: top },
        { x: dx, y: dy + foot + NAME_HEIGHT },
      ];
      const must = it.own || it.picked || it.kind === 'venue';
      return {
        key: keyOf(it),
        text: it.label,
        width,
        height: NAME_HEIGHT,
        spots,
        must,
        short: !must,
      };
    });
  }

  private badge({ text, x, y }: Placed, { badge, count }: Colours): void {
    const c = this.context;
    c.font = COUNT_FONT;
    const width = Math.max(COUNT_HEIGHT, c.measureText(text).width + 12);
    c.beginPath();
    c.roundRect(x - width / 2, y - COUNT_HEIGHT / 2, width, COUNT_HEIGHT, COUNT_HEIGHT / 2);
    c.fillStyle = badge;
    c.fill();
    c.fillStyle = count;
    c.fillText(text, x, y + 1);
  }

  private name(it: Placed, who: Drawn, colours: Colours): void {
    const c = this.context;
    const { x, y } = it;
    const text = isolated(it.text);
    c.font = NAME_FONT;
    c.globalAlpha = who.opacity < 1 ? 0.55 : 1;
    c.lineWidth = 4;
    c.lineJoin = 'round';
    c.strokeStyle = colours.halo;
    c.strokeText(text, x, y);
    c.fillStyle = who.own ? colours.own : colours.name;
    c.fillText(text, x, y);
    c.globalAlpha = 1;
  }
}

/** A label's subject, sorted by importance. */
function keyOf({ own, picked, kind, id }: Drawn): string {
  if (own) return '0 own';
  if (picked) return '1 picked';
  return kind === 'venue' ? '2 venue' : `4 ${id}`;
}

function rankOf(key: string): number {
  const rank = Number(key[0]);
  // Badges are named after the people they count.
  return Number.isNaN(rank) ? 3 : rank;
}

/** The box that contains a face, however the figure leans. */
function faceOf({ dx, dy, q, kind }: Drawn, size: number): Rect {
  const [w, x, y, z] = q;
  // The third column of the rotation: the direction of the figure's up.
  const east = 2 * (x * z + w * y);
  const north = 2 * (y * z - w * x);
  const up = 1 - 2 * (x * x + y * y);
  const high = kind === 'figure' ? HEAD.up : 0.8;
  const [px, py] = [dx + east * high * size, dy - (north * HEAD.sin + up * HEAD.cos) * high * size];
  const radius = HEAD.radius * size;
  return { x: px - radius, y: py - radius, width: 2 * radius, height: 2 * radius };
}

export function short(count: number): string {
  if (count < 1000) return String(count);
  const [n, unit] = count < 999_500 ? [count / 1000, 'k'] : [count / 1e6, 'M'];
  return `${n < 10 ? n.toFixed(1).replace(/\.0$/, '') : Math.round(n)}${unit}`;
}
