/** One tab with its own window, device and storage, and what it shows. */
import { setTimeout as pause } from 'node:timers/promises';

const DEADLINE_MS = 60_000;
const POLL_MS = 40;
const SENSORS = ['accelerometer', 'gyroscope', 'magnetometer'];

/** Everything that any tab has asked for, and what its console said that it should not have. */
export const asked = new Set();
export const complaints = [];

const METRES = 111_320;

/** A place so many metres north and east of another. */
export function beside({ lat, lng }, north, east) {
  return { lat: lat + north / METRES, lng: lng + east / METRES / Math.cos((lat * Math.PI) / 180) };
}

export function metresBetween(a, b) {
  const east = (a.lng - b.lng) * METRES * Math.cos((a.lat * Math.PI) / 180);
  return Math.hypot((a.lat - b.lat) * METRES, east);
}

/** The figure of somebody, if it is drawn. */
export const seen = (shown, id) => shown.figures.find((figure) => figure.id === id);
/** The row of somebody in the list of people. */
export const listed = (shown, id) => shown.rows.find((row) => row.id === id);

export class Tab {
  /** Console errors that this test is about. */
  #pardoned = /^$/;
  #cdp;
  #sensors = new Set();

  /**
   * `at`: where the device says it is, or undefined to refuse the location. `held`: the angles of
   * its motion sensor, or undefined if it has none. `camera`: what the map shows, as if before a
   * reload, in place of what a new page opens with. `prepare` is given the window before it opens
   * the page.
   */
  static async open(browser, server, options = {}) {
    const { at, held, name, pardon } = options;
    const tab = new Tab();
    tab.name = name ?? 'somebody';
    if (pardon) tab.#pardoned = pardon;
    const context = await browser.newContext({
      viewport: { width: 1000, height: 480 },
      // The map then jumps to a place instead of flying there. People glide all the same.
      reducedMotion: 'reduce',
      locale: 'en-GB',
      permissions: at ? ['geolocation', ...SENSORS] : SENSORS,
      ...(at && { geolocation: { latitude: at.lat, longitude: at.lng, accuracy: 5 } }),
      ...options.context,
    });
    tab.context = context;
    await context.addInitScript(watchPolicy);
    await options.prepare?.(context);
    if (options.camera) await context.addInitScript(keepCamera, options.camera);
    if (name) await context.addInitScript((it) => localStorage.setItem('gpys.name', it), name);
    tab.page = await context.newPage();
    tab.#cdp = await context.newCDPSession(tab.page);
    const url = new URL(options.path ?? '/', options.secure ? server.secureUrl : server.url);
    if (options.transport) url.searchParams.set('transport', options.transport);
    if (held) {
      // Chromium takes up a sensor's substitute when the site's next page begins.
      await tab.page.goto(new URL('/healthz', url).href);
      await tab.hold(held);
    }
    tab.#listen();
    await tab.page.goto(url.href);
    return tab;
  }

  #listen() {
    const { page } = this;
    const complain = (text) => this.#pardoned.test(text) || complaints.push(`${this.name}: ${text}`);
    page.on('request', (request) => asked.add(request.url()));
    page.on('websocket', (socket) => asked.add(socket.url()));
    page.on('pageerror', (error) => complain(String(error)));
    page.on('console', (message) => {
      // The page that the sensor is set up on is plain text, for which browsers want an icon.
      const icon = message.location().url.endsWith('/favicon.ico');
      if (message.type() === 'error' && !icon) complain(message.text());
    });
  }

  /** What a person who looks at the tab can see, and where on the map. */
  shown() {
    return this.page.evaluate(() => {
      const words = (id) => {
        const element = document.getElementById(id);
        return element.closest('[hidden]') ? '' : element.textContent.trim();
      };
      const rows = [...document.querySelectorAll('#list li:not([data-own])')].map((item) => ({
        id: Number(item.dataset.id),
        kind: item.dataset.kind,
        text: [...item.querySelectorAll('span')].map((part) => part.textContent).join(': '),
      }));
      return {
        ...window.gpys?.state(),
        title: words('title'),
        status: words('status'),
        notice: words('notice-text'),
        trouble: words('map-trouble'),
        live: words('live-words'),
        counts: words('counts'),
        rows,
      };
    });
  }

  /** Waits until the tab shows what `fits` looks for. */
  async until(what, fits, deadline = DEADLINE_MS) {
    const end = performance.now() + deadline;
    for (;;) {
      const shown = await this.shown();
      if (shown.figures && fits(shown)) return shown;
      if (performance.now() > end) {
        const words = `${this.name} did not see ${what}, but ${JSON.stringify(shown, null, 1)}`;
        throw new Error(words);
      }
      await pause(POLL_MS);
    }
  }

  online(n, deadline) {
    const fits = (it) => it.connected && it.title === `GPyS (${n} online)`;
    return this.until(`${n} online`, fits, deadline);
  }

  async share() {
    await this.page.click('#share');
    return this.until('itself live', (it) => it.self.lat !== undefined && it.live.startsWith('Live'));
  }

  move({ lat, lng }) {
    return this.context.setGeolocation({ latitude: lat, longitude: lng, accuracy: 5 });
  }

  /**
   * Turns the device: the angles of `deviceorientationabsolute`, in degrees. `north: false`: its
   * compass is off; a phone's relative angles begin anywhere, here at 77 degrees.
   */
  async hold({ alpha = 0, beta = 0, gamma = 0, north = true }) {
    await this.#sense('relative-orientation', quaternion(alpha + 77, beta, gamma));
    if (north) await this.#sense('absolute-orientation', quaternion(alpha, beta, gamma));
  }

  /** Takes the motion sensor away, as the page hears of it; Chromium's own way has no way back. */
  letGo() {
    return this.page.evaluate(() => {
      for (const kind of ['deviceorientationabsolute', 'deviceorientation']) {
        window.dispatchEvent(new DeviceOrientationEvent(kind, {}));
      }
    });
  }

  async #sense(type, it) {
    if (!this.#sensors.has(type)) await this.#enable(type, true);
    this.#sensors.add(type);
    await this.#cdp.send('Emulation.setSensorOverrideReadings', { type, reading: { quaternion: it } });
  }

  #enable(type, enabled) {
    const metadata = { available: true };
    return this.#cdp.send('Emulation.setSensorOverrideEnabled', { type, enabled, ...(enabled && { metadata }) });
  }

  /** What the page can tell of being in the background; headless tabs are never really there. */
  behind(hidden) {
    return this.page.evaluate((now) => {
      const state = now ? 'hidden' : 'visible';
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => now });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  }

  /** As a person does it: the page hears of it, but is not asked. */
  async close() {
    await this.page.close();
    await this.context.close();
  }
}

/** As docs/PROTOCOL.md, section 2, has it. */
function quaternion(...angles) {
  const [a, b, c] = angles.map((angle) => (angle * Math.PI) / 360);
  const { cos, sin } = Math;
  return {
    w: cos(a) * cos(b) * cos(c) - sin(a) * sin(b) * sin(c),
    x: cos(a) * sin(b) * cos(c) - sin(a) * cos(b) * sin(c),
    y: cos(a) * cos(b) * sin(c) + sin(a) * sin(b) * cos(c),
    z: sin(a) * cos(b) * cos(c) + cos(a) * sin(b) * sin(c),
  };
}

/** In the page: how often somebody is not drawn, or not as sharing, until `gpysWatched.end()`. */
export function countAbsences(id) {
  return new Promise((done) => {
    let n = 0;
    const timer = setInterval(() => {
      if (!window.gpys.state().figures.some((it) => it.id === id)) n++;
    }, 5);
    window.gpysWatched = {
      end: () => {
        clearInterval(timer);
        done(n);
      },
    };
  });
}

/** The map as this tab has left it: latitude, longitude, zoom. */
function keepCamera(camera) {
  const room = /^\/r\/([^/]+)/.exec(location.pathname)?.[1] ?? 'lobby';
  const key = `gpys.camera.${room}`;
  if (!sessionStorage.getItem(key)) sessionStorage.setItem(key, JSON.stringify(camera));
}

/** Whatever the Content-Security-Policy stops is an error in the console, in one form. */
function watchPolicy() {
  document.addEventListener('securitypolicyviolation', (event) => {
    console.error(`the policy stopped ${event.blockedURI} (${event.effectiveDirective})`);
  });
}
