/** What there is to say to somebody who shares, or tries to. Pure: facts in, sentences out. */
import type { Fix, LocationProblem } from '../device/location';
import { agoWords } from '../device/old';
import { distanceWords } from './people';

export type Browser = 'chrome' | 'firefox' | 'safari' | 'ios' | 'other';

export interface Agent {
  userAgent: string;
  maxTouchPoints?: number;
}

export function browserOf({ userAgent, maxTouchPoints = 0 }: Agent): Browser {
  // An iPad says that it is a Mac, but no Mac is touched. On iOS every browser asks the same system.
  if (/iPhone|iPad|iPod/.test(userAgent)) return 'ios';
  if (/Macintosh/.test(userAgent) && maxTouchPoints > 1) return 'ios';
  if (/Firefox\//.test(userAgent)) return 'firefox';
  if (/Chrome\/|Chromium\//.test(userAgent)) return 'chrome';
  return /Safari\//.test(userAgent) ? 'safari' : 'other';
}

const ALLOW: Record<Browser, string> = {
  chrome: 'Press the icon beside the address, allow location, then try again.',
  firefox: 'Press the crossed-out icon beside the address, lift the block, then try again.',
  safari: 'Allow it in Safari’s menu under Settings for This Website, then try again.',
  ios: 'Allow it in the page menu beside the address (Website Settings), and in Settings under Privacy, Location Services. Then try again.',
  other: 'Allow it in the settings for this page, then try again.',
};

const ANSWER: Record<Browser, string> = {
  chrome: 'Choose Allow below the address.',
  firefox: 'Choose Allow below the address.',
  safari: 'Choose Allow.',
  ios: 'Choose Allow.',
  other: 'Choose Allow.',
};

const BY_HAND = 'Or place yourself by hand.';

/** Why there is no position, and what to do. */
export function locationWords(problem: LocationProblem, browser: Browser): string {
  switch (problem) {
    case 'insecure':
      return `This page was opened over plain HTTP, so the browser gives it no location. Open the https address. ${BY_HAND}`;
    case 'refused':
      return `Location is blocked. ${ALLOW[browser]} ${BY_HAND}`;
    case 'ignored':
      return `Your browser asks whether this page may know where you are. ${ANSWER[browser]} ${BY_HAND}`;
    case 'slow':
      return `Your device still looks for its position. Outdoors it is faster. ${BY_HAND}`;
    case 'unavailable':
      return `This device cannot tell where it is. Check that location is switched on. ${BY_HAND}`;
  }
}

/** Why the position is an old one, and what to do. */
export function oldWords(problem: LocationProblem | undefined, browser: Browser): string {
  const others = 'Others see your last position and how old it is.';
  return problem === 'refused'
    ? `Location was turned off. ${others} ${ALLOW[browser]} ${BY_HAND}`
    : `Your device does not tell its position any more. ${others} Check that location is switched on. ${BY_HAND}`;
}

export function coarseWords({ accuracy }: Fix): string {
  return `Your device knows only to within ${distanceWords(accuracy)} where it is. You can place yourself by hand.`;
}

export function coarseHandWords({ accuracy }: Fix): string {
  return `You are placed by hand, to within ${distanceWords(accuracy)}. Zoom in and press Move to be more exact.`;
}

export const BETTER_WORDS = 'You are placed by hand. Your device has now found its position.';
export const PLACED_WORDS = 'You are placed by hand, and others see you here.';
export const NO_NORTH =
  'This device does not know where north is, so others see where you are, but not which way you face.';
export const STEER =
  'Arrow keys lean your figure, Shift with ← → turns it, Home stands it up. On the map they move the map.';

export interface LiveFacts {
  fix: Fix | undefined;
  byHand: boolean;
  approximate: boolean;
  connected: boolean;
  /** How the position came to be old, in ms, if it is. */
  old: number | undefined;
  /** Nothing is expected of the device for now. */
  waiting: boolean;
}

export function liveWords(it: LiveFacts): string {
  if (!it.fix) return it.waiting ? 'Not on the map yet' : 'Looking for your position';
  if (!it.connected) return 'Not connected';
  if (it.old !== undefined) return `Last position ${agoWords(it.old)}`;
  if (it.approximate) return 'Live, approximate';
  if (it.byHand) return 'Live, placed by hand';
  return Number.isNaN(it.fix.accuracy) ? 'Live' : `Live, ±${distanceWords(it.fix.accuracy)}`;
}

const MINUTE_MS = 60_000;

/** The time left of a share, in ms, in words; empty without an end. */
export function leftWords(left: number | undefined): string {
  if (left === undefined) return '';
  if (left < MINUTE_MS) return 'less than 1 min left';
  return `${Math.ceil(left / MINUTE_MS)} min left`;
}

/** A choice of duration in words. */
export function durationWords(minutes: number): string {
  if (minutes === 0) return 'Until I stop';
  return minutes < 60
    ? `For ${minutes} minutes`
    : minutes === 60
      ? 'For 1 hour'
      : `For ${minutes / 60} hours`;
}
