/** Sharing: turns the user's choices and the device's readings into what the client sends. */
import { type Client, Presence, type Welcome } from '@gpys/client/parts';
import { OLD_MS } from './old';
import { findLive, keepLive } from './resume';
import { Self } from './self';
import { SharingTerms, type Wish } from './sharing';
import { device, tab } from './storage';

const TIME_OVER = 'Your sharing time is over. Others no longer see you.';
const WITHDRAWN = 'The server has ended your sharing. Others no longer see you.';

export class Sharer {
  readonly terms = new SharingTerms(device);
  readonly self: Self;
  /** Why sharing ended without the user's doing. */
  over: string | undefined;
  /** Whether the access token allows sharing, once the server has said so. */
  mayShare: boolean | undefined;

  /** `access`: returns the room's access token, whose rights are unknown before a welcome. */
  constructor(
    private readonly room: string,
    private readonly access: () => string | null,
    private readonly client: Client,
    /** Called when what is shared has changed. */
    private readonly changed: () => void,
  ) {
    this.self = new Self({ changed: () => this.selfChanged() });
  }

  /** Resumes what this tab shared before a reload; `allowed`: it is not a duplicated tab. */
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
    // This token has allowed sharing before, so it need not be checked first, which would look like
    // a leave.
    if (live.access === this.access()) this.mayShare = true;
    this.self.resume(live.self);
  }

  /** Stores what a reload needs. */
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

  /** Age of the user's position in ms, if it is old enough to mention. */
  old(now: number): number | undefined {
    const age = this.self.age(now);
    return age > OLD_MS || (this.self.problem === 'refused' && age > 0) ? age : undefined;
  }

  get presence(): Presence {
    if (document.visibilityState === 'hidden') return Presence.Hidden;
    // The server disconnects a client that shares without the right to, so a new token's rights are
    // learnt first.
    const may = this.mayShare ?? this.access() === null;
    return may && this.self.sample() ? Presence.Sharing : Presence.Watching;
  }

  /** Brings what the client says next up to date. */
  refresh(): void {
    this.watchTime();
    this.announceTerms();
    this.announce();
  }

  welcome({ may_share }: Welcome): void {
    this.mayShare = may_share;
    if (!may_share && this.self.sharing) this.stop();
    this.refresh();
  }

  share(): void {
    this.over = undefined;
    this.terms.begin(Date.now());
    // Sent before the presence, so that nothing is shown on other terms.
    this.announceTerms();
    this.self.share();
    this.keep();
  }

  stop(over?: string): void {
    this.over = over;
    this.terms.end();
    // Also in the background, where being hidden alone would not withdraw the pose.
    this.client.setPresence(Presence.Watching);
    this.self.stop();
    this.keep();
  }

  choose(wish: Wish): void {
    this.terms.choose(wish, Date.now());
    this.announceTerms();
    this.keep();
  }

  announce(): void {
    this.client.setPresence(this.presence);
  }

  /** Stops sharing whose time is over. */
  watchTime(): void {
    if (!this.self.sharing || !this.terms.isOver(Date.now())) return;
    this.stop(TIME_OVER);
  }

  /** Follows the client, which has withdrawn the pose. */
  withdrawn(): void {
    if (this.self.sharing) this.stop(WITHDRAWN);
  }

  private selfChanged(): void {
    this.announce();
    this.client.send(this.self.reading() ?? null);
    this.changed();
  }

  private announceTerms(): void {
    this.client.setSharing(this.terms.wire(Date.now()));
  }
}
