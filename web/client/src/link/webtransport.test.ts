import { afterEach, expect, it, vi } from 'vitest';
import type { Config } from './link.ts';
import { openWebTransport, splitter, withLength } from './webtransport.ts';

it('reassembles messages however the stream cuts them', () => {
  const messages = [[1], [], [2, 3, 4], new Array(300).fill(9)].map((m) => Uint8Array.from(m));
  const stream = Uint8Array.from(messages.flatMap((m) => [...withLength(m)]));
  for (const size of [1, 2, 3, 7, 1000]) {
    const got: number[][] = [];
    const split = splitter((message) => got.push([...message]));
    for (let i = 0; i < stream.length; i += size) split(stream.subarray(i, i + size));
    expect(got).toEqual(messages.map((m) => [...m]));
  }
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it('treats a late failure as silence, and an early one as a refusal', async () => {
  vi.useFakeTimers();
  for (const [after, fault] of [
    [300, 'refused'],
    [5000, 'silent'],
  ] as const) {
    class Fails {
      readonly closed = Promise.resolve();
      readonly ready = new Promise((_, reject) => {
        setTimeout(() => reject(new Error('Opening handshake failed.')), after);
      });
      close(): void {}
    }
    vi.stubGlobal('WebTransport', Fails);
    const config = { webtransport: 'https://here:4433/wt' } as Config;
    const events = { message: vi.fn(), datagram: vi.fn(), end: vi.fn() };
    const opening = openWebTransport(config, events, new AbortController().signal);
    const failed = expect(opening).rejects.toMatchObject({ fault });
    await vi.advanceTimersByTimeAsync(after);
    await failed;
  }
});
