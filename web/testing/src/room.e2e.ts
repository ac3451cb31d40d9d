/** The SDK over WebSocket in Node, against the real server. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { flag, isFinal, JoinError, join, plane, q, type Room, state, u8 } from '@gpys/client';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { type Served, serve } from './index.ts';

const Look = state({ x: q(0, 4096, 0.5), tool: u8, on: flag });
type Profile = { colour: string };

let server: Served;
const rooms: Room<never, never, never>[] = [];

beforeAll(async () => {
  server = await serve({ args: ['--max-people', '4'] });
});
afterAll(() => server.stop());
afterEach(async () => {
  for (const room of rooms.splice(0)) await room.leave();
});

/** Joins a board, a plane with state. */
async function board(name: string, room: string, more: object = {}) {
  const joined = await join(`${server.url}/r/${room}`, {
    name,
    state: Look,
    space: plane(),
    profile: { colour: 'red' } as Profile,
    WebSocket,
    ...more,
  });
  rooms.push(joined as unknown as (typeof rooms)[0]);
  return joined;
}

/** Resolves once it is so. */
const until = <T>(what: () => T | undefined | false): Promise<T> =>
  vi.waitFor(
    () => {
      const found = what();
      if (!found) throw new Error('not yet');
      return found;
    },
    { timeout: 10_000, interval: 10 },
  );

/** Logs who enters, leaves and changes. */
function log(room: Awaited<ReturnType<typeof board>>): string[] {
  const lines: string[] = [];
  for (const what of ['enter', 'leave', 'change'] as const) {
    room.on(what, (it) => lines.push(`${what} ${it.name}`));
  }
  return lines;
}

describe('two programs on a plane', () => {
  it('see each other come, move, change and go', async () => {
    const ada = await board('Ada', 'two');
    const lines = log(ada);
    const bob = await board('Bob', 'two');
    expect([...bob.people.values()].map((it) => it.name)).toEqual(['Ada']);
    const seen = await until(() => ada.people.get(bob.me.id));
    expect(seen).toMatchObject({ name: 'Bob', profile: { colour: 'red' }, presence: 'watching' });
    expect(seen.at()).toBeUndefined();

    bob.me.state = { x: 10.5, tool: 7, on: true };
    expect(bob.me.move({ x: 100, y: -50 })).toBe(true);
    const at = await until(() => seen.at());
    expect(at).toMatchObject({ x: 100, y: -50, accuracy: null, orientation: undefined });
    expect(at.age).toBeLessThan(5000);
    expect(seen.state).toEqual({ x: 10.5, tool: 7, on: true });

    bob.me.move({ x: 300, y: 40 });
    await until(() => seen.at()?.x === 300 && seen.at()?.y === 40);
    bob.me.state = { x: 1, tool: 0, on: false };
    await until(() => seen.state?.tool === 0);

    bob.me.profile = { colour: 'blue' };
    bob.me.name = 'Robert';
    await until(() => seen.name === 'Robert' && seen.profile?.colour === 'blue');
    await until(() => bob.me.name === 'Robert');

    bob.me.move(null);
    await until(() => seen.at() === undefined && seen.presence === 'watching');
    await bob.leave();
    await until(() => ada.people.size === 0);
    expect(lines[0]).toBe('enter Bob');
    expect(lines.at(-1)).toBe('leave Robert');
    expect(lines.slice(1, -1).every((it) => it.startsWith('change'))).toBe(true);
  });

  it('say things to the room, to those near, and to one', async () => {
    const ada = await board('Ada', 'talk');
    const bob = await board('Bob', 'talk');
    const heard = bob.messages<{ e: string } | null>('emoji');
    const next = async () => (await heard.next()).value!;
    await until(() => ada.people.get(bob.me.id));
    expect(ada.say('emoji', { e: '👋' })).toBe(true);
    expect(await next()).toMatchObject({ body: { e: '👋' }, to: 'Room', topic: 'emoji' });
    ada.say('other', 1);
    ada.say('emoji', undefined, { to: ada.people.get(bob.me.id)! });
    const personal = await next();
    expect(personal).toMatchObject({ body: null, to: 'Peer' });
    expect(personal.from).toBe(bob.people.get(ada.me.id));
    ada.me.move({ x: 0, y: 0 });
    bob.me.move({ x: 10, y: 0 });
    await until(() => ada.people.get(bob.me.id)?.at());
    ada.say('emoji', { e: 'near' }, { to: 'near', reliable: false });
    expect(await next()).toMatchObject({ body: { e: 'near' }, to: 'Near' });
    expect(() => ada.say('emoji', 'x'.repeat(600))).toThrow('602 bytes; 512 are the most');
    const refused = new Promise((done) => ada.on('refused', done));
    ada.say('no topic!', 1);
    expect(await refused).toMatchObject({ reason: expect.stringContaining('topic') });
    await bob.leave();
    expect(await heard.next()).toMatchObject({ done: true });
  });

  it('see only what they look at', async () => {
    const ada = await board('Ada', 'far', { look: { left: 0, bottom: 0, right: 100, top: 100 } });
    const bob = await board('Bob', 'far');
    bob.me.move({ x: 1e6, y: 1e6 });
    const seen = await until(() => ada.people.get(bob.me.id));
    await until(() => seen.presence === 'sharing');
    expect(seen.at()).toBeUndefined();
    ada.look({ left: 999_000, bottom: 999_000, right: 1_001_000, top: 1_001_000 });
    expect(await until(() => seen.at())).toMatchObject({ x: 1e6, y: 1e6 });
    expect(() => ada.look({ left: 0, bottom: 0, right: 1, top: -1 })).toThrow(RangeError);
    expect(() => ada.me.move({ x: Number.NaN, y: 0 })).toThrow('finite');
  });
});

it('people on the earth have degrees, an accuracy and motion', async () => {
  const options = { WebSocket, room: 'earth' };
  const ada = await join(server.url, {
    ...options,
    look: { south: 40, west: 10, north: 50, east: 20 },
  });
  const bob = await join(server.url, options);
  bob.me.move({ lat: 45.75, lng: 14.36, accuracy: 8, speed: 10, course: 0 });
  const seen = await until(() => ada.people.get(bob.me.id)?.at());
  expect(seen.lat).toBeCloseTo(45.75, 3);
  // The first frame may leave it out.
  await until(() => (ada.people.get(bob.me.id)?.at()?.accuracy ?? 0) >= 8);
  // Ten metres a second northwards.
  await until(() => ada.people.get(bob.me.id)!.at()!.lat > seen.lat);
  bob.me.hidden = true;
  await until(() => ada.people.get(bob.me.id)?.presence === 'hidden');
  bob.me.share({ approximate: true });
  await until(() => (ada.people.get(bob.me.id)?.at()?.accuracy ?? 0) > 900);
  await Promise.all([ada.leave(), bob.leave()]);
});

describe('a room', () => {
  it('says how it is connected', async () => {
    const ada = await board('Ada', 'status');
    const bob = await board('Bob', 'status');
    const phases: string[] = [];
    ada.status.subscribe(({ phase }) => phases.push(phase));
    let x = 0;
    const timer = setInterval(() => bob.me.move({ x: x++, y: 0 }), 50);
    const status = await until(() => ada.status.value.age !== undefined && ada.status.value);
    clearInterval(timer);
    expect(status).toMatchObject({ phase: 'live', transport: 'websocket', close: undefined });
    expect(status.roundTrip).toBeGreaterThanOrEqual(0);
    expect(Math.abs(ada.clock.at() - bob.clock.at())).toBeLessThan(50);
    expect(ada.clock.local(ada.clock.at(1e6))).toBeCloseTo(1e6, -1);
    await ada.leave();
    expect(phases.at(-1)).toBe('ended');
    expect(ada.status.value.close).toBe('bye');
    expect(ada.say('topic', 1)).toBe(false);
  });

  it('survives a restart of the server without a leave or an enter', async () => {
    const folder = mkdtempSync(`${tmpdir()}/gpys-secret-`);
    const secret = `${folder}/identity.key`;
    writeFileSync(secret, randomBytes(32));
    const own = await serve({ args: ['--identity-secret', secret] });
    try {
      const options = { WebSocket, room: 'again' };
      const ada = await join(own.url, { ...options, name: 'Ada' });
      const bob = await join(own.url, { ...options, name: 'Bob' });
      const seen = await until(() => ada.people.get(bob.me.id));
      const lines: string[] = [];
      for (const what of ['enter', 'leave'] as const) ada.on(what, (it) => lines.push(it.name));
      await own.restart();
      await until(() => ada.status.value.phase === 'live' && seen.presence === 'watching');
      expect(ada.people.get(bob.me.id)).toBe(seen);
      expect(lines).toEqual([]);
      await Promise.all([ada.leave(), bob.leave()]);
    } finally {
      await own.stop();
      rmSync(folder, { recursive: true });
    }
  });

  it('ends when its signal is aborted', async () => {
    const bob = await board('Bob', 'signal');
    const abort = new AbortController();
    const ada = await board('Ada', 'signal', { signal: abort.signal });
    await until(() => bob.people.size === 1);
    abort.abort();
    await until(() => bob.people.size === 0);
    expect(ada.status.value.phase).toBe('ended');
    const aborted = board('Cyd', 'signal', { signal: AbortSignal.abort(new Error('enough')) });
    await expect(aborted).rejects.toThrow('enough');
  });
});

describe('joining', () => {
  it('says why it fails', async () => {
    const nobody = join('http://127.0.0.1:9/', { WebSocket });
    await expect(nobody).rejects.toThrow('the server cannot be reached');
    await board('Ada', 'kind');
    const wrong = join(`${server.url}/r/kind`, { WebSocket });
    const error = await wrong.catch((it: unknown) => it);
    expect(error).toBeInstanceOf(JoinError);
    expect(error).toMatchObject({ close: 'wrong-kind' });
    expect(isFinal((error as JoinError).close!)).toBe(true);
    const badRoom = join(server.url, { room: 'No Such', WebSocket });
    await expect(badRoom).rejects.toMatchObject({ close: 'bad-room' });
    const long = join(server.url, { profile: 'x'.repeat(600), WebSocket });
    await expect(long).rejects.toThrow('512 are the most');
  });

  it('says what is missing in a runtime without WebSocket', async () => {
    vi.stubGlobal('WebSocket', undefined);
    await expect(join(server.url)).rejects.toThrow('no WebSocket here: give one');
    vi.unstubAllGlobals();
  });
});
