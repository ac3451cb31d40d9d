/** Notices about the link, for what would be overlooked at the foot of the page. */
import { type Client, CloseCode, type State } from '@gpys/client/parts';
import type { Notice } from './dock';
import { reasonOf, STALLED_MS } from './status';

/** After these, trying again changes nothing. */
const FINAL: readonly number[] = [CloseCode.Expired, CloseCode.WrongKind, CloseCode.Removed];
/** What to do about the others. */
const LABELS: Readonly<Record<number, string>> = {
  [CloseCode.BadVersion]: 'Reload',
  [CloseCode.Replaced]: 'Continue here',
  [CloseCode.Ended]: 'Open it again',
};

type Reconnecting = Pick<Client, 'connect' | 'hurry'>;

/** Remembers why the link was lost until there is one again. */
export class Outage {
  private why: string | undefined;

  constructor(private readonly link: Reconnecting) {}

  changed(state: State): void {
    if (state.phase === 'live') this.why = undefined;
    if (state.phase === 'waiting') {
      this.why = navigator.onLine ? reasonOf(state.code, state.reason) : 'You are offline.';
    }
  }

  /** Whether others' data is out of date: not while a link is only exchanged. */
  affects(state: State): boolean {
    return state.phase === 'ended' || (state.phase !== 'live' && this.why !== undefined);
  }

  notice(state: State, silence: number, now: number): Notice | undefined {
    switch (state.phase) {
      case 'ended':
        return this.ended(state);
      case 'waiting': {
        const more = `Retrying in ${Math.max(0, Math.ceil((state.until - now) / 1000))} s.`;
        const action = { label: 'Try now', run: () => this.link.hurry() };
        return { text: this.why ?? '', more, tone: 'bad', action };
      }
      case 'connecting':
        return this.why ? { text: this.why, more: 'Retrying now.', tone: 'bad' } : undefined;
      case 'live':
        return silence > STALLED_MS
          ? { text: 'The server is not responding. What you see may be out of date.', tone: 'bad' }
          : undefined;
    }
  }

  private ended({ code, reason }: Extract<State, { phase: 'ended' }>): Notice {
    const text = reasonOf(code, reason);
    // Neither the same invitation nor the same room will do next time.
    if (code !== undefined && FINAL.includes(code)) return { text, tone: 'bad' };
    const reload = code === CloseCode.BadVersion;
    const run = (): void => (reload ? location.reload() : this.link.connect());
    const label = LABELS[code ?? -1] ?? 'Try again';
    return { text, tone: 'bad', action: { label, run } };
  }
}

/** Whether only another invitation helps: the room rejects this one, or the lack of one. */
export function isShutOut(state: State): boolean {
  return (
    state.phase === 'ended' &&
    (state.code === CloseCode.Forbidden || state.code === CloseCode.Expired)
  );
}
