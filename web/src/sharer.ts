/** What this page shares of its device: from what its owner wants to what the server is told. */
import { Self } from './self';
import { Sender } from './sender';
import type { LocationProblem } from './sensors';
import type { Session } from './session';
import { device } from './storage';
import { Terms, type Wish } from './terms';
import { type ClientMessage, Presence, type Sharing, type Welcome } from './wire';

/** For how long the server may deny that this page shares before the page believes it: on a slow
 * path a change of its own may still be on its way. */
const DENIED_MS = 5000;
/** Who shares exactly again says where after this long, when the new terms have surely arrived. */
const RENEW_MS = [500, 3000];

export interface SharerEvents {
  /** What is shared has changed, or whether it is. */
  changed(): void;
  /** Sends a message if a link is live, and says whether one is. */
  send(message: ClientMessage): boolean;
}

export class Sharer {
  readonly terms = new Terms(device);
  readonly self: Self;
  /** Why there is no position. */
  problem: LocationProblem | undefined;
  /** Why sharing ended although nobody pressed the button. */
  over: string | undefined;
  /** What the server said of the access token, once it has. */
  mayShare: boolean | undefined;

  private readonly sender = new Sender();
  /** What the server has been told last. */
  private announced: Presence | undefined;
  /** Since when the server has said that this page watches, although it shares. */
  private denied: number | undefined;

  /** `asked`: whether the room has been given an access token, whose rights are not known yet. */
  constructor(
    private readonly asked: () => boolean,
    private readonly events: SharerEvents,
  ) {
    this.self = new Self({
      changed: () => this.selfChanged(),
      problem: (problem) => {
        this.problem = problem;
      },
    });
  }

  get presence(): Presence {
    if (document.visibilityState === 'hidden') return Presence.Hidden;
    // Whoever says that it shares and may not is sent away, so a new token is asked for its
    // rights first.
    const may = this.mayShare ?? !this.asked();
    return may && this.self.sample() ? Presence.Sharing : Presence.Watching;
  }

  /** The terms as the server is told. */
  wire(): Sharing {
    return this.terms.wire(Date.now());
  }

  welcome(welcome: Welcome, session: Session): void {
    this.mayShare = welcome.may_share;
    if (!this.mayShare && this.self.sharing) this.self.stop();
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
  }

  stop(over?: string): void {
    this.over = over;
    this.terms.end();
    // In the background as well, where being hidden alone does not take the pose back.
    this.tell(Presence.Watching);
    this.self.stop();
  }

  choose(wish: Wish): void {
    const { approximate } = this.terms.wish;
    this.terms.choose(wish, Date.now());
    this.tellTerms();
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
    this.stop('The time for which you wanted to share is over. Nobody sees you any more.');
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
