import type { State } from '@gpys/client/parts';
import { expect, it } from 'vitest';
import { refusedWords, statusLine } from './status';

const facts = { now: 1000, rtt: undefined, age: undefined, silence: 0 };
const live = (lost?: string): State => ({
  phase: 'live',
  transport: lost ? 'websocket' : 'webtransport',
  lost,
});
const text = (state: State, more = {}): string => statusLine({ ...facts, state, ...more }).text;

it('names the transport, the round trip and the age of information', () => {
  expect(text(live())).toBe('WebTransport');
  expect(text(live(), { rtt: 4.25, age: 38.4 })).toBe(
    'WebTransport · round trip 4.3 ms · positions 38 ms old',
  );
  expect(text(live(), { silence: 7200 })).toBe('WebTransport: no answer for 7 s');
});

it('explains why WebTransport is not used', () => {
  expect(text(live('took longer to open this time'))).toBe(
    'WebSocket · WebTransport took longer to open this time',
  );
});

it('explains what is wrong and when it retries', () => {
  const waiting = { phase: 'waiting', until: 3500, reason: 'Connection lost.' } as const;
  expect(text({ ...waiting, code: undefined })).toBe(
    'Not connected (Connection lost). Retrying in 3 s',
  );
  expect(text({ ...waiting, code: 10 })).toBe('The server is restarting. Retrying in 3 s');
  expect(text({ phase: 'ended', code: 7, reason: '' })).toContain('another tab');
  expect(text({ phase: 'ended', code: 11, reason: '' })).toContain('an invitation link');
  const reason = 'the access token is for another room';
  expect(text({ phase: 'ended', code: 11, reason })).toBe(
    'This room does not let you in (the invitation is for another room).',
  );
  expect(text({ phase: 'ended', code: 12, reason: '' })).toContain('has expired');
});

it('says what to do where a host or another kind of room ended it', () => {
  const ended = (code: number, reason: string) => text({ phase: 'ended', code, reason });
  expect(ended(13, 'this room is on a plane in steps of 1 px, not on the earth')).toBe(
    'This room is not on the map (\u2068this room is on a plane in steps of 1 px, not on the earth\u2069). Open it with the application that it was made for, or choose another room.',
  );
  expect(ended(14, 'no\n\u202eway')).toBe(
    'You were removed from this room (\u2068no way\u2069). To come back, ask its host.',
  );
  expect(ended(15, '')).toBe('This room is closed.');
});

it('explains which value the server refused, and what to do', () => {
  const words = (field: number): string =>
    refusedWords({ type: 'Refused', field, reason: 'no\n\u202eway' });
  for (const field of [0, 1, 2, 3, 4, 5, 6, 7, 255]) {
    expect(words(field)).toMatch(
      /^The server could not use .*\. \(The server says: \u2068no way\u2069\.\)$/,
    );
  }
  expect(words(0)).toContain('your position');
  expect(words(2)).toContain('motion sensor');
  expect(words(7)).toContain('your new name');
});
