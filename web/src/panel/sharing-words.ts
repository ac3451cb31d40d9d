/** Messages for users who share, or try to. Pure: facts in, sentences out. */
import type { Fix, LocationProblem } from '../device/location';
import { agoWords } from '../device/old';
import { distanceWords } from './people';

export type Browser = 'chrome' | 'firefox' | 'safari' | 'ios' | 'other';

export interface Agent {
  userAgent: string;
  maxTouchPoints?: number;
}

export function browserOf({ userAgent, maxTouchPoints = 0 }: Agent): Browser {
  // iPads claim to be Macs, but no Mac has a touch screen. On iOS every browser asks the same
  // system.
  if (/iPhone|iPad|iPod/.test(userAgent)) return 'ios';
  if (/Macintosh/.test(userAgent) && maxTouchPoints > 1) return 'ios';
  if (/Firefox\//.test(userAgent)) return 'firefox';
  if (/Chrome\/|Chromium\//.test(userAgent)) return 'chrome';
  return /Safari\//.test(userAgent) ? 'safari' : 'other';
}

const ALLOW: Record<Browser, string> = {
  chrome: 'Press the icon next to the address, allow location, then try again.',
  firefox: 'Press the crossed-out icon next to the address, lift the block, then try again.',
  safari: 'Allow it in Safari’s menu under Settings for This Website, then try again.',
  ios: 'Allow it in the page menu next to the address (Website Settings), and in Settings under Privacy, Location Services. Then try again.',
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

/** Explains why there is no position, and what to do. */
export function locationWords(problem: LocationProblem, browser: Browser): string {
  switch (problem) {
    case 'insecure':
      return `This page was opened over plain HTTP, so the browser withholds your location. Open the https address. ${BY_HAND}`;
    case 'refused':
      return `Location is blocked. ${ALLOW[browser]} ${BY_HAND}`;
    case 'ignored':
      return `Your browser is asking whether this page may use your location. ${ANSWER[browser]} ${BY_HAND}`;
    case 'slow':
      return `Your device is still looking for its position. It is faster outdoors. ${BY_HAND}`;
    case 'unavailable':
      return `This device cannot find its position. Check that location is switched on. ${BY_HAND}`;
  }
}

/** Explains why the position is old, and what to do. */
export function oldWords(problem: LocationProblem | undefined, browser: Browser): string {
  const others = 'Others see your last position and how old it is.';
  return problem === 'refused'
    ? `Location was turned off. ${others} ${ALLOW[browser]} ${BY_HAND}`
    : `Your device has stopped reporting its position. ${others} Check that location is switched on. ${BY_HAND}`;
}

export function coarseWords({ accuracy }: Fix): string {
  return `Your device knows its position only to within ${distanceWords(accuracy)}. You can place yourself by hand.`;
}

export function coarseHandWords({ accuracy }: Fix): string {
  return `You are placed by hand, to within ${distanceWords(accuracy)}. Zoom in and press Move to be more precise.`;
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
  /** Age of the position in ms, if it is old. */
  old: number | undefined;
  /** Whether no position is expected for now. */
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

/** The remaining time in words, from ms; empty without an end. */
export function leftWords(left: number | undefined): string {
  if (left === undefined) return '';
  if (left < MINUTE_MS) return 'less than 1 min left';
  return `${Math.ceil(left / MINUTE_MS)} min left`;
}

/** The label of a duration. */
export function durationWords(minutes: number): string {
  if (minutes === 0) return 'Until I stop';
  return minutes < 60
    ? `For ${minutes} minutes`
    : minutes === 60
      ? 'For 1 hour'
      : `For ${minutes / 60} hours`;
}
