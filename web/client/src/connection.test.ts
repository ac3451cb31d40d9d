import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { backoff, Connection, type State } from './connection.ts';
import { EarlyLink } from './link/early.ts';
import type { Transport } from './link/link.ts';
import { HEAD_START_MS, OPEN_TIMEOUT_MS } from './link/race.ts';
import { wordsFor } from './link/why.ts';
import { Memory } from './storage.ts';
import { CONFIG, FakeTransport, HELLO, WELCOME } from './testing/fake-transport.ts';

const ADDRESS = { protocol: 'https:', host: 'localhost:4433', origin: 'https://localhost:4433' };

let wt: FakeTransport;
let ws: FakeTransport;
let states: State[];
let storage: Memory;
let connection: Connection;

function build(transport?: Transport, mayResume = false, early?: EarlyLink): void {
  connection = new Connection(
    {
      openers: { webtransport: wt.open, websocket: ws.open },
      config: async () => CONFIG,
      greeting: () => HELLO,
      transport,
      early,
      storage,
      words: wordsFor(ADDRESS),
      mayResume,
      random: () => 0.5,
    },
    {
      welcome: () => undefined,
      roster: () => undefined,
      frame: () => undefined,
      refused: () => undefined,
      copies: () => undefined,
      said: () => undefined,
      announcement: () => undefined,
      state: (state) => states.push(state),
    },
  );
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
/** Passes time with a server that keeps answering. */
async function keepUp(ms: number): Promise<void> {
  for (let at = 0; at < ms + 100; at += 1000) {
    ws.last.events.datagram(Uint8Array.of(0x51));
    await pass(1000);
  }
}
const live = (): State | undefined => states.find((s) => s.phase === 'live');

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  wt = new FakeTransport('webtransport', 100);
  ws = new FakeTransport('websocket', 20);
  states = [];
  storage = new Memory();
  build();
});

afterEach(() => {
  connection.close();
  vi.useRealTimers();
});

describe('the race', () => {
  it('is over before WebSocket starts when WebTransport opens in time', async () => {
    connection.connect();
    await pass(1000);
    wt.last.events.message(WELCOME);
    expect(ws.opens.length).toBe(0);
    expect(live()).toEqual({ phase: 'live', transport: 'webtransport', lost: undefined });
  });

  it('lets WebSocket win when nothing answers over UDP, and cancels the other', async () => {
    wt.after = 1e9;
    connection.connect();
    await pass(HEAD_START_MS + 50);
    ws.last.events.message(WELCOME);
    expect(live()).toEqual({ phase: 'live', transport: 'websocket', lost: undefined });
    await keepUp(OPEN_TIMEOUT_MS);
    expect(states.at(-1)).toMatchObject({ lost: expect.stringContaining('got no answer from') });
    expect(wt.last.aborted).toBe(true);
    expect(wt.last.sent.length).toBe(0);
  });

  it('does not call UDP blocked when it was only slower, and tries it again', async () => {
    wt.after = 3000;
    connection.connect();
    await pass(HEAD_START_MS + 50);
    ws.last.events.message(WELCOME);
    await keepUp(4000);
    expect(states.at(-1)).toMatchObject({ lost: 'took longer to open this time' });
    expect(wt.last.closed).toBe(true);
    wt.last.events.end({ code: undefined, reason: 'closed late' });
    expect(states.at(-1)).toMatchObject({ phase: 'live' });
    ws.last.events.end({ code: undefined, reason: '' });
    await pass(1000);
    expect(wt.opens.length).toBe(2);
  });

  it('does not count time during which the page was busy', async () => {
    wt.after = 400;
    connection.connect();
    await pass(1);
    // A long task: everything that came due meanwhile runs at once, timers first.
    vi.advanceTimersByTime(2000);
    await pass(0);
    wt.last.events.message(WELCOME);
    expect(ws.opens.length).toBe(0);
    expect(live()).toMatchObject({ transport: 'webtransport' });
  });

  it('does not wait for the head start when WebTransport fails', async () => {
    wt.fails = true;
    connection.connect();
    await pass(130);
    ws.last.events.message(WELCOME);
    expect(live()).toMatchObject({ transport: 'websocket' });
    await pass(1);
    expect(states.at(-1)).toMatchObject({ lost: expect.stringContaining('was refused at') });
  });

  it('cancels WebSocket when WebTransport is only a little late', async () => {
    wt.after = 600;
    ws.after = 5000;
    connection.connect();
    await pass(700);
    wt.last.events.message(WELCOME);
    expect(live()).toMatchObject({ transport: 'webtransport' });
    expect(ws.last.aborted).toBe(true);
  });

  it('remembers that WebSocket won, for a while', async () => {
    wt.fails = true;
    connection.connect();
    await pass(200);
    ws.last.events.message(WELCOME);
    ws.last.events.end({ code: undefined, reason: '' });
    await pass(2000);
    expect(wt.opens.length).toBe(1);
    expect(ws.opens.length).toBe(2);
    await pass(10 * 60_000);
    connection.connect();
    await pass(200);
    expect(wt.opens.length).toBe(2);
  });

  it('tries only a forced transport, and gives up on silence', async () => {
    wt.after = 1e9;
    build('webtransport');
    connection.connect();
    await pass(OPEN_TIMEOUT_MS + 1);
    expect(ws.opens.length).toBe(0);
    const reason = expect.stringContaining('WebTransport got no answer');
    expect(states.at(-1)).toMatchObject({ phase: 'waiting', reason });
  });

  it('reports both reasons when both fail', async () => {
    wt.fails = true;
    ws.fails = true;
    connection.connect();
    await pass(300);
    expect(states.at(-1)).toMatchObject({
      phase: 'waiting',
      reason: expect.stringMatching(/^WebTransport was refused.*\. WebSocket did not open/),
    });
  });
});

describe('an early link', () => {
  it('is greeted once there is a session, and replaced if the server gave it up', async () => {
    const options = {
      openers: { webtransport: wt.open, websocket: ws.open },
      storage,
      words: wordsFor(ADDRESS),
    };
    const early = new EarlyLink({ ...options, transport: undefined }, CONFIG);
    await pass(1000);
    expect(wt.last.sent).toEqual([]);
    build(undefined, false, early);
    connection.connect();
    await pass(10);
    expect(wt.opens.length).toBe(1);
    expect(wt.last.sent[0]![0]).toBe(0);
    wt.last.events.message(WELCOME);
    expect(live()).toMatchObject({ transport: 'webtransport' });

    const late = new EarlyLink({ ...options, transport: undefined }, CONFIG);
    await pass(1000);
    wt.last.events.end({ code: 8, reason: '' });
    build(undefined, false, late);
    connection.connect();
    await pass(1000);
    expect(wt.opens.length).toBe(3);
    expect(wt.last.sent[0]![0]).toBe(0);
  });
});

describe('a WebSocket that falls silent', () => {
  const pong = Uint8Array.of(0x51);
  const token = [1, ...new Array(16).fill(0xbb)];

  /** A live WebSocket, heard at this moment; the next takes `after` ms to open. */
  async function silent(after: number): Promise<FakeTransport['last']> {
    build('websocket');
    connection.connect();
    await pass(100);
    ws.last.events.message(WELCOME);
    await keepUp(2000);
    ws.last.events.datagram(pong);
    ws.after = after;
    return ws.last;
  }

  it('is replaced by a second one, without a moment of being lost', async () => {
    const first = await silent(1e9);
    await pass(1400);
    expect(ws.opens.length).toBe(1);
    await pass(700);
    expect(ws.opens.length).toBe(2);
    // The network is away: each attempt gets a second.
    const second = ws.last;
    await pass(2500);
    expect(second.aborted).toBe(true);
    expect(ws.opens.length).toBeGreaterThan(3);
    ws.after = 20;
    await pass(1100);
    const { sent, events } = ws.last;
    expect([...sent[0]!.slice(10, 27)]).toEqual(token);
    const dialled = ws.opens.length;
    // The server closes the link that it replaces.
    first.events.message(Uint8Array.of(2, 7, 0, 0));
    first.events.end({ code: 7, reason: '' });
    events.message(WELCOME);
    events.datagram(pong);
    await pass(1000);
    expect(states.map(({ phase }) => phase)).toEqual(['connecting', 'live', 'live']);
    expect(ws.opens.length).toBe(dialled);
    connection.send({ type: 'Budget', budget: 0 });
    expect(sent.length).toBe(2);
  });

  it('is kept when it speaks before the second is open', async () => {
    const first = await silent(600);
    await pass(1700);
    expect(ws.opens.length).toBe(2);
    first.events.datagram(pong);
    await pass(700);
    expect(ws.last.aborted || ws.last.closed).toBe(true);
    expect(ws.last.sent).toEqual([]);
    expect(first.closed).toBe(false);
    expect(ws.opens.length).toBe(2);
  });

  it('gets another chance when the second one ends unwelcomed', async () => {
    const first = await silent(20);
    await pass(1800);
    const second = ws.last;
    expect(second.sent.length).toBe(1);
    second.events.end({ code: undefined, reason: '' });
    await pass(1100);
    expect(ws.opens.length).toBe(3);
    // Then the first ends, and the third goes on.
    first.events.end({ code: undefined, reason: '' });
    ws.last.events.message(WELCOME);
    expect(states.map(({ phase }) => phase)).toEqual(['connecting', 'live', 'live']);
  });

  it('is given up when no second one opens', async () => {
    await silent(1e9);
    await pass(12_000);
    const reason = 'the server stopped answering';
    expect(states).toContainEqual(expect.objectContaining({ phase: 'waiting', reason }));
  });

  it('is not suspected by a page whose timers rarely run', async () => {
    const { setInterval: every, setTimeout: later } = globalThis;
    vi.stubGlobal('setInterval', (run: () => void, ms: number) => every(run, Math.max(ms, 60_000)));
    vi.stubGlobal('setTimeout', (run: () => void, ms: number) => later(run, Math.max(ms, 60_000)));
    build('websocket');
    connection.connect();
    await pass(60_000);
    ws.last.events.message(WELCOME);
    const pings = (): number => ws.last.datagrams.length;
    for (let minute = 0, answered = pings(); minute < 20; minute++) {
      await pass(59_900);
      // The answer to a ping wakes the page.
      if (pings() > answered) ws.last.events.datagram(pong);
      answered = pings();
      await pass(100);
    }
    vi.unstubAllGlobals();
    expect(ws.opens.length).toBe(1);
    expect(pings()).toBeGreaterThan(10);
  });

  it('is left alone over WebTransport, which recovers by itself', async () => {
    connection.connect();
    await pass(200);
    wt.last.events.message(WELCOME);
    await pass(5000);
    expect([wt.opens.length, ws.opens.length]).toEqual([1, 0]);
  });
});

describe('reconnecting', () => {
  it('waits longer after each loss, from 0.5 s to 20 s', () => {
    const waits = (r: number) => [0, 1, 2, 3, 4, 5, 6, 20].map((n) => backoff(n, () => r));
    expect(waits(0.5)).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
    expect(waits(0)).toEqual([500, 750, 1500, 3000, 6000, 12_000, 15_000, 15_000]);
    expect(Math.max(...waits(1))).toBe(20_000);
  });

  it('offers the token to the next link, on either transport', async () => {
    connection.connect();
    await pass(200);
    wt.last.events.message(WELCOME);
    wt.fails = true;
    wt.last.events.end({ code: undefined, reason: 'Connection lost.' });
    expect(states.at(-1)).toMatchObject({ phase: 'waiting', reason: 'Connection lost.' });
    await pass(700);
    const hello = ws.last.sent[0]!;
    expect([...hello.slice(10, 27)]).toEqual([1, ...new Array(16).fill(0xbb)]);
  });

  it('follows the closing', async () => {
    connection.connect();
    await pass(200);
    wt.last.events.message(WELCOME);
    wt.last.events.message(Uint8Array.of(2, 10, 1, 0xfb, 0xe8, 3, 0));
    wt.last.events.end({ code: 10, reason: '' });
    const waiting = states.at(-1) as Extract<State, { phase: 'waiting' }>;
    expect(waiting.code).toBe(10);
    expect(waiting.until - performance.now()).toBe(1500);
    await pass(2000);
    wt.last.events.message(Uint8Array.of(2, 7, 0, 0));
    wt.last.events.end({ code: 7, reason: '' });
    expect(states.at(-1)).toMatchObject({ phase: 'ended', code: 7 });
    await pass(100_000);
    expect(wt.opens.length).toBe(2);
  });

  it('takes a token from before a reload only when allowed to', async () => {
    storage.setItem('gpys.token', new Array(16).fill(1).join(','));
    build(undefined, true);
    connection.connect();
    await pass(200);
    expect(wt.last.sent[0]![10]).toBe(1);
    const sent = wt.last.sent.length;
    // The page is left, and may be back at once.
    connection.close();
    expect(storage.getItem('gpys.token')).not.toBeNull();
    expect(wt.last.sent.length).toBe(sent);
    expect(wt.last.closed).toBe(true);
  });

  it('gives up a silent link, and a server that sends no welcome', async () => {
    connection.connect();
    await pass(6200);
    expect(states.at(-1)).toMatchObject({ reason: 'the server sent no welcome' });
    await pass(1000);
    wt.last.events.message(WELCOME);
    await pass(12_000);
    const reasons = states.map((s) => (s.phase === 'waiting' ? s.reason : ''));
    expect(reasons).toContain('the server stopped answering');
  });
});
