/** The dock and the notice: their words about sharing, and their buttons. */

import { isCoarse } from '../device/self';
import type { Sharer } from '../device/sharer';
import {
  BETTER_WORDS,
  type Browser,
  coarseHandWords,
  coarseWords,
  leftWords,
  liveWords,
  locationWords,
  NO_NORTH,
  oldWords,
  PLACED_WORDS,
  STEER,
} from './sharing-words';
import { type Tone, WATCH_ONLY } from './status';

export interface Notice {
  text: string;
  /** Words that change all the time, and are not read out. */
  more?: string;
  tone?: Tone;
  action?: { label: string; run(): void };
}

export interface Dock {
  /** Whether the dock is shown. */
  shown: boolean;
  sharing: boolean;
  /** Whether there is a button that starts sharing. */
  mayShare: boolean;
  /** Whether others see this device where it is right now. */
  onAir: boolean;
  live: string;
  hint: string;
  placing: boolean;
  /** Label of the button for placing by hand; empty for none. */
  byHand: string;
  /** The state in few words, without those that change all the time. */
  spoken: string;
}

export interface Surroundings {
  now: number;
  connected: boolean;
  /** Whether the room admits this page at all. */
  invited: boolean;
  browser: Browser;
  /** Whether arrow keys are likely. */
  keyboard: boolean;
}

export function dockOf(sharer: Sharer, { now, connected, invited, keyboard }: Surroundings): Dock {
  const { self, terms } = sharer;
  const { fix } = self;
  const old = sharer.old(now);
  const words = liveWords({
    fix,
    byHand: self.byHand,
    approximate: terms.wish.approximate,
    connected,
    old,
    waiting: self.placing || self.problem !== undefined,
  });
  const left = fix && connected ? leftWords(terms.left(Date.now())) : '';
  return {
    // Sharing users must be able to stop.
    shown: invited || self.sharing,
    sharing: self.sharing,
    mayShare: sharer.mayShare !== false,
    onAir: fix !== undefined && connected && old === undefined,
    live: [words, left].filter(Boolean).join('\u00a0· '),
    hint: hintOf(sharer, keyboard),
    placing: self.placing,
    byHand: byHandOf(sharer, old),
    spoken: spokenOf(sharer, connected, old),
  };
}

function spokenOf({ self }: Sharer, connected: boolean, old: number | undefined): string {
  if (!connected) return 'Not connected';
  if (!self.sharing) return 'Connected';
  if (self.placing) return 'Move the map until the cross is where you are, then press Enter';
  if (!self.fix) return self.problem ? 'Not on the map yet' : 'Looking for your position';
  return old === undefined ? 'Live' : 'Your position is out of date';
}

function byHandOf({ self }: Sharer, old: number | undefined): string {
  if (!self.sharing || self.placing) return '';
  if (self.byHand) return 'Move';
  const sound = self.fix && !isCoarse(self.fix) && old === undefined;
  return sound || (!self.fix && !self.problem) ? '' : 'Place by hand';
}

function hintOf({ mayShare, self }: Sharer, keyboard: boolean): string {
  if (mayShare === false) return WATCH_ONLY;
  if (self.placing || !self.fix) return '';
  if (self.lacks === 'north') return NO_NORTH;
  return self.steered && keyboard ? STEER : '';
}

/** The most important notice about sharing, if any. */
export function sharingNotice(
  sharer: Sharer,
  { now, browser }: Pick<Surroundings, 'now' | 'browser'>,
  again: () => void,
): Notice | undefined {
  const { self, over } = sharer;
  if (over) return { text: over, action: { label: 'Share again', run: again } };
  if (!self.sharing || self.placing) return undefined;
  const { fix, problem } = self;
  const retry = { label: 'Try again', run: () => self.askAgain() };
  if (self.undoable) {
    const text = fix && isCoarse(fix) ? coarseHandWords(fix) : PLACED_WORDS;
    return { text, action: { label: 'Undo', run: () => self.undoPlacing() } };
  }
  if (self.better) {
    return { text: BETTER_WORDS, action: { label: 'Use it', run: () => self.useDevice() } };
  }
  if (!fix) {
    if (!problem) return undefined;
    const text = locationWords(problem, browser);
    return problem === 'insecure' ? { text } : { text, action: retry };
  }
  if (sharer.old(now) !== undefined) return { text: oldWords(problem, browser), action: retry };
  if (!isCoarse(fix)) return undefined;
  return { text: self.byHand ? coarseHandWords(fix) : coarseWords(fix) };
}
