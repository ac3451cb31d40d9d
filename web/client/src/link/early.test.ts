import { describe, expect, it } from 'vitest';
import { EarlyLink, type OpenOptions } from './early.ts';
import type { Config, Link, LinkEnd, LinkEvents } from './link.ts';
import { wordsFor } from './why.ts';

const CONFIG: Config = {
  protocol: 2,
  webtransport: 'https://localhost:4433/wt',
  websocket: 'wss://localhost:4433/ws',
  venue: null,
  map: { style: null, pmtiles: null },
};

class Heard implements LinkEvents {
  messages: Uint8Array[] = [];
  datagrams: Uint8Array[] = [];
  ends: LinkEnd[] = [];
  message = (bytes: Uint8Array): void => void this.messages.push(bytes);
  datagram = (bytes: Uint8Array): void => void this.datagrams.push(bytes);
  end = (end: LinkEnd): void => void this.ends.push(end);
}

function dial(fails = false): { early: EarlyLink; link: Link; server: () => LinkEvents } {
  let server: LinkEvents | undefined;
  const link: Link = {
    transport: 'websocket',
    send: () => undefined,
    sendDatagram: () => true,
    close: () => undefined,
  };
  const open = async (_: Config, events: LinkEvents): Promise<Link> => {
    server = events;
    if (fails) throw new Error('refused');
    return link;
  };
  const options: OpenOptions = {
    openers: { webtransport: open, websocket: open },
    transport: 'websocket',
    words: wordsFor({ protocol: 'https:', host: 'localhost', origin: 'https://localhost' }),
    storage: {} as Storage,
  };
  return { early: new EarlyLink(options, CONFIG), link, server: () => server! };
}

describe('a link opened before its session', () => {
  it('belongs to the session once taken', async () => {
    const { early, link, server } = dial();
    const heard = new Heard();
    expect((await early.take(heard))?.link).toBe(link);
    server().message(Uint8Array.of(1));
    server().datagram(Uint8Array.of(2));
    server().end({ code: 9, reason: 'full' });
    expect(heard.messages).toEqual([Uint8Array.of(1)]);
    expect(heard.datagrams).toEqual([Uint8Array.of(2)]);
    expect(heard.ends).toEqual([{ code: 9, reason: 'full' }]);
  });

  it('is not handed over after the server gave it up', async () => {
    const { early, server } = dial();
    server().end({ code: 8, reason: 'no hello in time' });
    const heard = new Heard();
    expect(await early.take(heard)).toBeUndefined();
    expect(heard.ends).toEqual([]);
  });

  it('reports why it could not be opened', async () => {
    const { early } = dial(true);
    await expect(early.take(new Heard())).rejects.toThrow('WebSocket did not open');
  });
});
