/** Holds the parts together: what happens to one is told to the others here. */

import type { Config, EarlyLink, Frame, OpenOptions } from '@gpys/client';
import {
  Code,
  Connection,
  cleanName,
  type Degrees,
  decodeAccuracy,
  type Greeting,
  type State,
  toDegrees,
  View,
  type Welcome,
} from '@gpys/client';
import { Sharer } from './device/sharer';
import { device, tab } from './device/storage';
import { BLUR_M, blur } from './map/blur';
import { middleOf } from './map/camera/fit';
import { LiveMap } from './map/map';
import { COARSE_M, type Place, type Scene } from './map/scene';
import { Sight } from './map/sight';
import { Ages } from './panel/age';
import { type DebugState, debugState } from './panel/debug';
import { dockOf, sharingNotice } from './panel/dock';
import { isShutOut, Outage } from './panel/outage';
import { Page } from './panel/page';
import { PeopleList } from './panel/people';
import { browserOf } from './panel/sharing-words';
import { refusedWords, STALLED_MS, statusLine } from './panel/status';

const NAME = 'gpys.name';
const TICK_MS = 250;
/** For how long a refused value is spoken of: the server tells of it once a second while it lasts. */
const REFUSED_MS = 10_000;

export interface AppOptions {
  room: string;
  opening: OpenOptions;
  early: EarlyLink | undefined;
  config: Config | undefined;
  loadConfig(): Promise<Config>;
  /** The room's access token, now. */
  access(): string | null;
  /** Whether this tab goes on as what it has kept. */
  resume: boolean;
}

export class App {
  private readonly page: Page;
  private readonly view = new View();
  private readonly map: LiveMap;
  private readonly people: PeopleList;
  private readonly sight: Sight;
  private readonly sharer: Sharer;
  private readonly ages = new Ages();
  private readonly connection: Connection;
  private me: Welcome | undefined;
  /** What the server did not take, and until when that is said. */
  private refused: { text: string; until: number } | undefined;
  private access: string | null;
  private wasShown = false;
  private readonly outage: Outage;
  private readonly browser = browserOf(navigator);

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
    this.sight = new Sight(this.map, this.view, tab, options.room, {
      area: () => this.page.freeArea(),
      changed: () => this.sightChanged(),
      missing: (id) => this.page.say(this.missingWords(id)),
    });
    this.people = new PeopleList(
      this.view,
      this.map.scene,
      this.page.people,
      (id) => this.pick(id),
      () => this.list(),
    );
    this.sharer = new Sharer(options.room, () => this.access, {
      changed: () => this.selfChanged(),
      send: (message) => this.connection.send(message),
    });
    this.connection = this.connect();
    this.outage = new Outage(this.connection);
    this.sharer.resume(options.resume);
    this.listen();
    this.sight.open(performance.now());
    setInterval(() => this.tick(), TICK_MS);
    setInterval(() => {
      this.list();
      if (this.map.scene.aged(performance.now())) this.map.repaint();
    }, 1000);
    this.connection.connect();
  }

  state(): DebugState {
    const now = performance.now();
    const { connection, view, me, online } = this;
    const sharing = this.sharer.self.sharing;
    const age = this.ages.median(now);
    return debugState({ connection, view, scene: this.map.scene, me, online, sharing, age }, now);
  }

  private connect(): Connection {
    return new Connection(
      {
        ...this.options.opening,
        early: this.options.early,
        config: () => this.loadConfig(),
        greeting: () => this.greeting(),
        mayResume: this.options.resume,
      },
      {
        welcome: (welcome) => this.welcome(welcome),
        roster: (roster) => {
          this.redrawIfNew(() => this.view.roster(roster));
          this.sight.roster();
        },
        frame: (frame) => this.frame(frame),
        refused: (refused) => {
          this.refused = { text: refusedWords(refused), until: performance.now() + REFUSED_MS };
          this.tick();
        },
        state: (state) => this.connectionChanged(state),
      },
    );
  }

  private async loadConfig(): Promise<Config> {
    const config = await this.options.loadConfig();
    this.map.scene.venue = config.venue ?? undefined;
    this.page.venueNamed(config.venue?.label);
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
    this.sight.welcome(welcome.id);
    this.view.welcome(welcome.id, welcome.resumed);
    const session = this.connection.session!;
    // Also while the link is lost: the server's clock goes on.
    this.map.scene.serverTime = (now) => session.clock.at(now);
    this.sharer.welcome(welcome, session);
    this.redraw();
  }

  private frame(frame: Frame): void {
    const now = performance.now();
    const server = this.connection.session?.clock.at(now);
    for (const age of this.redrawIfNew(() => this.view.frame(frame))) {
      if (server !== undefined) this.ages.add(Math.max(0, ((server - frame.time) | 0) + age), now);
    }
    this.sight.camera.update(now);
  }

  private connectionChanged(state: State): void {
    const live = state.phase === 'live';
    this.outage.changed(state);
    this.sharer.connected(live);
    if (live) this.connection.send({ type: 'Viewport', ...this.map.viewport() });
    this.tick();
  }

  /** A frame or a roster that tells nothing new costs no picture. */
  private redrawIfNew<T>(apply: () => T): T {
    const before = this.view.changes;
    const result = apply();
    if (this.view.changes !== before) this.redraw();
    return result;
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
    // Who is placed by hand is looking there already.
    if (isShown && !this.wasShown) this.sight.camera.appeared(self.byHand);
    this.wasShown = isShown;
    this.tick();
  }

  /** The circle that others see this device in, if it is not a place. */
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

  /** Without an id: oneself. */
  private pick(id: number | undefined): void {
    this.page.uncoverMap();
    if (id === undefined) this.sight.camera.locate();
    else this.sight.camera.pick(id, performance.now());
  }

  private missingWords(id: number | undefined): string {
    if (id === undefined) return 'Nobody shares a position right now.';
    const name = this.view.people.get(id)?.name || 'This person';
    return this.view.clusters.size > 0
      ? `${name} is somewhere in a crowd: zoom in to find them.`
      : `${name} has no position on the map right now.`;
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
    page.fit.addEventListener('click', () => {
      this.sight.camera.fitEverybody(performance.now());
    });
    page.locate.addEventListener('click', () => {
      if (!this.sight.camera.locate()) page.say('Share your position to find yourself on the map.');
    });
    page.venue.addEventListener('click', () => this.sight.camera.goToVenue());
    page.watchArea(() => {
      this.sight.camera.areaChanged();
      if (sharer.self.placing) page.cross(middleOf(page.freeArea()));
    });
    page.share.addEventListener('click', () => {
      this.sight.camera.expectSelf();
      sharer.share();
    });
    page.stop.addEventListener('click', () => sharer.stop());
    page.byHand.addEventListener('click', () => this.aim());
    page.placeHere.addEventListener('click', () => this.place());
    page.placeCancel.addEventListener('click', () => sharer.self.cancelPlacing());
    document.addEventListener('visibilitychange', () => {
      sharer.watchTime();
      sharer.announce();
      sharer.keep();
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
    window.addEventListener('pagehide', () => {
      sharer.keep();
      connection.close();
    });
    window.addEventListener('pageshow', ({ persisted }) => persisted && connection.connect());
    window.addEventListener('keydown', (event) => this.keyDown(event), { capture: true });
    page.ready();
  }

  private keyDown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || Page.typesInto(event.target)) return;
    const { self } = this.sharer;
    if (self.placing) {
      const onMap = Page.onMap(event.target) || event.target === document.body;
      if (event.key === 'Escape') {
        self.cancelPlacing();
        this.page.byHand.focus();
      } else if (event.key === 'Enter' && onMap) this.place();
      else return;
      // The button that has the focus now would be pressed as well.
      event.preventDefault();
      return;
    }
    // On the map these keys are the map's.
    if (Page.onMap(event.target) || !self.steered || !self.key(event.key, event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Lets somebody choose a place: the map moves under a cross, by finger, mouse or keys. */
  private aim(): void {
    this.sharer.self.beginPlacing();
    // What was on its way must not move what is aimed at.
    this.sight.camera.touched(true);
    this.page.cross(middleOf(this.page.freeArea()));
    this.map.focus();
  }

  private place(): void {
    const { at, accuracy } = this.map.placeAt(this.page.crossed);
    this.sharer.self.place(at, accuracy);
    this.sharer.keep();
    this.page.byHand.focus();
  }

  /** Everything that follows from time going by: words, countdowns, fading. */
  private tick(): void {
    if (!this.connection) return;
    const now = performance.now();
    this.sight.camera.update(now);
    this.sharer.watchTime();
    this.sharer.followServer(this.me && this.view.presenceOf(this.me.id), now);
    this.sharer.self.tick(now, document.visibilityState === 'visible');
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
    const surroundings = {
      now,
      connected: state.phase === 'live',
      browser: this.browser,
      invited: !isShutOut(state),
      keyboard: !matchMedia('(hover: none)').matches,
    };
    this.page.status(tone, text);
    if (this.outage.affects(state)) this.page.online(undefined);
    else if (this.me) this.page.online(this.online);
    this.page.notice(
      this.outage.notice(state, silence, now) ??
        (this.refused && now < this.refused.until ? { text: this.refused.text } : undefined) ??
        sharingNotice(this.sharer, surroundings, () => this.shareAgain()),
    );
    this.page.dock(dockOf(this.sharer, surroundings));
  }

  /** Without a token, what is wrong with it is that there is none. */
  private told(state: State): State {
    const uninvited = state.phase === 'ended' && state.code === Code.Forbidden && !this.access;
    return uninvited ? { ...state, reason: '' } : state;
  }

  private shareAgain(): void {
    this.sharer.share();
    // The button that was pressed goes away with the notice.
    this.page.stop.focus();
  }

  private list(): void {
    if (!this.page.peopleShown || document.visibilityState === 'hidden') return;
    const now = performance.now();
    const from: Degrees | Place | undefined = this.sharer.self.fix;
    const online = this.outage.affects(this.connection.state) ? undefined : this.view.online;
    this.people.draw(this.me?.id, from, now, online);
  }
}
