/** The map's projection, and distances on the ground. */
import { type Degrees, wrapDegrees } from '@gpys/client/parts';

/** Length of the equator in metres (WGS 84). */
export const CIRCUMFERENCE = 40_075_017;

/** Web Mercator in MapLibre's terms: x and y from 0 to 1, y southwards. */
export function mercator(lat: number, lng: number): [x: number, y: number] {
  const phi = Math.max(-85.051129, Math.min(85.051129, lat)) * (Math.PI / 180);
  return [(lng + 180) / 360, 0.5 - Math.log(Math.tan(Math.PI / 4 + phi / 2)) / (2 * Math.PI)];
}

export function fromMercator(x: number, y: number): { lat: number; lng: number } {
  const lat = (2 * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - Math.PI / 2) * (180 / Math.PI);
  return { lat, lng: wrapDegrees(x * 360 - 180) };
}

/** Distance in metres and initial bearing in degrees on a sphere. */
export function way(from: Degrees, to: Degrees): { metres: number; bearing: number } {
  const rad = Math.PI / 180;
  const p1 = from.lat * rad;
  const p2 = to.lat * rad;
  const dl = (to.lng - from.lng) * rad;
  const a = Math.sin((p2 - p1) / 2) ** 2 + Math.cos(p1) * Math.cos(p2) * Math.sin(dl / 2) ** 2;
  const y = Math.sin(dl) * Math.cos(p2);
  const x = Math.cos(p1) * Math.sin(p2) - Math.sin(p1) * Math.cos(p2) * Math.cos(dl);
  return {
    metres: 12_742_018 * Math.asin(Math.min(1, Math.sqrt(a))),
    bearing: (Math.atan2(y, x) / rad + 360) % 360,
  };
}
