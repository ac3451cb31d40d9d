/** Access tokens: asked for anew when their time is over, and what they do not allow. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as pathOf } from 'node:path';
import { join } from '@gpys/client';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { type Served, serve } from './index.ts';

let folder: string;
let keys: string;
let server: Served;
beforeAll(async () => {
  folder = mkdtempSync(pathOf(tmpdir(), 'gpys-keys-'));
  keys = pathOf(folder, 'keys.toml');
  execFileSync(process.env.GPYS!, ['token', '--new-keys', keys]);
  server = await serve({ args: ['--access-keys', keys] });
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

function token(...flags: string[]): string {
  const args = ['token', '--keys', keys, '--room', 'lobby', ...flags];
  return execFileSync(process.env.GPYS!, args, { encoding: 'utf8' }).trim();
}

it('are asked for anew when their time is over, and nobody leaves', async () => {
  const watcher = await join(server.url, { token: () => token(), WebSocket });
  const gone: string[] = [];
  watcher.on('leave', (it) => gone.push(it.name));
  const tokens = vi.fn(async () => token('--for', '2s'));
  const ada = await join(server.url, { name: 'Ada', token: tokens, WebSocket });
  const { id } = ada.me;
  const phases: string[] = [];
  ada.status.subscribe(({ phase }) => phases.at(-1) === phase || phases.push(phase));
  await vi.waitFor(() => expect(phases.filter((it) => it === 'live').length).toBe(2), 20_000);
  expect(tokens).toHaveBeenCalledTimes(2);
  expect(phases).not.toContain('ended');
  expect(ada.me.id).toBe(id);
  expect([...watcher.people.keys()]).toEqual([id]);
  expect(gone).toEqual([]);
  await Promise.all([ada.leave(), watcher.leave()]);
});

it('may allow to watch only', async () => {
  const ada = await join(server.url, { token: () => token('--rights', 'view'), WebSocket });
  expect(ada.me.mayShare).toBe(false);
  expect(ada.me.move({ lat: 45, lng: 14 })).toBe(false);
  expect(ada.status.value.phase).toBe('live');
  await ada.leave();
});

it('are needed', async () => {
  const forbidden = { close: 'forbidden' };
  await expect(join(server.url, { WebSocket })).rejects.toMatchObject(forbidden);
  const other = join(server.url, { room: 'other', token: () => token(), WebSocket });
  await expect(other).rejects.toMatchObject(forbidden);
  const failing = join(server.url, {
    token: () => Promise.reject(new Error('no luck')),
    WebSocket,
  });
  await expect(failing).rejects.toThrow('no luck');
});
