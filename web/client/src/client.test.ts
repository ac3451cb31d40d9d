import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Client } from './client.ts';
import type { ClientOptions } from './options.ts';
import { CONFIG, FakeTransport, HELLO, WELCOME, welcomeTo } from './testing/fake-transport.ts';
import { MOVING_TAG, POSE_TAG } from './wire/datagram.ts';
import { packState } from './wire/kind.ts';
import { SAID_TAG, SAY_TAG } from './wire/say.ts';
import { type ClientMessage, encodeMessage, Presence } from './wire/wire.ts';

const VIEWPORT = { south: -10, west: -20, north: 30, east: 40, zoom: 120 };
const EXACT = { approximate: false, seconds: 0 };
/** A roster that says that peer 5 watches. */
const DENIAL = Uint8Array.of(1, 100, 0, 0, 1, 5, 1, 0, 1, 0, 0);
/** The server asks for copies of poses. */
const COPIES = Uint8Array.of(4, 1);
const FAREWELL = Uint8Array.of(2, 0, 0, 0);

let wt: FakeTransport;
let client: Client;

function options(more: Partial<ClientOptions> = {}): ClientOptions {
  const openers = { webtransport: wt.open, websocket: wt.open };
  return { openers, transport: 'webtransport', config: async () => CONFIG, ...more };
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const bytes = (message: ClientMessage): number[] => [...encodeMessage(message)];
const sent = (): number[][] => wt.last.sent.map((it) => [...it]);
const poses = (): number => wt.last.datagrams.filter((it) => it[0] === POSE_TAG).length;

async function join(more: Partial<ClientOptions> = {}): Promise<void> {
  client = new Client(options(more));
  client.connect();
  await pass(100);
  wt.last.events.message(WELCOME);
}

async function comeBack(): Promise<void> {
  wt.last.events.end({ code: undefined, reason: '' });
  await pass(1000);
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  wt = new FakeTransport('webtransport', 100);
});

afterEach(() => {
  client?.close();
  vi.useRealTimers();
});

describe('a client', () => {
  it('greets with its options, and repeats them once welcomed', async () => {
    const sharing = { approximate: true, seconds: 60 };
    await join({ room: 'stage', name: 'Ada', viewport: VIEWPORT, access: 'a.b.c', sharing });
    const hello = { room: 'stage', name: 'Ada', viewport: VIEWPORT, access: 'a.b.c', sharing };
    expect(sent()).toEqual([
      bytes({ ...HELLO, ...hello }),
      bytes({ type: 'Sharing', ...sharing }),
      bytes({ type: 'Presence', presence: Presence.Sharing }),
      bytes({ type: 'Viewport', ...VIEWPORT }),
    ]);
  });

  it('sends slow poses twice when the server asks for that, on this link only', async () => {
    await join();
    wt.last.events.message(COPIES);
    client.send({ lat: 46, lng: 14 });
    await pass(500);
    expect(poses()).toBe(2);
    await comeBack();
    wt.last.events.message(WELCOME);
    await pass(500);
    expect(poses()).toBe(1);
  });

  it('asks every link for as many frames as it can use', async () => {
    const pace = (max_frames_hz: number) => bytes({ type: 'Pace', max_frames_hz });
    await join({ maxFramesHz: 60 });
    expect(sent()).toContainEqual(pace(60));
    client.setMaxFramesHz(1);
    client.setMaxFramesHz(1);
    expect(sent().filter(([number]) => number === 6)).toEqual([pace(60), pace(1)]);
    await comeBack();
    wt.last.events.message(WELCOME);
    expect(sent().filter(([number]) => number === 6)).toEqual([pace(1)]);
    client.setMaxFramesHz(0);
    expect(sent().at(-1)).toEqual(pace(0));
  });

  it('includes what is set right before the hello', async () => {
    client = new Client(options());
    client.on('hello', () => client.setPresence(Presence.Watching));
    client.connect();
    await pass(100);
    expect(sent()).toEqual([bytes({ ...HELLO, presence: Presence.Watching })]);
  });

  it('keeps what was set, and the remaining time, for the next link', async () => {
    await join();
    client.setViewport(VIEWPORT);
    client.setBudget(9000);
    client.setSharing({ approximate: true, seconds: 60 });
    await pass(5000);
    wt.last.events.end({ code: undefined, reason: '' });
    await pass(800);
    const hello = {
      resume: new Uint8Array(16).fill(0xbb),
      viewport: VIEWPORT,
      budget: 9000,
      sharing: { approximate: true, seconds: 55 },
    };
    expect(sent()[0]).toEqual(bytes({ ...HELLO, ...hello }));
  });

  it('comes back watching if its time ran out without a link', async () => {
    await join({ sharing: { approximate: false, seconds: 1 } });
    const withdrawn = vi.fn();
    client.on('withdrawn', withdrawn);
    client.send({ lat: 1, lng: 2 });
    await pass(500);
    await comeBack();
    const resume = new Uint8Array(16).fill(0xbb);
    expect(sent()[0]).toEqual(bytes({ ...HELLO, resume, presence: Presence.Watching }));
    expect(withdrawn).toHaveBeenCalledOnce();
    wt.last.events.message(WELCOME);
    await pass(1000);
    expect(poses()).toBe(0);
  });

  it('sends the same presence once', async () => {
    await join();
    const before = sent().length;
    client.setPresence(Presence.Sharing);
    expect(sent().length).toBe(before);
    client.setPresence(Presence.Hidden);
    expect(sent().at(-1)).toEqual(bytes({ type: 'Presence', presence: Presence.Hidden }));
  });

  it('repeats its pose after a change to exact sharing', async () => {
    await join({ sharing: { approximate: true, seconds: 0 } });
    client.send({ lat: 1, lng: 2 });
    await pass(100);
    expect(poses()).toBe(1);
    client.setSharing(EXACT);
    await pass(600);
    expect(poses()).toBe(2);
    client.send(null);
    await pass(6000);
    expect(poses()).toBe(2);
  });

  it('replaces its link for a new token', async () => {
    await join();
    client.setAccess('d.e.f');
    await pass(100);
    const resume = new Uint8Array(16).fill(0xbb);
    expect(sent()).toEqual([bytes({ ...HELLO, resume, access: 'd.e.f' })]);
    expect(wt.opens.length).toBe(2);
  });

  it('changes its name and profile on the link that it has', async () => {
    await join({ name: 'Ada' });
    client.setName('Ada');
    client.setName('Béla');
    client.setProfile('{"hue":7}');
    expect(sent().slice(-2)).toEqual([
      bytes({ type: 'Name', name: 'Béla' }),
      bytes({ type: 'Profile', profile: '{"hue":7}' }),
    ]);
    expect(sent().length).toBe(5);
    await comeBack();
    const resume = new Uint8Array(16).fill(0xbb);
    const hello = { ...HELLO, resume, name: 'Béla', profile: '{"hue":7}' };
    expect(sent()[0]).toEqual(bytes(hello));
    // What is set while the welcome is on its way is not lost.
    client.setName('Cy');
    wt.last.events.message(WELCOME);
    expect(sent().at(-1)).toEqual(bytes({ type: 'Name', name: 'Cy' }));
    expect(sent().filter(([number]) => number === 8)).toEqual([]);
  });

  it('says what kind of room it wants, and keeps to the kind that it gets', async () => {
    const space = { type: 'Plane', unit: 'px', step: 0.5 } as const;
    const fields = [
      { name: 'tool', values: { type: 'Unsigned', bits: 4 } },
      { name: 'down', values: { type: 'Flag' } },
    ] as const;
    client = new Client(options({ space, layout: { fields } }));
    client.connect();
    await pass(100);
    expect(sent()).toEqual([bytes({ ...HELLO, space, layout: { fields } })]);
    const plane = [1, 2, ...[112, 120], ...[0, 0, 0, 0, 0, 0, 0xe0, 0x3f]];
    const layout = [2, 4, ...[116, 111, 111, 108], 1, 4, 4, ...[100, 111, 119, 110], 0];
    wt.last.events.message(welcomeTo(...plane, ...layout));
    client.send({ x: 10, y: -2, speed: 5, course: 90, state: packState({ fields }, [9, 1]) });
    await pass(100);
    const pose = wt.last.datagrams.find((it) => it[0] === MOVING_TAG)!;
    const view = new DataView(pose.buffer);
    expect([view.getInt32(9, true), view.getInt32(13, true)]).toEqual([-4 * 7 - 1, 20 * 7 + 2]);
    // Ten steps a second, a quarter of a turn, and the state.
    expect([...pose.slice(22)]).toEqual([95, 64, 0b11001]);
    client.send({ x: Number.NaN, y: 0 });
    await pass(1000);
    expect(wt.last.datagrams.filter((it) => it[0] === MOVING_TAG).length).toBeGreaterThan(1);
  });

  it('says something on either lane', async () => {
    const say = { to: { type: 'Peer', id: 9 }, topic: 'hi', body: Uint8Array.of(1, 2) } as const;
    await join();
    expect(client.say(say)).toBe(true);
    expect(sent().at(-1)).toEqual(bytes({ type: 'Say', ...say }));
    client.say(say, 'datagram');
    client.say({ ...say, to: { type: 'Room' } }, 'datagram');
    expect(wt.last.datagrams.filter((it) => it[0] === SAY_TAG).map((it) => [...it])).toEqual([
      [SAY_TAG, 0, 0, 0, 0, 3, 9, 2, 104, 105, 2, 1, 2],
      [SAY_TAG, 1, 0, 0, 0, 0, 2, 104, 105, 2, 1, 2],
    ]);
    client.host({ type: 'Remove', peer: 9, reason: 'ok' });
    expect(sent().at(-1)).toEqual([10, 1, 9, 2, 111, 107]);
    wt.last.events.end({ code: undefined, reason: '' });
    expect(client.say(say)).toBe(false);
    expect(client.say(say, 'datagram')).toBe(false);
  });

  it('hears others once each, and on the datagram lane nothing older', async () => {
    await join();
    const heard: (string | number)[][] = [];
    client.on('said', ({ said, lane }) => heard.push([lane, said.from, said.topic, said.body[0]!]));
    const quick = (time: number, from: number, topic: number, body: number) =>
      wt.last.events.datagram(Uint8Array.of(SAID_TAG, time, 0, 0, 0, from, 0, 1, topic, 1, body));
    wt.last.events.message(Uint8Array.of(5, 9, 0, 1, 97, 1, 1));
    quick(50, 9, 97, 2);
    quick(50, 9, 97, 2);
    quick(40, 9, 97, 3);
    quick(40, 9, 98, 4);
    quick(40, 8, 97, 5);
    quick(60, 9, 97, 6);
    expect(heard.splice(0)).toEqual([
      ['reliable', 9, 'a', 1],
      ['datagram', 9, 'a', 2],
      ['datagram', 9, 'b', 4],
      ['datagram', 8, 'a', 5],
      ['datagram', 9, 'a', 6],
    ]);
    // Peer 9 leaves; what still arrives of it is void.
    wt.last.events.message(Uint8Array.of(1, 100, 0, 1, 9, 0, 1, 0, 0, 0));
    quick(70, 9, 97, 7);
    expect(heard).toEqual([]);
    // Another server has another clock.
    await comeBack();
    wt.last.events.message(WELCOME);
    quick(1, 8, 97, 8);
    expect(heard).toEqual([['datagram', 8, 'a', 8]]);
  });

  it('shows an announcement while it stands', async () => {
    await join();
    const texts: string[] = [];
    client.on('announcement', (text) => texts.push(text));
    const hi = Uint8Array.of(6, 2, 104, 105);
    wt.last.events.message(hi);
    wt.last.events.message(hi);
    wt.last.events.message(Uint8Array.of(6, 0));
    wt.last.events.message(hi);
    await comeBack();
    expect(texts).toEqual(['hi', '', 'hi']);
    wt.last.events.message(WELCOME);
    expect(texts.at(-1)).toBe('');
  });

  it('reports a change only when the view changed', async () => {
    await join();
    const change = vi.fn();
    const off = client.on('change', change);
    wt.last.events.message(DENIAL);
    expect(change).not.toHaveBeenCalled();
    off();
  });
});

describe('the server’s verdict', () => {
  it('is followed after 5 s', async () => {
    await join();
    const withdrawn = vi.fn();
    client.on('withdrawn', withdrawn);
    wt.last.events.message(DENIAL);
    await pass(4900);
    expect(withdrawn).not.toHaveBeenCalled();
    await pass(200);
    expect(withdrawn).toHaveBeenCalledOnce();
    expect(sent().at(-1)).toEqual(bytes({ type: 'Presence', presence: Presence.Watching }));
  });

  it('is ignored if it was only late', async () => {
    await join();
    const withdrawn = vi.fn();
    client.on('withdrawn', withdrawn);
    wt.last.events.message(DENIAL);
    await pass(1000);
    wt.last.events.message(Uint8Array.of(1, 100, 0, 0, 1, 5, 0, 1, 0, 0, 0));
    await pass(5000);
    expect(withdrawn).not.toHaveBeenCalled();
  });
});

describe('leaving', () => {
  it('waits for the farewell, and forgets the token', async () => {
    await join();
    const left = vi.fn();
    void client.leave().then(left);
    expect(sent().at(-1)).toEqual(bytes({ type: 'Leave' }));
    await pass(100);
    expect(left).not.toHaveBeenCalled();
    wt.last.events.message(FAREWELL);
    wt.last.events.end({ code: 0, reason: '' });
    await pass(0);
    expect(left).toHaveBeenCalledOnce();
    expect(client.state).toMatchObject({ phase: 'ended', code: 0 });
    client.connect();
    await pass(100);
    expect(sent()[0]).toEqual(bytes(HELLO));
  });

  it('waits no longer than 2 s', async () => {
    await join();
    const left = vi.fn();
    void client.leave().then(left);
    await pass(2000);
    expect(left).toHaveBeenCalledOnce();
    expect(wt.last.closed).toBe(true);
  });
});
