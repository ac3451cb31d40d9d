import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Link, Transport } from './link/link.ts';
import { Session } from './session.ts';
import { HELLO, WELCOME } from './testing/fake-transport.ts';
import { PADDING } from './wire/datagram.ts';

class FakeLink implements Link {
  readonly sent: Uint8Array[] = [];

  constructor(readonly transport: Transport) {}

  send(): void {}

  sendDatagram(bytes: Uint8Array<ArrayBuffer>): boolean {
    this.sent.push(bytes);
    return true;
  }

  close(): void {}

  get paddings(): Uint8Array[] {
    return this.sent.filter((bytes) => bytes[0] === PADDING[0]);
  }
}

/** A session that was just welcomed. */
function welcomed(transport: Transport): { session: Session; link: FakeLink } {
  const none = () => {};
  const session = new Session({
    welcome: none,
    roster: none,
    frame: none,
    refused: none,
    copies: none,
    said: none,
    announcement: none,
    suspect: none,
    end: none,
  });
  const link = new FakeLink(transport);
  session.start(link, HELLO);
  session.message(WELCOME);
  return { session, link };
}

describe('a session that hears nothing', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('sends enough for the server to answer a new address, until it hears again', () => {
    const { session, link } = welcomed('webtransport');
    vi.advanceTimersByTime(1400);
    expect(link.paddings).toHaveLength(0);
    vi.advanceTimersByTime(800);
    expect(link.paddings.length).toBeGreaterThan(0);
    // A little more than a third of a packet.
    expect(link.paddings.every((bytes) => bytes.length >= 400)).toBe(true);
    session.datagram(new Uint8Array([0x7f]));
    const before = link.paddings.length;
    vi.advanceTimersByTime(1400);
    expect(link.paddings).toHaveLength(before);
    session.close();
    vi.advanceTimersByTime(10_000);
    expect(link.paddings).toHaveLength(before);
  });

  it('sends none over TCP', () => {
    const { link } = welcomed('websocket');
    vi.advanceTimersByTime(5000);
    expect(link.paddings).toHaveLength(0);
  });
});
