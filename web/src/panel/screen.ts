/**
 * The big screen of a room, for a wall that nobody touches: who is there, who has come, and a code to
 * join by.
 */
import { Presence, Role, type View } from '@gpys/client/parts';
import { byId, setText } from './dom';
import { addressOf } from './invite';
import { drawCode } from './qr';

/** How long an arrival is shown, and how many of them at most. */
const ARRIVAL_MS = 20_000;
const ARRIVALS = 5;

export interface Arrival {
  name: string;
  at: number;
}

/** Who has begun to share since the first look, newest first. */
export class Arrivals {
  private readonly known = new Set<number>();
  private looked = false;
  private list: Arrival[] = [];

  look({ people }: Pick<View, 'people'>, now: number): readonly Arrival[] {
    for (const { id, name, role, presence } of people.values()) {
      if (role === Role.Thing || presence !== Presence.Sharing || this.known.has(id)) continue;
      this.known.add(id);
      // Those who were here before the screen have not just come.
      if (this.looked) this.list.unshift({ name: name || 'Somebody', at: now });
    }
    for (const id of this.known) if (!people.has(id)) this.known.delete(id);
    this.looked ||= people.size > 0;
    this.list = this.list.filter(({ at }) => now - at < ARRIVAL_MS).slice(0, ARRIVALS);
    return this.list;
  }
}

export class BigScreen {
  private readonly arrivals = new Arrivals();

  /** `isClosed`: whether the room admits only people with an invitation. */
  constructor(room: string, isClosed: boolean) {
    byId('screen').hidden = false;
    setText(byId('screen-room'), room);
    setText(byId('screen-how'), isClosed ? 'By invitation' : 'Scan to join');
    setText(byId('screen-address'), addressOf(room).replace(/^https?:\/\//, ''));
    void drawCode(byId('screen-code'), addressOf(room));
    void this.stayAwake();
    document.addEventListener('visibilitychange', () => void this.stayAwake());
  }

  /** Shows how many are here, and who came lately. */
  show(view: View, online: number | undefined, now: number): void {
    setText(byId('screen-count'), online === undefined ? '–' : online.toLocaleString('en'));
    setText(byId('screen-unit'), online === 1 ? 'person here' : 'people here');
    const list = byId('screen-arrivals');
    const arrivals = this.arrivals.look(view, now);
    while (list.children.length > arrivals.length) list.lastElementChild!.remove();
    arrivals.forEach(({ name }, i) => {
      const item = list.children[i] ?? list.appendChild(document.createElement('li'));
      setText(item as HTMLElement, name);
    });
  }

  /** Keeps the display on while the page is in front, where the browser lets it. */
  private async stayAwake(): Promise<void> {
    if (document.visibilityState === 'hidden') return;
    await navigator.wakeLock?.request('screen').catch(() => undefined);
  }
}
