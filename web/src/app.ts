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
import { Self } from './self';
import { Sender } from './sender';
import type { LocationProblem } from './sensors';
import { locationWords, reasonOf, STALLED_MS, statusLine, WATCH_ONLY } from './status';
import { leftWords, Terms } from './terms';
import { View } from './view';
import { Code, decodeAccuracy, Presence, type Welcome } from './wire';

const NAME = 'gpys.name';
const TICK_MS = 250;
/** For how long the server may deny that this page shares before the page believes it: on a slow
 * path a change of its own may still be on its way. */
const DENIED_MS = 5000;
/** Who shares exactly again says where after this long, when the new terms have surely arrived. */
const RENEW_MS = [500, 3000];

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
  private readonly self: Self;
  private readonly sender = new Sender();
  private readonly terms = new Terms(localStorage);
  private readonly ages = new Ages();
  private readonly connection: Connection;
  private me: Welcome | undefined;
  private problem: LocationProblem | undefined;
  private access: string | null;
  /** What the server said of this access token, once it has. */
  private mayShare: boolean | undefined;
  private flown = false;
  /** What the server has been told last. */
  private announced: Presence | undefined;
  /** Since when the server has said that this page watches, although it shares. */
  private denied: number | undefined;
  /** Why sharing ended although nobody pressed the button. */
  private over: string | undefined;

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
        tap: (at) => this.self.placing && this.self.place(at),
      },
    );
    this.people = new PeopleList(this.view, this.map.scene, this.page.people, (place) =>
      this.map.fly(place),
    );
    this.self = new Self({
      changed: () => this.selfChanged(),
      problem: (problem) => {
        this.problem = problem;
      },
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
        ? { sharing: this.self.sharing, kind: own.heading === null ? 'pin' : 'figure', ...own }
        : { sharing: this.self.sharing },
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

  private get presence(): Presence {
    if (document.visibilityState === 'hidden') return Presence.Hidden;
    // Whoever says that it shares and may not is sent away, so a new token is asked for its
    // rights first.
    const may = this.mayShare ?? this.access === null;
    return may && this.self.sample() ? Presence.Sharing : Presence.Watching;
  }

  private greeting(): Greeting {
    this.watchTime();
    return {
      room: this.options.room,
      name: this.page.name.value.trim(),
      presence: this.presence,
      viewport: this.map.viewport(),
      access: this.access,
      sharing: this.terms.wire(Date.now()),
    };
  }

  private welcome(welcome: Welcome): void {
    this.me = welcome;
    this.mayShare = welcome.may_share;
    if (!this.mayShare && this.self.sharing) this.self.stop();
    this.view.welcome(welcome.id, welcome.resumed);
    const session = this.connection.session!;
    this.sender.open({
      sendDatagram: (bytes) => session.sendDatagram(bytes),
      serverTime: (at) => session.clock.at(at),
      poseHz: welcome.limits.pose_hz,
    });
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
    if (state.phase === 'live') {
      // What changed between the greeting and the welcome could not be told, and of two greetings
      // in a race the older one may have won: say it again.
      this.announced = undefined;
      this.tellTerms();
      this.announce();
      this.connection.send({ type: 'Viewport', ...this.map.viewport() });
    } else {
      this.sender.close();
    }
    this.tick();
  }

  private redraw(): void {
    this.map.scene.touch();
    this.map.repaint();
  }

  private announce(): void {
    const { presence } = this;
    if (presence !== this.announced) this.tell(presence);
  }

  private tell(presence: Presence): void {
    if (this.connection.state.phase !== 'live') return;
    this.announced = presence;
    this.denied = undefined;
    this.connection.send({ type: 'Presence', presence });
  }

  private tellTerms(): void {
    this.connection.send({ type: 'Sharing', ...this.terms.wire(Date.now()) });
  }

  private share(): void {
    this.over = undefined;
    this.terms.begin(Date.now());
    // Before the presence, so that nothing is shown on other terms.
    this.tellTerms();
    this.self.share();
  }

  private stop(over?: string): void {
    this.over = over;
    this.terms.end();
    // In the background as well, where being hidden alone does not take the pose back.
    this.tell(Presence.Watching);
    this.self.stop();
  }

  private choose(): void {
    const { approximate } = this.terms.wish;
    this.terms.choose(this.page.wish, Date.now());
    this.tellTerms();
    if (approximate && !this.terms.wish.approximate) {
      for (const wait of RENEW_MS) setTimeout(() => this.sender.renew(), wait);
    }
    this.tick();
  }

  /** Ends what was to be shared until now. */
  private watchTime(): void {
    if (!this.self.sharing || !this.terms.isOver(Date.now())) return;
    this.stop('The time for which you wanted to share is over. Nobody sees you any more.');
  }

  /** Follows the server if it says that this page does not share: it keeps the time, too. */
  private followServer(now: number): void {
    const said = this.me && this.view.presenceOf(this.me.id);
    const denied = this.announced === Presence.Sharing && said === Presence.Watching;
    this.denied = denied ? (this.denied ?? now) : undefined;
    if (this.denied === undefined || now - this.denied < DENIED_MS) return;
    this.stop('The server has ended your sharing. Nobody sees you any more.');
  }

  private selfChanged(): void {
    const sample = this.self.sample();
    this.announce();
    if (sample) this.sender.offer(sample);
    else this.sender.clear();
    this.map.scene.self(sample, performance.now());
    this.map.repaint();
    if (this.self.fix && !this.flown) {
      this.flown = true;
      this.map.fly(this.self.fix);
    }
    this.tick();
  }

  private listen(): void {
    const { page, connection } = this;
    page.name.value = localStorage.getItem(NAME) ?? '';
    page.name.addEventListener('change', () => {
      localStorage.setItem(NAME, page.name.value.trim());
      // A name travels in the greeting only; coming back with the token keeps everything else.
      if (connection.state.phase === 'live') connection.connect();
    });
    page.offer(this.terms.wish);
    for (const choice of [page.precision, page.duration]) {
      choice.addEventListener('change', () => this.choose());
    }
    page.share.addEventListener('click', () => this.share());
    page.stop.addEventListener('click', () => this.stop());
    document.addEventListener('visibilitychange', () => {
      this.watchTime();
      this.announce();
      if (document.visibilityState === 'visible') connection.hurry();
    });
    window.addEventListener('online', () => connection.hurry());
    // A link to the same room with another token does not load the page anew.
    window.addEventListener('hashchange', () => {
      const access = this.options.access();
      if (access === this.access) return;
      this.access = access;
      this.mayShare = undefined;
      connection.connect();
    });
    window.addEventListener('pagehide', () => connection.leave());
    window.addEventListener('pageshow', ({ persisted }) => persisted && connection.connect());
    window.addEventListener('keydown', (event) => this.keyDown(event), { capture: true });
    page.ready();
  }

  private keyDown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || Page.typesInto(event.target)) return;
    if (!this.self.steered || !this.self.key(event.key, event.shiftKey)) return;
    // The map would pan as well.
    event.preventDefault();
    event.stopPropagation();
  }

  /** Everything that follows from time going by: words, countdowns, fading. */
  private tick(): void {
    if (!this.connection) return;
    const now = performance.now();
    this.watchTime();
    this.followServer(now);
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
      sharing: this.self.sharing,
      mayShare: this.mayShare !== false,
      onAir: this.self.fix !== undefined && state.phase === 'live',
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
    if (this.over) {
      const run = (): void => {
        this.share();
        // The button that was pressed goes away with the notice.
        this.page.stop.focus();
      };
      return { text: this.over, action: { label: 'Share again', run } };
    }
    return this.problem && !this.self.fix ? { text: locationWords(this.problem) } : undefined;
  }

  private liveWords(): string {
    const { fix } = this.self;
    if (!fix) return this.self.placing ? 'Not on the map yet' : 'Looking for your position';
    if (this.connection.state.phase !== 'live') return 'Not connected';
    const live = this.terms.wish.approximate
      ? 'Live, approximate'
      : Number.isNaN(fix.accuracy)
        ? 'Live, placed by hand'
        : `Live, ±${Math.round(fix.accuracy)} m`;
    return [live, leftWords(this.terms.left(Date.now()))].filter(Boolean).join('\u00a0· ');
  }

  private hint(): string {
    if (this.mayShare === false) return WATCH_ONLY;
    const hints: string[] = [];
    if (this.self.placing && this.self.fix) hints.push('Tap the map to move yourself.');
    if (this.self.steered && !matchMedia('(hover: none)').matches) {
      hints.push('Arrow keys lean your figure, Shift with ← → turns it, Home stands it up.');
    }
    return hints.join(' ');
  }

  private list(): void {
    if (!this.page.peopleShown || document.visibilityState === 'hidden') return;
    const now = performance.now();
    const from: Degrees | Place | undefined = this.self.fix;
    this.people.draw(this.me?.id, from, now);
  }
}
