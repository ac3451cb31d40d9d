import { Presence, Role } from '@gpys/client/parts';
import { expect, it } from 'vitest';
import { Arrivals } from './screen';

const { Sharing, Watching } = Presence;

function people(...list: [id: number, name: string, presence: Presence, role?: Role][]) {
  const entry = ([id, name, presence, role = Role.Guest]: (typeof list)[number]) => {
    const person = { id, name, presence, role, uuid: '', subject: null, profile: '' };
    return [id, person] as const;
  };
  return { people: new Map(list.map(entry)) };
}

it('tells who has come since the first look, newest first, for a while', () => {
  const arrivals = new Arrivals();
  const names = (...of: Parameters<Arrivals['look']>) => arrivals.look(...of).map((it) => it.name);
  expect(names(people(), 0)).toEqual([]);
  expect(names(people([1, 'Ada', Sharing]), 10)).toEqual([]);
  const more = people([1, 'Ada', Sharing], [2, '', Sharing], [3, 'Bo', Watching]);
  expect(names(more, 1_000)).toEqual(['Somebody']);
  const all = people([1, 'Ada', Sharing], [2, '', Sharing], [3, 'Bo', Sharing]);
  expect(names(all, 5_000)).toEqual(['Bo', 'Somebody']);
  // Things are not people, and who only pauses does not come again.
  const thing = people([1, 'Ada', Watching], [3, 'Bo', Sharing], [4, 'bus', Sharing, Role.Thing]);
  expect(names(thing, 6_000)).toEqual(['Bo', 'Somebody']);
  expect(names(people([1, 'Ada', Sharing], [3, 'Bo', Sharing]), 22_000)).toEqual(['Bo']);
  expect(names(people([1, 'Ada', Sharing]), 30_000)).toEqual([]);
});

it('names five at most', () => {
  const arrivals = new Arrivals();
  arrivals.look(people([0, 'first', Sharing]), 0);
  const crowd = Array.from(
    { length: 9 },
    (_, i) => [i, `p${i}`, Sharing] as [number, string, Presence],
  );
  expect(arrivals.look(people(...crowd), 1).map((it) => it.name)).toHaveLength(5);
});
