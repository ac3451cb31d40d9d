/** The map: MapLibre with its base, the layer of people, and the words over it. */
import 'maplibre-gl/dist/maplibre-gl.css';
import {
  AttributionControl,
  Map as MapLibre,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
} from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import { Base } from './base';
import { FigureLayer } from './figures';
import {
  CIRCUMFERENCE,
  type Degrees,
  LAT_MAX,
  LNG_MAX,
  mercator,
  toUnits,
  wrapDegrees,
} from './geo';
import { Labels } from './labels';
import type { Config } from './link';
import { type Camera, Scene } from './scene';
import type { View } from './view';
import type { Viewport } from './wire';

// A file of its own, not a blob: the policy then needs nothing but 'self'.
setWorkerUrl(workerUrl);

const VIEWPORT_MS = 250;
const CLOSE_ZOOM = 17;
/** So exactly somebody can aim at a place on the screen. */
const AIM_PIXELS = 8;

export interface MapEvents {
  viewport(viewport: Viewport): void;
  tap(at: Degrees): void;
  /** What of the map is missing, in a sentence, or undefined. */
  trouble(words: string | undefined): void;
}

export class LiveMap {
  readonly map: MapLibre;
  readonly scene: Scene;
  private readonly labels: Labels;
  private readonly base: Base;
  private readonly darkQuery = matchMedia('(prefers-color-scheme: dark)');
  private readonly still = matchMedia('(prefers-reduced-motion: reduce)');
  private sentAt = Number.NEGATIVE_INFINITY;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    container: HTMLElement,
    canvas: HTMLCanvasElement,
    view: View,
    chosen: Config['map'],
    private readonly events: MapEvents,
  ) {
    this.map = new MapLibre({
      container,
      center: [10, 25],
      zoom: 1.4,
      minZoom: 0.5,
      maxZoom: 22,
      // North is up and the map is flat, so that a heading is read the same by everybody.
      maxPitch: 0,
      dragRotate: false,
      pitchWithRotate: false,
      attributionControl: false,
      // Pixels that small need no smoothing, and phones have better uses for their battery.
      canvasContextAttributes: { antialias: window.devicePixelRatio < 2 },
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new AttributionControl({ compact: false }), 'bottom-right');
    this.map.addControl(new NavigationControl({ showCompass: false }), 'top-right');
    this.map.addControl(new ScaleControl(), 'bottom-left');
    this.scene = new Scene(view, () => this.camera());
    this.labels = new Labels(canvas, () => this.darkQuery.matches);
    this.listen();
    this.base = new Base(this.map, chosen, {
      ready: () => this.map.addLayer(new FigureLayer(this.scene, (frame) => this.painted(frame))),
      trouble: events.trouble,
    });
    void this.base.dress(this.darkQuery.matches);
  }

  /** Draws soon, and on as long as anybody is on the way. */
  repaint(): void {
    this.map.triggerRepaint();
  }

  fly(to: Degrees, zoom = Math.max(CLOSE_ZOOM, this.map.getZoom())): void {
    const target = { center: [to.lng, to.lat] as [number, number], zoom };
    if (this.still.matches) this.map.jumpTo(target);
    else this.map.flyTo({ ...target, maxDuration: 2500 });
  }

  get zoom(): number {
    return this.map.getZoom();
  }

  viewport(): Viewport {
    const bounds = this.map.getBounds();
    const zoom = Math.max(0, Math.min(255, Math.round(this.map.getZoom() * 10)));
    const sw = toUnits({ lat: bounds.getSouth(), lng: bounds.getWest() });
    const ne = toUnits({ lat: bounds.getNorth(), lng: bounds.getEast() });
    const whole = bounds.getEast() - bounds.getWest() >= 359.9;
    return {
      south: Math.max(-LAT_MAX, sw.lat),
      north: Math.min(LAT_MAX, ne.lat),
      west: whole ? -LNG_MAX : sw.lng,
      east: whole ? LNG_MAX : ne.lng,
      zoom,
    };
  }

  /** The place in the middle of what can be seen, where on the map that is, and how exact it is. */
  middle(): { at: Degrees; pixel: { x: number; y: number }; accuracy: number } {
    const { lat, lng } = this.map.getCenter();
    const { x, y } = this.map.project([lng, lat]);
    const pixel = (CIRCUMFERENCE * Math.cos((lat * Math.PI) / 180)) / (512 * 2 ** this.zoom);
    return { at: { lat, lng: wrapDegrees(lng) }, pixel: { x, y }, accuracy: AIM_PIXELS * pixel };
  }

  /** Brings a place into the middle. */
  aim({ lat, lng }: Degrees): void {
    this.map.easeTo({ center: [lng, lat], animate: !this.still.matches });
  }

  /** Gives the keyboard to the map. */
  focus(): void {
    this.map.getCanvas().focus();
  }

  private camera(): Camera {
    const { lat, lng } = this.map.getCenter();
    const [x, y] = mercator(lat, lng);
    const zoom = this.map.getZoom();
    const { clientWidth: width, clientHeight: height } = this.map.getContainer();
    return { x, y, zoom, world: 512 * 2 ** zoom, width, height };
  }

  private listen(): void {
    const { map } = this;
    map.on('move', () => this.moved());
    map.on('click', ({ lngLat }) => this.events.tap({ lat: lngLat.lat, lng: lngLat.lng }));
    this.darkQuery.addEventListener('change', ({ matches }) => void this.base.dress(matches));
  }

  private painted(frame: Parameters<Labels['draw']>[0]): void {
    this.labels.draw(frame);
    if (this.scene.moving(performance.now())) this.repaint();
  }

  /** Tells the new viewport at once if the last is a while ago, else when it is. */
  private moved(): void {
    if (this.timer !== undefined) return;
    const wait = Math.max(0, this.sentAt + VIEWPORT_MS - performance.now());
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.sentAt = performance.now();
      this.events.viewport(this.viewport());
    }, wait);
  }
}
