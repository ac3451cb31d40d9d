import { CloseCode, type State } from '@gpys/client/parts';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Outage } from './outage';

const pressed: string[] = [];
const link = { connect: () => pressed.push('connect'), hurry: () => pressed.push('hurry') };
const waiting: State = { phase: 'waiting', until: 3500, reason: '', code: CloseCode.Restarting };
const live: State = { phase: 'live', transport: 'websocket', lost: undefined };
let outage: Outage;

beforeEach(() => {
  vi.stubGlobal('navigator', { onLine: true });
  pressed.length = 0;
  outage = new Outage(link as never);
});
afterEach(() => vi.unstubAllGlobals());

it('explains the lost link and the next try, until there is a link again', () => {
  outage.changed(waiting);
  expect(outage.notice(waiting, 0, 1000)).toMatchObject({
    text: 'The server is restarting.',
    more: 'Retrying in 3 s.',
  });
  outage.notice(waiting, 0, 1000)!.action!.run();
  expect(pressed).toEqual(['hurry']);
  expect(outage.notice({ phase: 'connecting' }, 0, 3500)?.more).toBe('Retrying now.');
  expect(outage.affects({ phase: 'connecting' })).toBe(true);
  outage.changed(live);
  expect(outage.notice(live, 0, 4000)).toBeUndefined();
  expect(outage.notice(live, 6000, 9000)?.text).toContain('not responding');
});

it('does not call the exchange of a link an outage', () => {
  outage.changed(live);
  outage.changed({ phase: 'connecting' });
  expect(outage.affects({ phase: 'connecting' })).toBe(false);
  expect(outage.notice({ phase: 'connecting' }, 0, 0)).toBeUndefined();
});

it('distinguishes an offline device from an absent server', () => {
  vi.stubGlobal('navigator', { onLine: false });
  outage.changed(waiting);
  expect(outage.notice(waiting, 0, 0)?.text).toBe('You are offline.');
});

it('offers what helps when the server ended the link', () => {
  const ended = (code: CloseCode): State => ({ phase: 'ended', reason: '', code });
  expect(outage.notice(ended(CloseCode.Replaced), 0, 0)?.action?.label).toBe('Continue here');
  expect(outage.notice(ended(CloseCode.BadVersion), 0, 0)?.action?.label).toBe('Reload');
  expect(outage.notice(ended(CloseCode.Ended), 0, 0)?.action?.label).toBe('Open it again');
  for (const code of [CloseCode.Expired, CloseCode.WrongKind, CloseCode.Removed]) {
    expect(outage.notice(ended(code), 0, 0)?.action).toBeUndefined();
  }
  outage.notice(ended(CloseCode.Full), 0, 0)!.action!.run();
  expect(pressed).toEqual(['connect']);
});
