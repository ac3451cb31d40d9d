/** A tab with its own window, device and storage, and what it shows. */
import { setTimeout as pause } from 'node:timers/promises';

const DEADLINE_MS = 60_000;
const POLL_MS = 40;
const SENSORS = ['accelerometer', 'gyroscope', 'magnetometer'];

/** All URLs that any tab has requested, and all console messages that should not have appeared. */
export const asked = new Set();
export const complaints = [];

const METRES = 111_320;

/** A place this many metres north and east of another. */
export function beside({ lat, lng }, north, east) {
  return { lat: lat + north / METRES, lng: lng + east / METRES / Math.cos((lat * Math.PI) / 180) };
}

export function metresBetween(a, b) {
  const east = (a.lng - b.lng) * METRES * Math.cos((a.lat * Math.PI) / 180);
  return Math.hypot((a.lat - b.lat) * METRES, east);
}

/** A person's figure, if drawn. */
export const seen = (shown, id) => shown.figures.find((figure) => figure.id === id);
/** A person's row in the list. */
export const listed = (shown, id) => shown.rows.find((row) => row.id === id);

export class Tab {
  /** Console errors that this test expects. */
  #pardoned = /^$/;
  #cdp;
  #sensors = new Set();

  /**
   * Opens a tab. `at`: the device's position, or undefined to refuse the location. `held`: the angles of
   * its motion sensor, or undefined if it has none. `camera`: what the map shows, as if after a
   * reload, instead of what a new page opens with. `prepare` gets the window before it opens
   * the page.
   */
  static async open(browser, server, options = {}) {
    const { at, held, name, pardon } = options;
    const tab = new Tab();
    tab.name = name ?? 'somebody';
    if (pardon) tab.#pardoned = pardon;
    const context = await browser.newContext({
      viewport: { width: 1000, height: 480 },
      // With this the map jumps instead of flying. People still glide.
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
      // Chromium applies a sensor override when the site's next page starts.
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
      // The page used to set up the sensor is plain text, for which browsers request an icon.
      const icon = message.location().url.endsWith('/favicon.ico');
      if (message.type() === 'error' && !icon) complain(message.text());
    });
  }

  /** What a user who looks at the tab sees, and where on the map. */
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

  /** Waits until what the tab shows satisfies `fits`. */
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
   * compass is off; a phone's relative angles start anywhere, here at 77 degrees.
   */
  async hold({ alpha = 0, beta = 0, gamma = 0, north = true }) {
    await this.#sense('relative-orientation', quaternion(alpha + 77, beta, gamma));
    if (north) await this.#sense('absolute-orientation', quaternion(alpha, beta, gamma));
  }

  /** Takes the motion sensor away as the page sees it; Chromium's own override cannot be undone. */
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

  /** Sets the page's visibility; headless tabs are never really hidden. */
  behind(hidden) {
    return this.page.evaluate((now) => {
      const state = now ? 'hidden' : 'visible';
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => now });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  }

  /** Closes the tab like a user: the page is notified, but not asked. */
  async close() {
    await this.page.close();
    await this.context.close();
  }
}

/** As defined in docs/PROTOCOL.md, section 2. */
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

/**
 * In the page: counts how often a person is not drawn, or not as sharing, until
 * `gpysWatched.end()`.
 */
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

/** Stores a view of the map, as if this tab had left it: latitude, longitude, zoom. */
function keepCamera(camera) {
  const room = /^\/r\/([^/]+)/.exec(location.pathname)?.[1] ?? 'lobby';
  const key = `gpys.camera.${room}`;
  if (!sessionStorage.getItem(key)) sessionStorage.setItem(key, JSON.stringify(camera));
}

/** Reports what the Content-Security-Policy blocks as console errors of one form. */
function watchPolicy() {
  document.addEventListener('securitypolicyviolation', (event) => {
    console.error(`the policy stopped ${event.blockedURI} (${event.effectiveDirective})`);
  });
}
