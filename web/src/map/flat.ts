/**
 * Stands in for MapLibre in browsers without WebGL 2: the same camera and events, as far as the
 * page uses them, with dots on a plain canvas instead of figures on a map.
 */

import { attitude } from '@gpys/client/parts';
import { fromMercator, mercator } from './geo';
import type { Drawn } from './scene';

interface Target {
  center?: [lng: number, lat: number];
  zoom?: number;
  /** Where to put the centre, in pixels from the middle of the canvas. */
  offset?: [x: number, y: number];
}

// biome-ignore lint/suspicious/noExplicitAny: each of MapLibre's events has its own type.
type Listener = (event: any) => void;

const LEAST_ZOOM = 0.5;
const MOST_ZOOM = 22;
const PAN_PIXELS = 100;
/** A press that moves less than this is a tap. */
const TAP_PIXELS = 4;
const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export class FlatMap {
  /** Draws a picture, and calls `dots` with its contents. */
  paint: () => void = () => undefined;
  private readonly canvas = document.createElement('canvas');
  private readonly listeners = new Map<string, Set<Listener>>();
  private x: number;
  private y: number;
  private zoom: number;
  private due = false;

  constructor(
    private readonly container: HTMLElement,
    center: [lng: number, lat: number],
    zoom: number,
  ) {
    [this.x, this.y] = mercator(center[1], center[0]);
    this.zoom = zoom;
    const { canvas } = this;
    // MapLibre's names, by which the page's style and keys know its map.
    container.classList.add('maplibregl-map');
    canvas.className = 'maplibregl-canvas flat';
    canvas.tabIndex = 0;
    canvas.setAttribute('role', 'region');
    canvas.setAttribute('aria-label', 'Map');
    container.append(canvas);
    this.listenToHands();
    new ResizeObserver(() => this.triggerRepaint()).observe(container);
  }

  on(type: string, listener: Listener): this {
    if (!this.listeners.has(type)) this.listeners.set(type, new Set());
    this.listeners.get(type)!.add(listener);
    return this;
  }

  /** Adds the page's own buttons, where a map has them. */
  addTools(tools: HTMLElement): void {
    const zoom = document.createElement('div');
    zoom.className = 'maplibregl-ctrl maplibregl-ctrl-group';
    zoom.append(this.zoomButton('in', 1), this.zoomButton('out', -1));
    const corner = document.createElement('div');
    corner.className = 'maplibregl-ctrl-top-right';
    corner.append(tools, zoom);
    this.container.append(corner);
  }

  private zoomButton(way: 'in' | 'out', by: number): HTMLButtonElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = `maplibregl-ctrl-zoom-${way}`;
    button.setAttribute('aria-label', `Zoom ${way}`);
    const icon = document.createElement('span');
    icon.className = 'maplibregl-ctrl-icon';
    button.append(icon);
    button.addEventListener('click', (event) => this.easeTo({ zoom: this.zoom + by }, event));
    return button;
  }

  getContainer(): HTMLElement {
    return this.container;
  }

  getCanvas(): HTMLCanvasElement {
    return this.canvas;
  }

  getZoom(): number {
    return this.zoom;
  }

  getCenter(): { lat: number; lng: number } {
    return fromMercator(this.x, this.y);
  }

  isMoving(): boolean {
    return false;
  }

  unproject([px, py]: [number, number]): { lat: number; lng: number } {
    const { clientWidth, clientHeight } = this.container;
    const x = this.x + (px - clientWidth / 2) / this.world;
    return fromMercator(x, this.clamp(this.y + (py - clientHeight / 2) / this.world));
  }

  getBounds(): Record<'getSouth' | 'getWest' | 'getNorth' | 'getEast', () => number> {
    const { clientWidth, clientHeight } = this.container;
    const half = (clientWidth / 2 / this.world) * 360;
    const { lng } = this.getCenter();
    const north = this.unproject([0, 0]).lat;
    const south = this.unproject([0, clientHeight]).lat;
    return {
      getSouth: () => south,
      getNorth: () => north,
      getWest: () => lng - half,
      getEast: () => lng + half,
    };
  }

  easeTo({ center, zoom, offset = [0, 0] }: Target, originalEvent?: Event): void {
    this.fire('movestart', { originalEvent });
    if (zoom !== undefined) this.zoom = Math.max(LEAST_ZOOM, Math.min(MOST_ZOOM, zoom));
    if (center) [this.x, this.y] = mercator(center[1], center[0]);
    this.x -= offset[0] / this.world;
    this.y = this.clamp(this.y - offset[1] / this.world);
    this.fire('move', { originalEvent });
    this.fire('moveend', { originalEvent });
    this.triggerRepaint();
  }

  flyTo(target: Target): void {
    this.easeTo(target);
  }

  triggerRepaint(): void {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.paint();
      this.fire('render', {});
    });
  }

  dots(drawn: readonly Drawn[], width: number, height: number): void {
    const ratio = window.devicePixelRatio;
    const { canvas } = this;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const c = canvas.getContext('2d');
    if (!c) return;
    c.setTransform(ratio, 0, 0, ratio, canvas.width / 2, canvas.height / 2);
    for (const one of drawn) dot(c, one);
  }

  private get world(): number {
    return 512 * 2 ** this.zoom;
  }

  private clamp(y: number): number {
    return Math.max(0, Math.min(1, y));
  }

  private fire(type: string, event: object): void {
    for (const listener of this.listeners.get(type) ?? []) listener(event);
  }

  private pan(dx: number, dy: number, event: Event): void {
    this.easeTo({ offset: [-dx, -dy] }, event);
  }

  private listenToHands(): void {
    const { canvas } = this;
    let from: { x: number; y: number } | undefined;
    let dragged = false;
    canvas.addEventListener('pointerdown', ({ clientX: x, clientY: y, pointerId }) => {
      [from, dragged] = [{ x, y }, false];
      canvas.setPointerCapture(pointerId);
    });
    canvas.addEventListener('pointermove', (event) => {
      const { clientX: x, clientY: y } = event;
      if (!from || (!dragged && Math.hypot(x - from.x, y - from.y) < TAP_PIXELS)) return;
      if (!dragged) this.fire('dragstart', { originalEvent: event });
      dragged = true;
      this.pan(from.x - x, from.y - y, event);
      from = { x, y };
    });
    canvas.addEventListener('pointerup', ({ offsetX: x, offsetY: y }) => {
      if (from && !dragged) this.fire('click', { lngLat: this.unproject([x, y]), point: { x, y } });
      from = undefined;
    });
    canvas.addEventListener('pointercancel', () => {
      from = undefined;
    });
    canvas.addEventListener(
      'wheel',
      (event) => {
        event.preventDefault();
        this.easeTo({ zoom: this.zoom - event.deltaY / 300 }, event);
      },
      { passive: false },
    );
    canvas.addEventListener('keydown', (event) => {
      const arrow = ARROWS[event.key];
      if (arrow) this.pan(arrow[0] * PAN_PIXELS, arrow[1] * PAN_PIXELS, event);
      else if (event.key === '+' || event.key === '=') this.easeTo({ zoom: this.zoom + 1 }, event);
      else if (event.key === '-') this.easeTo({ zoom: this.zoom - 1 }, event);
      else return;
      event.preventDefault();
    });
  }
}

/** Draws a person, and the direction they face, if known. */
function dot(c: CanvasRenderingContext2D, { dx, dy, colour, opacity, kind, q }: Drawn): void {
  const [r, g, b] = colour.map((part) => Math.round(part * 255));
  c.globalAlpha = opacity;
  c.fillStyle = `rgb(${r}, ${g}, ${b})`;
  c.strokeStyle = '#3a2c00';
  c.lineWidth = 1.5;
  if (kind === 'figure') {
    const angle = ((attitude(q).heading - 90) * Math.PI) / 180;
    c.beginPath();
    c.moveTo(dx, dy);
    c.lineTo(dx + 15 * Math.cos(angle), dy + 15 * Math.sin(angle));
    c.stroke();
  }
  c.beginPath();
  c.arc(dx, dy, 7, 0, 2 * Math.PI);
  c.fill();
  c.stroke();
  c.globalAlpha = 1;
}
