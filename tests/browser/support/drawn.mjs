/**
 * Sensor to drawn: from the orientation event on one page to the end of the frame in which another
 * page draws it. Pixels decide what is drawn: in each frame, those around the figure are read back
 * from the graphics driver and compared with those of the finished turn.
 */
import { beside, seen, Tab } from './tab.mjs';

/** Small, so that a processor that draws for a graphics card keeps up with the display. */
const WINDOW = { width: 320, height: 240 };
const HERE = { lat: 40.5, lng: -30.5 };
/** Leaning left, then right: every part of the figure moves. */
const LEANS = [-40, 40];
/** The shortest and the longest rest between turns, so that they meet every moment of a frame. */
const REST_MS = [150, 290];
const DEADLINE_MS = 10_000;

/** Runs in both pages before anything else: records when what happens. */
function record() {
  const log = { events: [], sent: [], heard: [], frames: [], gl: undefined, clip: undefined };
  window.gpysDrawn = log;
  const keep = (list, item) => {
    list.push(item);
    if (list.length > 2000) list.splice(0, 1000);
  };
  for (const kind of ['deviceorientationabsolute', 'deviceorientation']) {
    window.addEventListener(kind, ({ timeStamp, gamma }) => keep(log.events, { at: timeStamp, gamma }));
  }
  const note = (list, bytes) => {
    const [tag] = new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, 1);
    keep(list, { at: performance.now(), tag });
  };
  const { write } = WritableStreamDefaultWriter.prototype;
  WritableStreamDefaultWriter.prototype.write = function (bytes) {
    note(log.sent, bytes);
    return write.call(this, bytes);
  };
  const { read } = ReadableStreamDefaultReader.prototype;
  ReadableStreamDefaultReader.prototype.read = async function () {
    const piece = await read.call(this);
    if (piece.value instanceof Uint8Array) note(log.heard, piece.value);
    return piece;
  };
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (bytes) {
    note(log.sent, bytes);
    return send.call(this, bytes);
  };
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener('message', ({ data }) => note(log.heard, data));
    }
  };
  const { getContext } = HTMLCanvasElement.prototype;
  HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
    const context = getContext.call(this, kind, ...more);
    if (kind === 'webgl2' && this.classList.contains('maplibregl-canvas')) log.gl = context;
    return context;
  };
  // Not every callback draws people, and without that the canvas is empty.
  const { drawArraysInstanced } = WebGL2RenderingContext.prototype;
  WebGL2RenderingContext.prototype.drawArraysInstanced = function (...given) {
    log.drew = true;
    return drawArraysInstanced.apply(this, given);
  };
  /** Reads what was just drawn, which waits until it is drawn. */
  const look = () => {
    const { gl, clip } = log;
    if (!gl || !clip || !log.drew) return undefined;
    const pixels = new Uint8Array(clip.width * clip.height * 4);
    const bound = gl.getParameter(gl.FRAMEBUFFER_BINDING);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.readPixels(clip.x, clip.y, clip.width, clip.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    gl.bindFramebuffer(gl.FRAMEBUFFER, bound);
    return pixels;
  };
  const { requestAnimationFrame } = window;
  window.requestAnimationFrame = (draw) =>
    requestAnimationFrame.call(window, (time) => {
      const start = performance.now();
      log.drew = false;
      draw(time);
      const drawn = performance.now();
      const pixels = look();
      if (!pixels) return;
      log.last = pixels;
      keep(log.frames, { start, drawn, end: performance.now(), share: log.shareOf?.(pixels) });
    });
}

/** In the page that sees: reads the pixels around a figure in every frame from now on. */
function aim({ x, y }) {
  const { canvas } = window.gpysDrawn.gl;
  const ratio = canvas.width / canvas.clientWidth;
  const [width, height] = [64 * ratio, 80 * ratio].map(Math.round);
  window.gpysDrawn.clip = {
    x: Math.round(x * ratio - width / 2),
    y: Math.round(canvas.height - y * ratio - height / 4),
    width,
    height,
  };
}

/** In the page that sees: each frame tells how much of the turn to `next` it shows, 0 to 1. */
function compare({ before, next }) {
  const log = window.gpysDrawn;
  const unlike = (a, b) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
    return sum;
  };
  const [from, to] = [log[before], log[next]];
  const whole = unlike(from, to);
  if (whole === 0) throw new Error('the turn changes no pixel');
  log.frames.length = 0;
  log.heard.length = 0;
  log.shareOf = (pixels) => 1 - unlike(pixels, to) / whole;
}

/** Pages of two windows count from different moments; this is a page's zero on their common clock. */
async function zero(tab) {
  const cdp = await tab.context.newCDPSession(tab.page);
  await cdp.send('Performance.enable');
  const { metrics } = await cdp.send('Performance.getMetrics');
  await cdp.detach();
  return metrics.find(({ name }) => name === 'NavigationStart').value * 1000;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Two pages in one room: one that is turned, and one that sees it. */
export class Pair {
  #lean = 0;

  static async open(browser, server, { path, transport }) {
    const pair = new Pair();
    const camera = [HERE.lat, HERE.lng, 17];
    const open = (name, more) =>
      Tab.open(browser, server, {
        path,
        transport,
        name,
        camera,
        context: { viewport: WINDOW },
        prepare: (context) => context.addInitScript(record),
        ...more,
      });
    const held = { alpha: 0, beta: 0, gamma: LEANS[0] };
    pair.turned = await open('Turned', { at: beside(HERE, -40, 0), held });
    pair.sees = await open('Sees');
    await pair.turned.share();
    const { id } = await pair.turned.shown();
    pair.id = id;
    await pair.#learn();
    return pair;
  }

  /** Keeps a picture of the figure in each of its two poses. */
  async #learn() {
    const is = (it) => seen(it, this.id)?.kind === 'figure';
    const shown = await this.sees.until('the figure', is);
    await this.sees.page.evaluate(aim, seen(shown, this.id).screen);
    for (const i of [1, 0]) {
      await this.turned.hold({ gamma: LEANS[i] });
      await this.sees.until('it lean', (it) => {
        const lean = seen(it, this.id)?.lean_left_right_deg;
        return Math.abs(lean - LEANS[i]) < 1;
      });
      // The last frame of the turn is drawn by now.
      await this.sees.page.evaluate(
        (name) =>
          new Promise((done) =>
            setTimeout(() => {
              window.gpysDrawn[name] = window.gpysDrawn.last;
              done();
            }, 600),
          ),
        `lean${i}`,
      );
    }
    this.#lean = 0;
    this.zeros = [await zero(this.turned), await zero(this.sees)];
  }

  /** Turns the one, and returns when the other drew it, in ms since the orientation event. */
  async turn() {
    const before = this.#lean;
    this.#lean = 1 - before;
    await this.sees.page.evaluate(compare, { before: `lean${before}`, next: `lean${this.#lean}` });
    await this.turned.page.evaluate(() => {
      window.gpysDrawn.events.length = 0;
      window.gpysDrawn.sent.length = 0;
    });
    await this.turned.hold({ gamma: LEANS[this.#lean] });
    const frames = await this.#frames();
    const { events, sent } = await this.turned.page.evaluate(() => window.gpysDrawn);
    const heard = await this.sees.page.evaluate(() => window.gpysDrawn.heard);
    const [a, b] = this.zeros;
    const event = events.find(({ gamma }) => Math.abs(gamma - LEANS[this.#lean]) < 1).at;
    const pose = sent.find(({ at, tag }) => tag === 0x50 && at >= event).at;
    const since = (at) => at + b - a - event;
    const first = frames.find(({ share }) => share > 0.1);
    const whole = frames.find(({ share }) => share > 0.9);
    const arrival = heard.findLast(({ at, tag }) => tag === 0x47 && at <= first.start).at;
    return {
      sent: pose - event,
      arrived: since(arrival),
      frame: since(first.start),
      moved: since(first.end),
      drawn: since(whole.end),
      drawing: first.end - first.start,
    };
  }

  async #frames() {
    const end = performance.now() + DEADLINE_MS;
    for (;;) {
      await pause(REST_MS[0] + Math.random() * (REST_MS[1] - REST_MS[0]));
      const frames = await this.sees.page.evaluate(() => window.gpysDrawn.frames);
      if (frames.some(({ share }) => share > 0.9)) return frames;
      if (performance.now() > end) throw new Error('the turn was not drawn');
    }
  }

  async close() {
    await this.turned.close();
    await this.sees.close();
  }
}

/** In the page that is turned: passes each event on, as fast as the browser can. */
function tellOthers() {
  const channel = new BroadcastChannel('turns');
  window.addEventListener('deviceorientationabsolute', ({ timeStamp }) => {
    channel.postMessage(performance.timeOrigin + timeStamp);
  });
}

/** In the page that sees: fills a canvas in the next frame after each event, and reads it back. */
function drawTurns() {
  const canvas = document.body.appendChild(document.createElement('canvas'));
  const gl = canvas.getContext('webgl2');
  const pixel = new Uint8Array(4);
  window.delays = [];
  new BroadcastChannel('turns').onmessage = ({ data }) =>
    requestAnimationFrame(() => {
      gl.clearColor(window.delays.length % 2, 0, 0, 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.readPixels(9, 9, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
      window.delays.push(performance.timeOrigin + performance.now() - data);
    });
}

/** What the browser itself takes, in ms: from an event on one page to an empty drawing on another. */
export async function floor(browser, server, turns) {
  const turned = await Tab.open(browser, server, { path: '/healthz', held: { gamma: LEANS[1] } });
  const sees = await turned.context.newPage();
  await sees.goto(`${server.url}/healthz`);
  await sees.evaluate(drawTurns);
  await turned.page.evaluate(tellOthers);
  for (let turn = 0; turn < turns; turn++) {
    await turned.hold({ gamma: LEANS[turn % 2] });
    await pause(REST_MS[0] + Math.random() * (REST_MS[1] - REST_MS[0]));
  }
  const delays = await sees.evaluate(() => window.delays);
  await turned.close();
  return delays;
}
