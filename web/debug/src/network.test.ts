import type { Config, Link, LinkEvents, Opener, Transport } from '@gpys/client';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { BadNetwork } from './network.ts';

let sent: number[];
let inner: LinkEvents;
let heard: string[];

beforeEach(() => {
  vi.useFakeTimers();
  [sent, heard] = [[], []];
});
afterEach(() => vi.useRealTimers());

async function through(network: BadNetwork, transport: Transport): Promise<Link> {
  const open: Opener = async (_config, events) => {
    inner = events;
    const take = (bytes: Uint8Array): boolean => sent.push(bytes[0]!) > 0;
    return { transport, send: take, sendDatagram: take, close: () => void sent.push(-1) };
  };
  const events: LinkEvents = {
    message: ([it]) => heard.push(`message ${it}`),
    datagram: ([it]) => heard.push(`datagram ${it}`),
    end: () => heard.push('end'),
  };
  return network.wrap(open)({} as Config, events, new AbortController().signal);
}

const of = (it: number) => Uint8Array.of(it);
/** Loses what the given numbers, from 1, name. */
const losing = (...which: number[]): (() => number) => {
  let n = 0;
  return () => (which.includes(++n) ? 0 : 1);
};

it('lets everything pass at once in good weather, and counts it', async () => {
  const network = new BadNetwork();
  const link = await through(network, 'webtransport');
  link.send(of(1));
  link.sendDatagram(of(2));
  inner.message(of(3));
  inner.datagram(of(4));
  inner.end({ code: undefined, reason: '' });
  expect(sent).toEqual([1, 2]);
  expect(heard).toEqual(['message 3', 'datagram 4', 'end']);
  const counts = { received: 2, receivedBytes: 2, sent: 2, sentBytes: 2, lost: 0 };
  expect(network.traffic).toEqual(counts);
});

it('delays each way', async () => {
  const link = await through(new BadNetwork({ delay: 50 }), 'webtransport');
  link.sendDatagram(of(1));
  inner.datagram(of(2));
  link.close();
  vi.advanceTimersByTime(49);
  expect([sent, heard]).toEqual([[], []]);
  vi.advanceTimersByTime(1);
  expect([sent, heard]).toEqual([[1, -1], ['datagram 2']]);
});

it('loses datagrams of WebTransport for good', async () => {
  const network = new BadNetwork({ loss: 0.5 }, losing(1));
  const link = await through(network, 'webtransport');
  for (const it of [1, 2, 3]) link.sendDatagram(of(it));
  vi.advanceTimersByTime(10_000);
  expect(sent).toEqual([2, 3]);
  expect(network.traffic.lost).toBe(1);
});

it('repeats what WebSocket loses, and what follows waits', async () => {
  const link = await through(new BadNetwork({ delay: 10, loss: 0.5 }, losing(2)), 'websocket');
  for (const it of [1, 2, 3]) link.sendDatagram(of(it));
  vi.advanceTimersByTime(10);
  expect(sent).toEqual([1]);
  vi.advanceTimersByTime(219);
  expect(sent).toEqual([1]);
  vi.advanceTimersByTime(1);
  expect(sent).toEqual([1, 2, 3]);
});
