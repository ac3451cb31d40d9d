/** Reads the page's real colours. */
import { inflateSync } from 'node:zlib';

/** Hue in degrees, saturation and lightness from 0 to 1. */
const COLOURS = {
  yellow: ([h, s, l]) => h > 40 && h < 56 && s > 0.75 && l > 0.3 && l < 0.7,
  red: ([h, s, l]) => (h > 350 || h < 12) && s > 0.55 && l > 0.25 && l < 0.7,
  purple: ([h, s, l]) => h > 258 && h < 282 && s > 0.45 && l > 0.25 && l < 0.75,
};

/** The page as `{ width, height, channels, data, png }`; `clip` as in a screenshot. */
export async function pixels(tab, clip) {
  const png = await tab.page.screenshot({ clip });
  return { ...decode(png), png };
}

/** Decodes a PNG from Chromium: 8 bits per channel, with or without alpha, not interlaced. */
function decode(png) {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const channels = png[25] === 6 ? 4 : 3;
  const parts = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const body = png.subarray(at + 8, at + 8 + length);
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(body);
    at += length + 12;
  }
  const raw = inflateSync(Buffer.concat(parts));
  const line = width * channels;
  const data = Buffer.alloc(line * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (line + 1)];
    for (let x = 0; x < line; x++) {
      const at = y * line + x;
      const left = x < channels ? 0 : data[at - channels];
      const up = y === 0 ? 0 : data[at - line];
      const corner = x < channels || y === 0 ? 0 : data[at - line - channels];
      data[at] = raw[y * (line + 1) + 1 + x] + predict(filter, left, up, corner);
    }
  }
  return { width, height, channels, data };
}

function predict(filter, left, up, corner) {
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  if (filter === 0) return 0;
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(guess - value));
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

function hsl(r, g, b) {
  const most = Math.max(r, g, b) / 255;
  const least = Math.min(r, g, b) / 255;
  const l = (most + least) / 2;
  const range = most - least;
  if (range === 0) return [0, 0, l];
  const s = range / (1 - Math.abs(2 * l - 1));
  const [x, y, z] = [r, g, b].map((value) => value / 255);
  const sixth =
    most === x ? (y - z) / range : most === y ? (z - x) / range + 2 : (x - y) / range + 4;
  return [(sixth * 60 + 360) % 360, s, l];
}

/** Number of pixels of a colour, within `box` if given. */
export function count(image, colour, box = { x: 0, y: 0, width: image.width, height: image.height }) {
  const is = COLOURS[colour];
  let n = 0;
  const bottom = Math.min(image.height, box.y + box.height);
  const right = Math.min(image.width, box.x + box.width);
  for (let y = Math.max(0, Math.round(box.y)); y < bottom; y++) {
    for (let x = Math.max(0, Math.round(box.x)); x < right; x++) {
      const [r, g, b] = image.data.subarray((y * image.width + x) * image.channels);
      if (is(hsl(r, g, b))) n++;
    }
  }
  return n;
}

/** The box around a place on a map that is at `map` on the page. */
export function around(map, { x, y }, radius = 30) {
  return { x: map.x + x - radius, y: map.y + y - radius, width: 2 * radius, height: 2 * radius };
}

const DEADLINE_MS = 20_000;

/** Takes screenshots until one fits: the page's state is drawn a moment later. */
export async function looksLike(what, look, fits) {
  const end = performance.now() + DEADLINE_MS;
  for (;;) {
    const found = await look();
    if (fits(found)) return found;
    if (performance.now() > end) throw new Error(`${what}: what is drawn is ${found}`);
  }
}

/** Number of pixels of a colour around a drawn person. */
export async function coloured(tab, figure, colour) {
  const map = await tab.page.locator('#map').boundingBox();
  return count(await pixels(tab, around(map, figure.screen)), colour);
}
