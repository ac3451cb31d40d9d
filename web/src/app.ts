/** Connects the parts: passes what happens in one to the others. */
import {
  Ages,
  Client,
  CloseCode,
  type Config,
  clean,
  type Degrees,
  decodeAccuracy,
  type EarlyLink,
  type Frame,
  MAX_REASON,
  type OpenOptions,
  Role,
  type State,
  toDegrees,
  type Welcome,
} from '@gpys/client/parts';
import { watchDisplay } from './device/display';
import { Sharer } from './device/sharer';
import { tab } from './device/storage';
import { BLUR_M, blur } from './map/blur';
import { middleOf } from './map/camera/fit';
import { LiveMap } from './map/map';
import { COARSE_M, type Place, type Scene } from './map/scene';
import { Sight } from './map/sight';
import { Controls } from './panel/controls';
import { type DebugState, debugState } from './panel/debug';
import { dockOf, sharingNotice } from './panel/dock';
import { HostDesk } from './panel/host';
import { Invite } from './panel/invite';
import { isShutOut, Outage } from './panel/outage';
import { Page } from './panel/page';
import { missingWords, PeopleList } from './panel/people';
import { BigScreen } from './panel/screen';
import { browserOf } from './panel/sharing-words';
import { refusedWords, STALLED_MS, statusLine } from './panel/status';

const TICK_MS = 250;
/** How long a refusal is shown; the server repeats it once a second while it lasts. */
const REFUSED_MS = 10_000;

export interface AppOptions {
  room: string;
  opening: OpenOptions;
  early: EarlyLink | undefined;
  config: Config | undefined;
  loadConfig(): Promise<Config>;
  /** Returns the room's current access token. */
  access(): string | null;
  /** Whether this tab may resume from what it stored. */
  resume: boolean;
  /** Whether it is the room's big screen. */
  isScreen: boolean;
}

export class App {
  private readonly page: Page;
  private readonly client: Client;
  private readonly map: LiveMap;
  private readonly people: PeopleList;
  private readonly desk: HostDesk;
  private readonly screen: BigScreen | undefined;
  private readonly sight: Sight;
  private readonly sharer: Sharer;
  private readonly ages = new Ages();
  /** The last refusal, and until when it is shown. */
  private refused: { text: string; until: number } | undefined;
  private access: string | null;
  private wasShown = false;
  private readonly outage: Outage;
  private readonly browser = browserOf(navigator);

  constructor(private readonly options: AppOptions) {
    this.access = options.access();
    this.page = new Page(options.room);
    new Invite(options.room, () => this.access !== null);
    if (options.isScreen) this.screen = new BigScreen(options.room, this.access !== null);
    this.client = this.join();
    this.desk = new HostDesk({
      announce: (text) => this.client.host({ type: 'Announce', text }),
      close: (reason) => this.client.host({ type: 'Close', reason }),
    });
    const { view } = this.client;
    this.map = new LiveMap(
      this.page.map,
      this.page.labels,
      view,
      options.config?.map ?? { style: null, pmtiles: null },
      {
        viewport: (viewport) => this.client.setViewport(viewport),
        tap: (at, hit) => {
          if (this.sharer.self.placing) this.map.aim(at, middleOf(this.page.freeArea()));
          else this.sight.tap(hit, performance.now());
        },
        trouble: (words) => this.page.mapTrouble(words),
        touched: (isPan) => this.sight.camera.touched(isPan),
        rested: () => this.sight.rested(),
        rendered: () => this.sight.camera.update(performance.now()),
      },
    );
    this.map.addTools(this.page.tools);
    this.sight = new Sight(this.map, view, tab, options.room, {
      area: () => this.page.freeArea(),
      changed: () => this.sightChanged(),
      missing: (id) => this.page.say(missingWords(view, id)),
    });
    this.people = new PeopleList(
      view,
      this.map.scene,
      this.page.people,
      (id) => this.pick(id),
      () => this.list(),
    );
    this.map.scene.serverTime = (now) => this.client.serverTime(now);
    this.sharer = new Sharer(
      options.room,
      () => this.access,
      this.client,
      () => this.selfChanged(),
    );
    this.outage = new Outage(this.client);
    this.sharer.resume(options.resume);
    const { page, map, sight, sharer, client } = this;
    new Controls({ page, map, sight, sharer, client, changed: () => this.tick() });
    this.listen();
    this.sight.open(performance.now());
    setInterval(() => this.tick(), TICK_MS);
    setInterval(() => {
      this.list();
      this.watchOver();
      if (this.map.scene.aged(performance.now())) this.map.repaint();
    }, 1000);
    this.client.connect();
    watchDisplay((hz) => client.setMaxFramesHz(hz));
  }

  state(): DebugState {
    const now = performance.now();
    const { client, online } = this;
    const sharing = this.sharer.self.sharing;
    const age = this.ages.median(now);
    return debugState({ client, scene: this.map.scene, online, sharing, age }, now);
  }

  private join(): Client {
    const { opening, room, early, resume } = this.options;
    const client = new Client({
      ...opening,
      room,
      early,
      access: this.access,
      space: { type: 'Earth' },
      mayResume: resume,
      config: () => this.loadConfig(),
    });
    client.on('hello', () => {
      client.setName(this.page.name.value);
      client.setViewport(this.map.viewport());
      this.sharer.refresh();
    });
    client.on('welcome', (welcome) => this.welcome(welcome));
    client.on('change', () => this.redraw());
    client.on('roster', () => this.sight.roster());
    client.on('frame', ({ frame, ages }) => this.frame(frame, ages));
    client.on('refused', (refused) => {
      this.refused = { text: refusedWords(refused), until: performance.now() + REFUSED_MS };
      this.tick();
    });
    client.on('announcement', (text) => this.announced(clean(text, MAX_REASON)));
    client.on('withdrawn', () => this.sharer.withdrawn());
    client.on('state', (state) => {
      this.outage.changed(state);
      this.tick();
    });
    return client;
  }

  private announced(text: string): void {
    this.page.announce(text);
    this.desk.announced(text);
  }

  private async loadConfig(): Promise<Config> {
    const config = await this.options.loadConfig();
    this.map.scene.venue = config.venue ?? undefined;
    this.page.venueNamed(config.venue?.label);
    this.map.repaint();
    return config;
  }

  private get online(): number {
    const { sharing, watching, hidden } = this.client.view.online;
    return sharing + watching + hidden;
  }

  private welcome(welcome: Welcome): void {
    this.sight.welcome(welcome.id);
    this.client.setViewport(this.map.viewport());
    this.sharer.welcome(welcome);
  }

  private frame(frame: Frame, ages: readonly number[]): void {
    const now = performance.now();
    const { client } = this;
    const server = client.state.phase === 'live' ? client.serverTime(now) : undefined;
    for (const age of ages) {
      if (server !== undefined) this.ages.add(Math.max(0, ((server - frame.time) | 0) + age), now);
    }
    this.sight.camera.update(now);
  }

  private redraw(): void {
    this.map.scene.touch();
    this.map.repaint();
  }

  private selfChanged(): void {
    const { self } = this.sharer;
    const isNews = this.map.scene.self(self.sample(), performance.now());
    this.map.scene.shownWithin = this.shownWithin();
    if (isNews) this.map.repaint();
    const { isShown } = this.map.scene;
    // Users who place themselves by hand are already looking there.
    if (isShown && !this.wasShown) this.sight.camera.appeared(self.byHand);
    this.wasShown = isShown;
    this.tick();
  }

  /** The circle in which others see this device, if they see no exact position. */
  private shownWithin(): Scene['shownWithin'] {
    const sample = this.sharer.self.sample();
    if (!sample) return undefined;
    const at = toDegrees(sample);
    if (this.sharer.terms.wish.approximate) return { at: blur(at), metres: BLUR_M };
    const metres = decodeAccuracy(sample.accuracy) ?? 0;
    return metres < COARSE_M ? undefined : { at, metres };
  }

  private sightChanged(): void {
    const { mode, picked } = this.sight.camera;
    this.page.located(picked === undefined ? mode : 'free');
    this.list();
  }

  /** Brings a person into sight; without an id, the user. */
  private pick(id: number | undefined): void {
    this.page.uncoverMap();
    if (id === undefined) this.sight.camera.locate();
    else this.sight.camera.pick(id, performance.now());
  }

  private listen(): void {
    // A link to the same room with another token does not reload the page.
    window.addEventListener('hashchange', () => {
      const access = this.options.access();
      if (access === this.access) return;
      this.access = access;
      this.sharer.mayShare = undefined;
      this.client.setAccess(access);
    });
  }

  /** Updates whatever time changes: words, countdowns, fading. */
  private tick(): void {
    if (!this.outage) return;
    const now = performance.now();
    this.sight.camera.update(now);
    this.sharer.watchTime();
    this.sharer.self.tick(now, document.visibilityState === 'visible');
    const state = this.told(this.client.state);
    const silence = this.client.silence(now);
    const lost = state.phase !== 'live' || silence > STALLED_MS;
    if (lost !== this.map.scene.lost) {
      this.map.scene.lost = lost;
      this.map.repaint();
    }
    const { tone, text } = statusLine({
      state,
      now,
      silence,
      rtt: this.client.roundTrip,
      age: this.ages.median(now),
    });
    const surroundings = {
      now,
      connected: state.phase === 'live',
      browser: this.browser,
      invited: !isShutOut(state),
      keyboard: !matchMedia('(hover: none)').matches,
    };
    this.page.status(tone, text);
    if (this.outage.affects(state)) this.page.online(undefined);
    else if (this.client.welcome) this.page.online(this.online);
    this.page.notice(
      this.outage.notice(state, silence, now) ??
        (this.refused && now < this.refused.until ? { text: this.refused.text } : undefined) ??
        sharingNotice(this.sharer, surroundings, () => this.shareAgain()),
    );
    this.page.dock(dockOf(this.sharer, surroundings));
    const me = this.client.welcome && this.client.view.people.get(this.client.welcome.id);
    this.desk.offer(state.phase === 'live' && me?.role === Role.Host);
  }

  /** Drops the server's reason when the token is missing, not wrong. */
  private told(state: State): State {
    const uninvited = state.phase === 'ended' && state.code === CloseCode.Forbidden && !this.access;
    return uninvited ? { ...state, reason: '' } : state;
  }

  private shareAgain(): void {
    this.sharer.share();
    // The pressed button disappears with the notice.
    this.page.stop.focus();
  }

  /** On the big screen: shows who comes, and keeps everybody in sight. */
  private watchOver(): void {
    const now = performance.now();
    // The screen itself is nobody.
    const others = this.outage.affects(this.client.state) ? undefined : this.online - 1;
    this.screen?.show(this.client.view, others, now);
    if (this.screen) this.sight.camera.watchOver(now);
  }

  private list(): void {
    if (!this.page.peopleShown || document.visibilityState === 'hidden') return;
    const now = performance.now();
    const from: Degrees | Place | undefined = this.sharer.self.fix;
    const online = this.outage.affects(this.client.state) ? undefined : this.client.view.online;
    this.people.draw(this.client.welcome?.id, from, now, online);
  }
}
