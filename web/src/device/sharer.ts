/** What this page shares of its device: from what its owner wants to what the server is told. */

import type { Session } from '@gpys/client';
import { type ClientMessage, Presence, Sender, type Sharing, type Welcome } from '@gpys/client';
import { OLD_MS } from './old';
import { findLive, keepLive } from './resume';
import { Self } from './self';
import { device, tab } from './storage';
import { Terms, type Wish } from './terms';

/** For how long the server may deny that this page shares before the page believes it: on a slow
 * path a change of its own may still be on its way. */
const DENIED_MS = 5000;
/** Who shares exactly again says where after this long, when the new terms have surely arrived. */
const RENEW_MS = [500, 3000];

const TIME_OVER = 'The time for which you wanted to share is over. Nobody sees you any more.';

export interface SharerEvents {
  /** What is shared has changed, or whether it is. */
  changed(): void;
  /** Sends a message if a link is live, and says whether one is. */
  send(message: ClientMessage): boolean;
}

export class Sharer {
  readonly terms = new Terms(device);
  readonly self: Self;
  /** Why sharing ended although nobody pressed the button. */
  over: string | undefined;
  /** What the server said of the access token, once it has. */
  mayShare: boolean | undefined;

  private readonly sender = new Sender();
  /** What the server has been told last. */
  private announced: Presence | undefined;
  /** Since when the server has said that this page watches, although it shares. */
  private denied: number | undefined;

  /** `access`: the room's access token, whose rights are not known before a welcome. */
  constructor(
    private readonly room: string,
    private readonly access: () => string | null,
    private readonly events: SharerEvents,
  ) {
    this.self = new Self({ changed: () => this.selfChanged() });
  }

  /** Goes on with what this tab shared before a reload; `allowed`: it is not a duplicated tab. */
  resume(allowed: boolean): void {
    const now = Date.now();
    const live = allowed ? findLive(tab, this.room, now, performance.now()) : undefined;
    if (!live) {
      this.keep();
      return;
    }
    this.terms.resume(live.wish, live.ends ?? undefined);
    if (this.terms.isOver(now)) {
      this.stop(TIME_OVER);
      return;
    }
    // It shared with this token, so nothing has to be asked first, which would look like a leave.
    if (live.access === this.access()) this.mayShare = true;
    this.self.resume(live.self);
  }

  /** Writes down what a reload needs. */
  keep(): void {
    const { self, terms, room } = this;
    const live = self.sharing && {
      room,
      ends: terms.until ?? null,
      wish: terms.wish,
      access: this.access(),
      self: self.snapshot(),
    };
    keepLive(tab, live || undefined, Date.now(), performance.now());
  }

  /** How old the own position is, in ms, if it is so old that it has to be said. */
  old(now: number): number | undefined {
    const age = this.self.age(now);
    return age > OLD_MS || (this.self.problem === 'refused' && age > 0) ? age : undefined;
  }

  get presence(): Presence {
    if (document.visibilityState === 'hidden') return Presence.Hidden;
    // Whoever says that it shares and may not is sent away, so a new token is asked for its
    // rights first.
    const may = this.mayShare ?? this.access() === null;
    return may && this.self.sample() ? Presence.Sharing : Presence.Watching;
  }

  /** The terms as the server is told. */
  wire(): Sharing {
    return this.terms.wire(Date.now());
  }

  welcome(welcome: Welcome, session: Session): void {
    this.mayShare = welcome.may_share;
    if (!this.mayShare && this.self.sharing) this.stop();
    this.sender.open({
      sendDatagram: (bytes) => session.sendDatagram(bytes),
      serverTime: (at) => session.clock.at(at),
      poseHz: welcome.limits.pose_hz,
    });
  }

  /** The link is live, or is not. */
  connected(live: boolean): void {
    if (!live) {
      this.sender.close();
      return;
    }
    // What changed between the greeting and the welcome could not be told, and of two greetings
    // in a race the older one may have won: say it again.
    this.announced = undefined;
    this.tellTerms();
    this.announce();
  }

  share(): void {
    this.over = undefined;
    this.terms.begin(Date.now());
    // Before the presence, so that nothing is shown on other terms.
    this.tellTerms();
    this.self.share();
    this.keep();
  }

  stop(over?: string): void {
    this.over = over;
    this.terms.end();
    // In the background as well, where being hidden alone does not take the pose back.
    this.tell(Presence.Watching);
    this.self.stop();
    this.keep();
  }

  choose(wish: Wish): void {
    const { approximate } = this.terms.wish;
    this.terms.choose(wish, Date.now());
    this.tellTerms();
    this.keep();
    if (approximate && !wish.approximate) {
      for (const wait of RENEW_MS) setTimeout(() => this.sender.renew(), wait);
    }
  }

  announce(): void {
    const { presence } = this;
    if (presence !== this.announced) this.tell(presence);
  }

  /** Ends what was to be shared until now. */
  watchTime(): void {
    if (!this.self.sharing || !this.terms.isOver(Date.now())) return;
    this.stop(TIME_OVER);
  }

  /** Follows the server if it says that this page does not share: it keeps the time, too. */
  followServer(said: Presence | undefined, now: number): void {
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
    this.events.changed();
  }

  private tell(presence: Presence): void {
    if (!this.events.send({ type: 'Presence', presence })) return;
    this.announced = presence;
    this.denied = undefined;
  }

  private tellTerms(): void {
    this.events.send({ type: 'Sharing', ...this.wire() });
  }
}
