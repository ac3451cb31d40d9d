import { afterEach, expect, it, vi } from 'vitest';
import type { Config, Link } from './link.ts';
import { openWebSocket } from './websocket.ts';

class FakeSocket {
  readonly OPEN = 1;
  static last: FakeSocket;
  readonly readyState = 1;
  readonly sent: Uint8Array[] = [];
  bufferedAmount = 0;
  onopen: (() => void) | undefined;

  constructor() {
    FakeSocket.last = this;
  }

  send(bytes: Uint8Array): void {
    this.sent.push(bytes);
  }

  close(): void {}
}

async function open(): Promise<{ link: Link; socket: FakeSocket }> {
  vi.stubGlobal('WebSocket', FakeSocket);
  const events = { message: vi.fn(), datagram: vi.fn(), end: vi.fn() };
  const config = { websocket: 'wss://here/ws' } as Config;
  const opening = openWebSocket(config, events, new AbortController().signal);
  const socket = FakeSocket.last;
  socket.onopen?.();
  return { link: await opening, socket };
}

afterEach(() => vi.unstubAllGlobals());

it('drops a datagram rather than queueing it', async () => {
  const { link, socket } = await open();
  expect(link.sendDatagram(new Uint8Array(22))).toBe(true);
  socket.bufferedAmount = 22;
  expect(link.sendDatagram(new Uint8Array(22))).toBe(false);
  socket.bufferedAmount = 5;
  expect(link.sendDatagram(new Uint8Array(5))).toBe(false);
  expect(socket.sent.length).toBe(1);
});

it('sends although Firefox always reports one unsent byte', async () => {
  const { link, socket } = await open();
  socket.bufferedAmount = 1;
  expect(link.sendDatagram(new Uint8Array(5))).toBe(true);
});
