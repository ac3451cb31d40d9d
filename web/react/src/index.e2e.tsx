/** The hooks, in a real React over a real room. */
import { join, type PlaneOption, plane, type Room } from '@gpys/client';
import { type Served, serve } from '@gpys/testing';
import { Window } from 'happy-dom';
import { createRoot } from 'react-dom/client';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { RoomProvider, useMe, usePeople, usePerson, useSay, useStatus } from './index.ts';

type Board = Room<unknown, { colour: string }, PlaneOption>;

let server: Served;
beforeAll(async () => {
  const window = new Window();
  vi.stubGlobal('window', window);
  vi.stubGlobal('document', window.document);
  server = await serve();
});
afterAll(() => server.stop());

const until = (what: () => unknown): Promise<void> =>
  vi.waitFor(
    () => {
      if (!what()) throw new Error('not yet');
    },
    { timeout: 10_000, interval: 10 },
  );

it('renders who is here, and never for a move', async () => {
  const url = `${server.url}/r/react`;
  const renders = { people: 0, status: 0 };
  let shown: Board['people']['list'] = [];
  let say: ReturnType<typeof useSay>;
  const People = () => {
    shown = usePeople<Board>();
    renders.people++;
    const first = usePerson<Board>(shown[0]?.id ?? '');
    return <p>{`${shown.map((it) => it.name)} ${first?.profile?.colour ?? ''}`}</p>;
  };
  const Self = () => {
    say = useSay('emoji');
    return <b>{useMe().name}</b>;
  };
  const Line = () => {
    renders.status++;
    return <i>{useStatus().phase}</i>;
  };
  const root = createRoot(document.body);
  const options = { name: 'Ada', space: plane(), WebSocket };
  root.render(
    <RoomProvider url={url} options={options} fallback="joining">
      <People />
      <Self />
      <Line />
    </RoomProvider>,
  );
  await until(() => document.body.textContent === 'joining');
  await until(() => document.body.textContent?.includes('Adalive'));

  const bob = await join(url, {
    name: 'Bob',
    profile: { colour: 'red' },
    ...{ space: plane() },
    WebSocket,
  });
  await until(() => document.body.textContent?.includes('Bob red'));
  bob.me.move({ x: 0, y: 0 });
  await until(() => shown[0]?.presence === 'sharing' && shown[0].at());

  const before = renders.people;
  for (let x = 1; x <= 20; x++) {
    bob.me.move({ x, y: 0 });
    await until(() => (shown[0]!.at()?.x ?? 0) > x - 1);
  }
  expect(renders.people).toBe(before);
  bob.me.name = 'Robert';
  await until(() => document.body.textContent?.includes('Robert red'));

  const heard = bob.messages('emoji');
  expect(say!({ e: '👋' })).toBe(true);
  expect((await heard.next()).value?.body).toEqual({ e: '👋' });
  root.unmount();
  await until(() => bob.people.size === 0);
  await bob.leave();
});

it('says why it cannot join', async () => {
  const onError = vi.fn();
  const root = createRoot(document.body);
  root.render(
    <RoomProvider url={server.url} options={{ room: 'No Such', WebSocket }} onError={onError} />,
  );
  await until(() => onError.mock.calls.length > 0);
  expect(onError.mock.calls[0]![0]).toMatchObject({ close: 'bad-room' });
  root.unmount();
});
