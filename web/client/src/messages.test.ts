import { expect, it, vi } from 'vitest';
import { Messages } from './messages.ts';

it('hand out what was said before and after they are asked', async () => {
  const end = vi.fn();
  const messages = new Messages<string>(end);
  messages.push('before');
  expect(await messages.next()).toEqual({ done: false, value: 'before' });
  const next = messages.next();
  messages.push('after');
  expect(await next).toEqual({ done: false, value: 'after' });
  expect(end).not.toHaveBeenCalled();
});

it('end for all who wait', async () => {
  const end = vi.fn();
  const messages = new Messages<string>(end);
  const waiting = [messages.next(), messages.next()];
  await messages.return();
  for (const it of waiting) expect(await it).toMatchObject({ done: true });
  expect(await messages.next()).toMatchObject({ done: true });
  expect(end).toHaveBeenCalledOnce();
});

it('end when the loop is left', async () => {
  const end = vi.fn();
  const messages = new Messages<number>(end);
  messages.push(1);
  for await (const it of messages) if (it === 1) break;
  expect(end).toHaveBeenCalledOnce();
});

it('drop the oldest if nobody takes them', async () => {
  const messages = new Messages<number>(() => undefined);
  for (let i = 0; i < 1030; i++) messages.push(i);
  expect(await messages.next()).toEqual({ done: false, value: 6 });
});
