/** The state of the connection in words for the user. Pure: state in, sentences out. */
import {
  CloseCode,
  clean,
  Field,
  isolated,
  MAX_REASON,
  type Refused,
  type State,
} from '@gpys/client/parts';

export type Tone = 'good' | 'busy' | 'bad';

export interface Facts {
  state: State;
  now: number;
  rtt: number | undefined;
  age: number | undefined;
  /** How long nothing has arrived, in ms. */
  silence: number;
}

/** After this long without a byte, with a ping every two seconds, the map may be wrong. */
export const STALLED_MS = 4500;

const NAMES = { webtransport: 'WebTransport', websocket: 'WebSocket' } as const;

export function statusLine(facts: Facts): { tone: Tone; text: string } {
  const { state, now } = facts;
  switch (state.phase) {
    case 'connecting':
      return { tone: 'busy', text: 'Connecting' };
    case 'waiting': {
      const seconds = Math.max(0, Math.ceil((state.until - now) / 1000));
      return {
        tone: 'bad',
        text: `${reasonOf(state.code, state.reason)} Retrying in ${seconds} s`,
      };
    }
    case 'ended':
      return { tone: 'bad', text: reasonOf(state.code, state.reason) };
    case 'live':
      return liveLine(state, facts);
  }
}

function liveLine(
  state: Extract<State, { phase: 'live' }>,
  { rtt, age, silence }: Facts,
): { tone: Tone; text: string } {
  const name = NAMES[state.transport];
  if (silence > STALLED_MS) {
    return { tone: 'bad', text: `${name}: no answer for ${Math.round(silence / 1000)} s` };
  }
  const parts: string[] = [name];
  if (rtt !== undefined) parts.push(`round trip ${rtt < 10 ? rtt.toFixed(1) : Math.round(rtt)} ms`);
  if (age !== undefined) parts.push(`positions ${Math.round(age)} ms old`);
  if (state.lost) parts.push(`WebTransport ${state.lost}`);
  return { tone: 'good', text: parts.join(' · ') };
}

export function reasonOf(code: number | undefined, reason: string): string {
  switch (code) {
    case CloseCode.Restarting:
      return 'The server is restarting.';
    case CloseCode.Full:
      return 'This room is full.';
    case CloseCode.TooFast:
    case CloseCode.TooSlow:
      return 'The connection did not keep up.';
    case CloseCode.Replaced:
      return 'You are connected from another tab or device.';
    case CloseCode.Forbidden:
      return reason
        ? `This room does not let you in (${reason.replace('access token', 'invitation')}).`
        : 'You need an invitation link for this room.';
    case CloseCode.Expired:
      return 'Your invitation has expired. Open a new link to come back.';
    case CloseCode.BadVersion:
      return 'This page and the server have different protocol versions.';
    case CloseCode.BadRoom:
      return 'The address has no valid room name: use a-z, 0-9 and - after /r/.';
    case CloseCode.BadMessage:
      return `The server did not accept what this page sent${reason ? ` (${reason})` : ''}.`;
    case CloseCode.WrongKind:
      return `This room is not on the map${because(reason)}. Open it with the application that it was made for, or choose another room.`;
    case CloseCode.Removed:
      return `You were removed from this room${because(reason)}. To come back, ask its host.`;
    case CloseCode.Ended:
      return `This room is closed${because(reason)}.`;
    default:
      return reason ? `Not connected (${reason.replace(/\.$/, '')}).` : 'Connection lost.';
  }
}

/** A reason that may be a host's own words. */
function because(reason: string): string {
  const told = clean(reason, MAX_REASON);
  return told ? ` (${isolated(told)})` : '';
}

/** Explains what the server refused, what follows from it, and what to do. */
export function refusedWords({ field, reason }: Refused): string {
  const why = clean(reason, MAX_REASON);
  return `${refusedField(field)}${why ? ` (The server says: ${isolated(why)}.)` : ''}`;
}

function refusedField(field: number): string {
  switch (field) {
    case Field.Position:
    case Field.Accuracy:
      return 'The server could not use your position, so others see the last good one. If this persists, stop sharing and share again.';
    case Field.Orientation:
      return "The server could not use your motion sensor's readings, so others see you as you were. If this persists, reload the page.";
    case Field.Viewport:
      return "The server could not use the map's view. Move the map a little.";
    case Field.Presence:
    case Field.Sharing:
      return 'The server could not use your choice to share or watch. Stop sharing and share again.';
    case Field.Profile:
      return 'The server could not use your new name, so others see the old one. Wait a moment and change it again.';
    default:
      return 'The server could not use something this page sent. Reload to get a newer page.';
  }
}

export const WATCH_ONLY = 'Your invitation lets you watch, not share.';
