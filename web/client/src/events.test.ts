import { expect, it, vi } from 'vitest';
import { Emitter } from './events.ts';

it('calls every listener, whatever one of them throws', async () => {
  const thrown: unknown[] = [];
  const heard = vi.fn();
  const events = new Emitter<{ it: number }>();
  vi.stubGlobal('queueMicrotask', (run: () => void) => {
    try {
      run();
    } catch (error) {
      thrown.push(error);
    }
  });
  events.on('it', () => {
    throw new Error('mine');
  });
  const off = events.on('it', heard);
  events.emit('it', 7);
  off();
  events.emit('it', 8);
  vi.unstubAllGlobals();
  expect(heard.mock.calls).toEqual([[7]]);
  expect(thrown).toEqual([new Error('mine'), new Error('mine')]);
});
