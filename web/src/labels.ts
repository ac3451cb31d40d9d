/** Words over the map: names, the venue, and how many a crowd has, on a canvas of their own. */
import type { Drawn, SceneFrame } from './scene';
import { isolated } from './text';

/** More names than this are a wall of text, not information. */
const MOST_NAMES = 60;
const LINE = 16;
/** People of one cell share one circle; of more circles than this nobody can tell one from another. */
const MOST_CIRCLES = 40;

export class Labels {
  private readonly context: CanvasRenderingContext2D;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly dark: () => boolean,
  ) {
    this.context = canvas.getContext('2d')!;
  }

  draw({ drawn, blobs, width, height, size }: SceneFrame): void {
    const c = this.context;
    this.resize(width, height);
    c.clearRect(0, 0, width, height);
    c.save();
    c.translate(width / 2, height / 2);
    c.textAlign = 'center';
    c.textBaseline = 'middle';
    this.circles(drawn, size);
    for (const { dx, dy, count } of blobs) this.blob(dx, dy, count);
    c.font = '600 12px system-ui, sans-serif';
    this.names(drawn, size);
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

  /** Where somebody is only about, the place that they may be in. */
  private circles(drawn: Drawn[], size: number): void {
    const c = this.context;
    const taken = new Set<string>();
    c.lineWidth = 1.5;
    c.fillStyle = this.dark() ? 'rgba(255, 204, 31, 0.09)' : 'rgba(168, 120, 0, 0.09)';
    c.strokeStyle = this.dark() ? 'rgba(255, 204, 31, 0.5)' : 'rgba(140, 98, 0, 0.5)';
    for (const { dx, dy, radius } of drawn) {
      const key = `${Math.round(dx)},${Math.round(dy)}`;
      if (radius < size / 2 || taken.has(key) || taken.size >= MOST_CIRCLES) continue;
      taken.add(key);
      c.beginPath();
      c.arc(dx, dy, radius, 0, 2 * Math.PI);
      c.fill();
      c.stroke();
    }
  }

  private blob(x: number, y: number, count: number): void {
    const c = this.context;
    const text = short(count);
    const radius = 15 + Math.min(20, Math.log2(count + 1) * 1.6);
    c.beginPath();
    c.arc(x, y, radius + 5, 0, 2 * Math.PI);
    c.fillStyle = 'rgba(255, 204, 31, 0.35)';
    c.fill();
    c.beginPath();
    c.arc(x, y, radius, 0, 2 * Math.PI);
    c.fillStyle = 'rgba(255, 204, 31, 0.94)';
    c.fill();
    c.font = '700 13px system-ui, sans-serif';
    c.fillStyle = '#2b2000';
    c.fillText(text, x, y + 1);
  }

  private names(drawn: Drawn[], size: number): void {
    const taken: [x: number, y: number, w: number][] = [];
    // The own figure and the venue come first, so that a crowd does not take their place.
    const rank = (d: Drawn): number => (d.own ? 0 : d.kind === 'venue' ? 1 : 2);
    const named = drawn.filter((d) => d.label !== '').sort((a, b) => rank(a) - rank(b));
    for (const one of named) {
      if (taken.length >= MOST_NAMES) return;
      const width = this.context.measureText(one.label).width + 10;
      const y = one.dy + (one.kind === 'figure' ? 0.46 : 0.2) * size + 6;
      if (
        taken.some(
          ([tx, ty, tw]) => Math.abs(tx - one.dx) < (tw + width) / 2 && Math.abs(ty - y) < LINE,
        )
      ) {
        continue;
      }
      taken.push([one.dx, y, width]);
      this.name(one, y);
    }
  }

  private name(one: Drawn, y: number): void {
    const c = this.context;
    const dark = this.dark();
    const text = isolated(one.label);
    c.globalAlpha = one.opacity < 1 ? 0.55 : 1;
    c.lineWidth = 4;
    c.lineJoin = 'round';
    c.strokeStyle = dark ? 'rgba(13, 20, 29, 0.85)' : 'rgba(255, 255, 255, 0.9)';
    c.strokeText(text, one.dx, y);
    c.fillStyle = one.own ? (dark ? '#7db4ff' : '#0b57d0') : dark ? '#eef2f6' : '#1d2733';
    c.fillText(text, one.dx, y);
    c.globalAlpha = 1;
  }
}

export function short(count: number): string {
  if (count < 1000) return String(count);
  if (count < 10_000) return `${(count / 1000).toFixed(1)}k`;
  return count < 1e6 ? `${Math.round(count / 1000)}k` : `${(count / 1e6).toFixed(1)}M`;
}
