/** Holds the parts together: what happens to one is told to the others here. */
import { Ages } from './age';
import { Connection, type Greeting, type State } from './connect';
import type { DebugFigure, DebugState } from './debug';
import type { EarlyLink, OpenOptions } from './early';
import type { Frame } from './frame';
import type { Degrees } from './geo';
import type { Config } from './link';
import { LiveMap } from './map';
import { type Notice, Page } from './page';
import { PeopleList } from './people';
import type { Place } from './scene';
import { Sharer } from './sharer';
import { locationWords, reasonOf, STALLED_MS, statusLine, WATCH_ONLY } from './status';
import { device } from './storage';
import { leftWords } from './terms';
import { cleanName } from './text';
import { View } from './view';
import { Code, decodeAccuracy, type Welcome } from './wire';

const NAME = 'gpys.name';
const TICK_MS = 250;

export interface AppOptions {
  room: string;
  opening: OpenOptions;
  early: EarlyLink | undefined;
  config: Config | undefined;
  loadConfig(): Promise<Config>;
  /** The room's access token, now. */
  access(): string | null;
}

export class App {
  private readonly page: Page;
  private readonly view = new View();
  private readonly map: LiveMap;
  private readonly people: PeopleList;
  private readonly sharer: Sharer;
  private readonly ages = new Ages();
  private readonly connection: Connection;
  private me: Welcome | undefined;
  private access: string | null;
  private flown = false;

  constructor(private readonly options: AppOptions) {
    this.access = options.access();
    this.page = new Page(options.room);
    this.map = new LiveMap(
      this.page.map,
      this.page.labels,
      this.view,
      options.config?.map ?? { style: null, pmtiles: null },
      {
        viewport: (viewport) => this.connection.send({ type: 'Viewport', ...viewport }),
        tap: (at) => this.sharer.self.placing && this.sharer.self.place(at),
        trouble: (words) => this.page.mapTrouble(words),
      },
    );
    this.people = new PeopleList(this.view, this.map.scene, this.page.people, (place) =>
      this.map.fly(place),
    );
    this.sharer = new Sharer(() => this.access !== null, {
      changed: () => this.selfChanged(),
      send: (message) => this.connection.send(message),
    });
    this.connection = this.connect();
    this.listen();
    setInterval(() => this.tick(), TICK_MS);
    setInterval(() => this.list(), 1000);
    this.connection.connect();
  }

  state(): DebugState {
    const now = performance.now();
    const { state, session } = this.connection;
    const own = this.map.scene.place(undefined, now);
    return {
      transport: state.phase === 'live' ? state.transport : null,
      connected: state.phase === 'live',
      id: this.me?.id ?? null,
      uuid: this.me?.uuid ?? null,
      online: this.online,
      rtt_ms: session?.clock.rtt ?? null,
      age_ms: this.ages.median(now) ?? null,
      figures: [...this.view.figures.keys()].flatMap((id) => this.debugFigure(id, now)),
      clusters: [...this.view.clusters.values()].map(({ cell, counts }) => ({ ...cell, counts })),
      self: own
        ? {
            sharing: this.sharer.self.sharing,
            kind: own.heading === null ? 'pin' : 'figure',
            ...own,
          }
        : { sharing: this.sharer.self.sharing },
    };
  }

  private debugFigure(id: number, now: number): DebugFigure[] {
    const place = this.map.scene.place(id, now);
    const figure = this.view.figures.get(id);
    if (!place || !figure) return [];
    const person = this.view.people.get(id);
    return [
      {
        id,
        uuid: person?.uuid ?? null,
        name: person?.name ?? '',
        kind: place.heading === null ? 'pin' : 'figure',
        hidden: figure.hidden,
        gone: this.map.scene.lost,
        accuracy_m: decodeAccuracy(figure.accuracy),
        ...place,
      },
    ];
  }

  private connect(): Connection {
    const reloaded = performance.getEntriesByType('navigation')[0] as
      | PerformanceNavigationTiming
      | undefined;
    return new Connection(
      {
        ...this.options.opening,
        early: this.options.early,
        config: () => this.loadConfig(),
        greeting: () => this.greeting(),
        mayResume: reloaded?.type === 'reload',
      },
      {
        welcome: (welcome) => this.welcome(welcome),
        roster: (roster) => {
          this.view.roster(roster);
          this.page.online(this.online);
          this.redraw();
        },
        frame: (frame) => this.frame(frame),
        state: (state) => this.connectionChanged(state),
      },
    );
  }

  private async loadConfig(): Promise<Config> {
    const config = await this.options.loadConfig();
    this.map.scene.venue = config.venue ?? undefined;
    this.map.repaint();
    return config;
  }

  private get online(): number {
    const { sharing, watching, hidden } = this.view.online;
    return sharing + watching + hidden;
  }

  private greeting(): Greeting {
    this.sharer.watchTime();
    return {
      room: this.options.room,
      name: cleanName(this.page.name.value),
      presence: this.sharer.presence,
      viewport: this.map.viewport(),
      access: this.access,
      sharing: this.sharer.wire(),
    };
  }

  private welcome(welcome: Welcome): void {
    this.me = welcome;
    this.view.welcome(welcome.id, welcome.resumed);
    this.sharer.welcome(welcome, this.connection.session!);
    this.redraw();
  }

  private frame(frame: Frame): void {
    const now = performance.now();
    const server = this.connection.session?.clock.at(now);
    for (const age of this.view.frame(frame)) {
      if (server !== undefined) this.ages.add(Math.max(0, ((server - frame.time) | 0) + age), now);
    }
    this.redraw();
  }

  private connectionChanged(state: State): void {
    const live = state.phase === 'live';
    this.sharer.connected(live);
    if (live) this.connection.send({ type: 'Viewport', ...this.map.viewport() });
    this.tick();
  }

  private redraw(): void {
    this.map.scene.touch();
    this.map.repaint();
  }

  private selfChanged(): void {
    const { self } = this.sharer;
    this.map.scene.self(self.sample(), performance.now());
    this.map.repaint();
    if (self.fix && !this.flown) {
      this.flown = true;
      this.map.fly(self.fix);
    }
    this.tick();
  }

  private listen(): void {
    const { page, connection, sharer } = this;
    page.name.value = cleanName(device.getItem(NAME) ?? '');
    page.name.addEventListener('change', () => {
      page.name.value = cleanName(page.name.value);
      device.setItem(NAME, page.name.value);
      // A name travels in the greeting only; coming back with the token keeps everything else.
      if (connection.state.phase === 'live') connection.connect();
    });
    page.offer(sharer.terms.wish);
    for (const choice of [page.precision, page.duration]) {
      choice.addEventListener('change', () => {
        sharer.choose(page.wish);
        this.tick();
      });
    }
    page.share.addEventListener('click', () => sharer.share());
    page.stop.addEventListener('click', () => sharer.stop());
    document.addEventListener('visibilitychange', () => {
      sharer.watchTime();
      sharer.announce();
      if (document.visibilityState === 'visible') connection.hurry();
    });
    window.addEventListener('online', () => connection.hurry());
    // A link to the same room with another token does not load the page anew.
    window.addEventListener('hashchange', () => {
      const access = this.options.access();
      if (access === this.access) return;
      this.access = access;
      sharer.mayShare = undefined;
      connection.connect();
    });
    window.addEventListener('pagehide', () => connection.leave());
    window.addEventListener('pageshow', ({ persisted }) => persisted && connection.connect());
    window.addEventListener('keydown', (event) => this.keyDown(event), { capture: true });
    page.ready();
  }

  private keyDown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || Page.typesInto(event.target)) return;
    const { self } = this.sharer;
    if (!self.steered || !self.key(event.key, event.shiftKey)) return;
    // The map would pan as well.
    event.preventDefault();
    event.stopPropagation();
  }

  /** Everything that follows from time going by: words, countdowns, fading. */
  private tick(): void {
    if (!this.connection) return;
    const now = performance.now();
    this.sharer.watchTime();
    this.sharer.followServer(this.me && this.view.presenceOf(this.me.id), now);
    const { session } = this.connection;
    const state = this.told(this.connection.state);
    const silence = session && state.phase === 'live' ? session.silence(now) : 0;
    const lost = state.phase !== 'live' || silence > STALLED_MS;
    if (lost !== this.map.scene.lost) {
      this.map.scene.lost = lost;
      this.map.repaint();
    }
    const { tone, text } = statusLine({
      state,
      now,
      silence,
      rtt: session?.clock.rtt,
      age: this.ages.median(now),
    });
    this.page.status(tone, text);
    this.page.notice(this.notice(state));
    this.page.dock({
      sharing: this.sharer.self.sharing,
      mayShare: this.sharer.mayShare !== false,
      onAir: this.sharer.self.fix !== undefined && state.phase === 'live',
      live: this.liveWords(),
      hint: this.hint(),
    });
  }

  /** Without a token, what is wrong with it is that there is none. */
  private told(state: State): State {
    const uninvited = state.phase === 'ended' && state.code === Code.Forbidden && !this.access;
    return uninvited ? { ...state, reason: '' } : state;
  }

  private notice(state: State): Notice | undefined {
    if (state.phase === 'ended') {
      // The same invitation will not do again.
      if (state.code === Code.Expired) return { text: reasonOf(state.code, state.reason) };
      const reload = state.code === Code.BadVersion;
      const run = (): void => (reload ? location.reload() : this.connection.connect());
      const label = reload
        ? 'Reload'
        : state.code === Code.Replaced
          ? 'Continue here'
          : 'Try again';
      return { text: reasonOf(state.code, state.reason), action: { label, run } };
    }
    if (this.sharer.over) {
      const run = (): void => {
        this.sharer.share();
        // The button that was pressed goes away with the notice.
        this.page.stop.focus();
      };
      return { text: this.sharer.over, action: { label: 'Share again', run } };
    }
    return this.sharer.problem && !this.sharer.self.fix
      ? { text: locationWords(this.sharer.problem) }
      : undefined;
  }

  private liveWords(): string {
    const { fix } = this.sharer.self;
    if (!fix) return this.sharer.self.placing ? 'Not on the map yet' : 'Looking for your position';
    if (this.connection.state.phase !== 'live') return 'Not connected';
    const live = this.sharer.terms.wish.approximate
      ? 'Live, approximate'
      : Number.isNaN(fix.accuracy)
        ? 'Live, placed by hand'
        : `Live, ±${Math.round(fix.accuracy)} m`;
    return [live, leftWords(this.sharer.terms.left(Date.now()))].filter(Boolean).join('\u00a0· ');
  }

  private hint(): string {
    if (this.sharer.mayShare === false) return WATCH_ONLY;
    const hints: string[] = [];
    if (this.sharer.self.placing && this.sharer.self.fix)
      hints.push('Tap the map to move yourself.');
    if (this.sharer.self.steered && !matchMedia('(hover: none)').matches) {
      hints.push('Arrow keys lean your figure, Shift with ← → turns it, Home stands it up.');
    }
    return hints.join(' ');
  }

  private list(): void {
    if (!this.page.peopleShown || document.visibilityState === 'hidden') return;
    const now = performance.now();
    const from: Degrees | Place | undefined = this.sharer.self.fix;
    this.people.draw(this.me?.id, from, now);
  }
}
