/** What people copy from the documentation runs. */
import { readFileSync } from 'node:fs';
import * as sdk from '@gpys/client';
import { transformWithOxc } from 'vite';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import * as testing from './index.ts';

let server: testing.Served;
let room: Awaited<ReturnType<typeof sdk.join>> | undefined;
beforeAll(async () => {
  server = await testing.serve();
});
afterAll(() => server.stop());
afterEach(() => room?.leave());

/** The nth block of TypeScript of a page, as a function of what it uses. */
async function snippet(page: string, n: number, ...names: string[]) {
  const text = readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8');
  const block = [...text.matchAll(/```ts\n([\s\S]*?)```/g)][n]![1]!;
  const body = block.replace(/^import .*$/gm, '');
  const { code } = await transformWithOxc(`async () => {${body}}`, 'snippet.ts');
  const make = new Function(...names, `return ${code}`);
  return (...values: unknown[]) => make(...values)() as Promise<void>;
}

/** Joins the test's server, whatever address the documentation names. */
const join: typeof sdk.join = async (url, options) => {
  const { pathname } = new URL(url);
  const joined = await sdk.join(new URL(pathname, server.url), { ...options, WebSocket });
  room = joined as unknown as typeof room;
  return joined;
};

it('the quickstart', async () => {
  const names = ['join', 'plane', 'state', 'q', 'u8', 'flag', 'console'];
  const lines: string[] = [];
  const run = await snippet('docs/SDK.md', 0, ...names);
  const { plane, state, q, u8, flag } = sdk;
  const log = (...words: unknown[]) => lines.push(words.join(' '));
  const running = run(join, plane, state, q, u8, flag, { log });
  await vi.waitFor(() => expect(room).toBeDefined());
  const bob = await sdk.join(`${server.url}/r/board`, { name: 'Bob', space: plane(), WebSocket });
  await vi.waitFor(() => expect(lines).toContain('Bob is here'));
  await vi.waitFor(() => expect([...bob.people.values()][0]?.at()).toMatchObject({ x: 10, y: 20 }));
  bob.say('emoji', { e: '👋' });
  await vi.waitFor(() => expect(lines).toContain('Bob 👋'));
  await bob.leave();
  await vi.waitFor(() => expect(lines).toContain('Bob has left'));
  await room!.leave();
  await running;
});

it('the test of a test', async () => {
  const run = await snippet('docs/SDK.md', 1, 'serve', 'join', 'WebSocket');
  await run(testing.serve, sdk.join, WebSocket);
});

it('the README', async () => {
  const drawn: string[] = [];
  const run = await snippet('README.md', 0, 'join', 'plane', 'draw');
  const options = { space: sdk.plane(), WebSocket };
  const bob = await sdk.join(`${server.url}/r/board`, { ...options, name: 'Bob' });
  // Whoever has just come is told with the next news, which Cyd awaits.
  const cyd = await sdk.join(`${server.url}/r/board`, { ...options, name: 'Cyd' });
  await vi.waitFor(() => expect(bob.people.size + cyd.people.size).toBe(2));
  await run(join, sdk.plane, (name: string) => drawn.push(name));
  expect(drawn.sort()).toEqual(['Bob', 'Cyd']);
  await Promise.all([bob.leave(), cyd.leave()]);
});
