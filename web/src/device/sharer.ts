/** What this page shares of its device: from what its owner wants to what the server is told. */
import { type Client, Presence, type Welcome } from '@gpys/client';
import { OLD_MS } from './old';
import { findLive, keepLive } from './resume';
import { Self } from './self';
import { SharingTerms, type Wish } from './sharing';
import { device, tab } from './storage';

const TIME_OVER = 'The time for which you wanted to share is over. Nobody sees you any more.';
const WITHDRAWN = 'The server has ended your sharing. Nobody sees you any more.';

export class Sharer {
  readonly terms = new SharingTerms(device);
  readonly self: Self;
  /** Why sharing ended although nobody pressed the button. */
  over: string | undefined;
  /** What the server said of the access token, once it has. */
  mayShare: boolean | undefined;

  /** `access`: the room's access token, whose rights are not known before a welcome. */
  constructor(
    private readonly room: string,
    private readonly access: () => string | null,
    private readonly client: Client,
    /** What is shared has changed, or whether it is. */
    private readonly changed: () => void,
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

  /** What the client says next is as of now. */
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
    // Before the presence, so that nothing is shown on other terms.
    this.announceTerms();
    this.self.share();
    this.keep();
  }

  stop(over?: string): void {
    this.over = over;
    this.terms.end();
    // In the background as well, where being hidden alone does not take the pose back.
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

  /** Ends what was to be shared until now. */
  watchTime(): void {
    if (!this.self.sharing || !this.terms.isOver(Date.now())) return;
    this.stop(TIME_OVER);
  }

  /** The client has withdrawn this page's pose. */
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
