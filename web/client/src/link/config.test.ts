import { afterEach, expect, it, vi } from 'vitest';
import { fetchConfig, socketAt } from './config.ts';

const address = { protocol: 'https:', host: 'map.example', origin: 'https://map.example' };

function answer(body: string, status = 200, headers: Record<string, string> = {}): void {
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response(body, { status, headers })),
  );
}

afterEach(() => vi.unstubAllGlobals());

it('takes the WebSocket from the page’s own address, whatever the server says', async () => {
  answer(JSON.stringify({ protocol: 2, websocket: 'ws://127.0.0.1:8080/ws' }));
  expect((await fetchConfig(address)).websocket).toBe('wss://map.example/ws');
  expect(fetch).toHaveBeenCalledWith(
    'https://map.example/config.json?origin=https%3A%2F%2Fmap.example',
    expect.anything(),
  );
  expect(socketAt({ ...address, protocol: 'http:', host: '[::1]:80' })).toBe('ws://[::1]:80/ws');
});

it('reports the answer of the server, or of something else', async () => {
  const text = { 'content-type': 'text/plain; charset=utf-8' };
  answer('this server does not go by the name map.lan\n', 421, text);
  await expect(fetchConfig(address)).rejects.toThrow(
    'the server answered 421: this server does not go by the name map.lan',
  );
  answer('<h1>Bad Gateway</h1>', 502, { 'content-type': 'text/html' });
  await expect(fetchConfig(address)).rejects.toThrow(/^the server answered 502$/);
  for (const other of ['<html>', '{}', 'null']) {
    answer(other);
    await expect(fetchConfig(address)).rejects.toThrow('something other than GPyS');
  }
});

it('says what a page of another origin needs', async () => {
  vi.stubGlobal('fetch', async () => Promise.reject(new TypeError('Failed to fetch')));
  await expect(fetchConfig(address)).rejects.toThrow(/^the server cannot be reached$/);
  await expect(fetchConfig({ ...address, origin: 'http://localhost:5173' })).rejects.toThrow(
    'or does not allow pages of http://localhost:5173 (--allow-origin)',
  );
});

it('measures how far the clocks differ', async () => {
  const date = new Date(Date.now() - 3 * 86_400_000).toUTCString();
  answer('{"protocol":2}', 200, { date });
  expect((await fetchConfig(address)).skew! / 86_400_000).toBeCloseTo(3, 2);
});
