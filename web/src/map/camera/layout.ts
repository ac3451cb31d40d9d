/** Measures the visible part of the map. */
import type { Area } from './fit';

/** Width of the map's own buttons, with a margin. */
const TOOLS_PIXELS = 56;
/** A strip above the covers lower than this is worse than the space beside them. */
const LOW_PIXELS = 220;

type Edges = Pick<DOMRect, 'left' | 'top' | 'right' | 'bottom' | 'width' | 'height'>;

/**
 * The uncovered area. `covers` lie over the lower part of the map, a lower corner or a side, `top`
 * over its upper edge.
 */
export function freeArea(map: HTMLElement, covers: HTMLElement[], top: HTMLElement): Area {
  const boxes = covers.map((it) => it.getBoundingClientRect());
  return areaOf(map.getBoundingClientRect(), boxes, top.getBoundingClientRect());
}

export function areaOf(map: Edges, covers: readonly Edges[], top: Edges): Area {
  const area: Area = {
    width: map.width,
    height: map.height,
    top: top.height > 0 ? Math.max(0, top.bottom - map.top) : 0,
    right: TOOLS_PIXELS,
    bottom: 0,
    left: 0,
  };
  for (const box of covers) {
    const isOver =
      box.width > 0 && box.left < map.right && box.right > map.left && box.top < map.bottom;
    if (!isOver) continue;
    const above = box.top - map.top - area.top;
    const right = map.right - TOOLS_PIXELS - box.right;
    const left = box.left - map.left;
    const beside = Math.max(left, right) * (map.height - area.top);
    if (above >= LOW_PIXELS || beside <= above * (map.width - TOOLS_PIXELS)) {
      area.bottom = Math.max(area.bottom, map.bottom - box.top);
    } else if (right >= left) {
      area.left = Math.max(area.left, box.right - map.left);
    } else {
      area.right = Math.max(area.right, map.right - box.left);
    }
  }
  return area;
}
