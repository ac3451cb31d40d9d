/** The map: MapLibre with its ground, the layer of people, and the labels. */
import 'maplibre-gl/dist/maplibre-gl.css';
import {
  type Config,
  type Degrees,
  MAX_LAT,
  MAX_LNG,
  toUnits,
  type View,
  type Viewport,
  wrapDegrees,
} from '@gpys/client/parts';
import {
  AttributionControl,
  Map as MapLibre,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
} from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import type { Motion } from './camera/camera';
import type { Shot } from './camera/fit';
import { FigureLayer } from './figures';
import { FlatMap } from './flat';
import { CIRCUMFERENCE, mercator } from './geo';
import { Base } from './ground/base';
import { type Hit, hitAt } from './hit';
import { Labels } from './labels';
import { type Camera, project, Scene, type SceneFrame } from './scene';

// A separate file, not a blob, so that the policy needs only 'self'.
setWorkerUrl(workerUrl);

const VIEWPORT_MS = 250;
/** Precision with which a user can aim on the screen. */
const AIM_PIXELS = 8;
const FLIGHT_MS = 2500;
const DURATIONS_MS = { jump: 0, ease: 400, drift: 5000 };
/** The whole world, as coarse as a map of it is. */
const WHOLE_WORLD: Viewport = {
  south: -MAX_LAT,
  west: -MAX_LNG,
  north: MAX_LAT,
  east: MAX_LNG,
  zoom: 14,
};

const CENTER: [lng: number, lat: number] = [10, 25];
const ZOOM = 1.4;
const NO_WEBGL =
  'People are drawn as dots without a map, because this browser has no WebGL 2 or has it turned off.';

export interface MapEvents {
  viewport(viewport: Viewport): void;
  /** The user taps; `hit`: what is drawn there. */
  tap(at: Degrees, hit: Hit | undefined): void;
  /** The user moves the map: to another place, or only closer or farther. */
  touched(isPan: boolean): void;
  /** The camera has stopped. */
  rested(): void;
  /** A picture has been drawn. */
  rendered(): void;
  /** What is missing of the map, in a sentence; undefined if nothing is. */
  trouble(words: string | undefined): void;
}

export class LiveMap {
  readonly map: MapLibre;
  readonly scene: Scene;
  private readonly labels: Labels | undefined;
  private readonly flat: FlatMap | undefined;
  private readonly darkQuery = matchMedia('(prefers-color-scheme: dark)');
  private sentAt = Number.NEGATIVE_INFINITY;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private whole = false;
  /** The last frame drawn. */
  private frame: SceneFrame | undefined;

  constructor(
    container: HTMLElement,
    canvas: HTMLCanvasElement,
    view: View,
    chosen: Config['map'],
    private readonly events: MapEvents,
  ) {
    this.flat = canDraw() ? undefined : new FlatMap(container, CENTER, ZOOM);
    this.map = (this.flat as unknown as MapLibre | undefined) ?? open(container);
    this.scene = new Scene(view, () => this.camera());
    if (canvas.getContext('2d')) this.labels = new Labels(canvas, () => this.darkQuery.matches);
    this.listen();
    if (this.flat) this.drawFlat(this.flat);
    else this.drawFigures(chosen);
  }

  private drawFlat(flat: FlatMap): void {
    flat.paint = () => this.painted(this.scene.prepare(performance.now()));
    flat.triggerRepaint();
    this.events.trouble(NO_WEBGL);
  }

  private drawFigures(chosen: Config['map']): void {
    this.map.addControl(new AttributionControl({ compact: false }), 'bottom-right');
    this.map.addControl(new ScaleControl(), 'bottom-left');
    const base = new Base(this.map, chosen, {
      ready: () => this.map.addLayer(new FigureLayer(this.scene, (frame) => this.painted(frame))),
      trouble: this.events.trouble,
    });
    void base.dress(this.darkQuery.matches);
    this.darkQuery.addEventListener('change', ({ matches }) => void base.dress(matches));
  }

  /** Adds the page's own buttons, above those for zooming. */
  addTools(tools: HTMLElement): void {
    if (this.flat) {
      this.flat.addTools(tools);
      return;
    }
    this.map.addControl({ onAdd: () => tools, onRemove: () => tools.remove() }, 'top-right');
    this.map.addControl(new NavigationControl({ showCompass: false }), 'top-right');
  }

  /** Draws soon, and keeps drawing while people move. */
  repaint(): void {
    this.map.triggerRepaint();
  }

  /** Shows a place `offset` pixels from the map's middle. MapLibre takes care of reduced motion. */
  go({ center, zoom }: Shot, offset: [x: number, y: number], how: Motion): void {
    const target = { center: [center.lng, center.lat] as [number, number], zoom, offset };
    if (how === 'fly') this.map.flyTo({ ...target, maxDuration: FLIGHT_MS });
    else this.map.easeTo({ ...target, duration: DURATIONS_MS[how] });
  }

  get shot(): Shot {
    const { lat, lng } = this.map.getCenter();
    return { center: { lat, lng }, zoom: this.map.getZoom() };
  }

  get isMoving(): boolean {
    return this.map.isMoving();
  }

  /** Where a place is drawn, in pixels from the map's top left. */
  pixel({ lat, lng }: Degrees): { x: number; y: number } {
    const camera = this.camera();
    const { dx, dy } = project(...mercator(lat, lng), camera);
    return { x: camera.width / 2 + dx, y: camera.height / 2 + dy };
  }

  /** Sets whether to ask the server for the whole world, whatever the map shows. */
  survey(whole: boolean): void {
    if (this.whole === whole) return;
    this.whole = whole;
    this.tellViewport();
  }

  get zoom(): number {
    return this.map.getZoom();
  }

  viewport(): Viewport {
    if (this.whole) return WHOLE_WORLD;
    const bounds = this.map.getBounds();
    const zoom = Math.max(0, Math.min(255, Math.round(this.map.getZoom() * 10)));
    const sw = toUnits({ lat: bounds.getSouth(), lng: bounds.getWest() });
    const ne = toUnits({ lat: bounds.getNorth(), lng: bounds.getEast() });
    const whole = bounds.getEast() - bounds.getWest() >= 359.9;
    return {
      south: Math.max(-MAX_LAT, sw.lat),
      north: Math.min(MAX_LAT, ne.lat),
      west: whole ? -MAX_LNG : sw.lng,
      east: whole ? MAX_LNG : ne.lng,
      zoom,
    };
  }

  /** The place at a pixel of the map, and the precision of aiming there, in metres. */
  placeAt({ x, y }: { x: number; y: number }): { at: Degrees; accuracy: number } {
    const { lat, lng } = this.map.unproject([x, y]);
    const metres = (CIRCUMFERENCE * Math.cos((lat * Math.PI) / 180)) / (512 * 2 ** this.zoom);
    return { at: { lat, lng: wrapDegrees(lng) }, accuracy: AIM_PIXELS * metres };
  }

  /** Moves a place to a pixel. */
  aim({ lat, lng }: Degrees, { x, y }: { x: number; y: number }): void {
    const { clientWidth, clientHeight } = this.map.getContainer();
    this.map.easeTo({ center: [lng, lat], offset: [x - clientWidth / 2, y - clientHeight / 2] });
  }

  /** Moves the keyboard focus to the map. */
  focus(): void {
    this.map.getCanvas().focus();
  }

  camera(): Camera {
    const { lat, lng } = this.map.getCenter();
    const [x, y] = mercator(lat, lng);
    const zoom = this.map.getZoom();
    const { clientWidth: width, clientHeight: height } = this.map.getContainer();
    return { x, y, zoom, world: 512 * 2 ** zoom, width, height };
  }

  private listen(): void {
    const { map } = this;
    map.on('move', () => this.tellViewport());
    map.on('moveend', () => this.events.rested());
    map.on('render', () => this.events.rendered());
    map.on('movestart', ({ originalEvent }) => {
      if (originalEvent) this.events.touched(isArrow(originalEvent));
    });
    map.on('dragstart', ({ originalEvent }) => this.events.touched(!isPinch(originalEvent)));
    map.on('click', ({ lngLat, point }) => {
      this.events.tap({ lat: lngLat.lat, lng: lngLat.lng }, this.hit(point));
    });
    map.on('mousemove', ({ point }) => {
      map.getCanvas().style.cursor = this.hit(point) ? 'pointer' : '';
    });
  }

  private hit(point: { x: number; y: number }): Hit | undefined {
    return this.frame && hitAt(this.frame, point);
  }

  private painted(frame: SceneFrame): void {
    this.frame = frame;
    this.flat?.dots(frame.drawn, frame.width, frame.height);
    this.labels?.draw(frame);
    if (this.scene.moving(performance.now())) this.repaint();
  }

  /** Reports the new viewport at once, or later if the last report is recent. */
  private tellViewport(): void {
    if (this.timer !== undefined) return;
    const wait = Math.max(0, this.sentAt + VIEWPORT_MS - performance.now());
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.sentAt = performance.now();
      this.events.viewport(this.viewport());
    }, wait);
  }
}

/** Whether the browser supports MapLibre. */
function canDraw(): boolean {
  const context = document.createElement('canvas').getContext('webgl2');
  context?.getExtension('WEBGL_lose_context')?.loseContext();
  return context !== null;
}

function open(container: HTMLElement): MapLibre {
  const map = new MapLibre({
    container,
    center: CENTER,
    zoom: ZOOM,
    minZoom: 0.5,
    maxZoom: 22,
    // North is up and the map is flat, so that headings read the same for all users.
    maxPitch: 0,
    dragRotate: false,
    pitchWithRotate: false,
    attributionControl: false,
    // Small pixels need no smoothing, and phones have better uses for their battery.
    canvasContextAttributes: { antialias: window.devicePixelRatio < 2 },
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  return map;
}

function isArrow(event: Event): boolean {
  return event instanceof KeyboardEvent && event.key.startsWith('Arrow');
}

/** Whether the event is a pinch, which also moves the map a little. */
function isPinch(event: Event | undefined): boolean {
  return event !== undefined && 'touches' in event && (event as TouchEvent).touches.length > 1;
}
