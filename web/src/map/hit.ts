/** Finds what is drawn under a finger or pointer. Pure. */
import type { SceneFrame } from './scene';

export type Hit =
  | { kind: 'person'; id: number }
  | { kind: 'self' }
  | { kind: 'venue' }
  /** A crowd or group, and its distance from the map's middle in pixels. */
  | { kind: 'many'; dx: number; dy: number };

/** Minimum size of a target: a finger is wider than a figure. */
const LEAST_PIXELS = 22;

/** The foremost target at `point`, in pixels from the map's top left. */
export function hitAt(frame: SceneFrame, point: { x: number; y: number }): Hit | undefined {
  const { size, width, height } = frame;
  const [x, y] = [point.x - width / 2, point.y - height / 2];
  const side = Math.max(LEAST_PIXELS, 0.4 * size);
  const people = frame.drawn
    .filter(
      ({ dx, dy }) => Math.abs(x - dx) <= side && y >= dy - 0.85 * size && y <= dy + 0.2 * size,
    )
    .sort((a, b) => Math.hypot(x - a.dx, y - a.dy) - Math.hypot(x - b.dx, y - b.dy));
  const heaps = frame.many.filter(({ radius }) => radius === 0);
  const front = people[0];
  if (front) {
    const heap = heaps.find(({ dx, dy }) => dx === front.dx && dy === front.dy);
    if (heap) return { kind: 'many', dx: heap.dx, dy: heap.dy };
    if (front.own) return { kind: 'self' };
    return front.id === undefined ? { kind: 'venue' } : { kind: 'person', id: front.id };
  }
  const crowd = frame.many.find(({ dx, dy, radius }) => {
    const reach = Math.max(LEAST_PIXELS, radius);
    return Math.hypot(x - dx, y - dy) <= reach;
  });
  return crowd && { kind: 'many', dx: crowd.dx, dy: crowd.dy };
}
