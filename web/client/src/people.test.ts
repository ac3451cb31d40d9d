import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { People } from './people.ts';
import type { Person } from './person.ts';
import { HELLO } from './testing/fake-transport.ts';
import type { Roster, Welcome } from './wire/server.ts';
import { type Person as Entry, Presence, Role } from './wire/wire.ts';

const RESUME_MS = 30_000;
const ME = 1;

let happened: string[];
let people: People<unknown, unknown, 'earth'>;

const entry = (id: number, uuid: string, more: Partial<Entry> = {}): Entry => ({
  id,
  uuid,
  name: HELLO.name,
  presence: Presence.Sharing,
  role: Role.Guest,
  subject: null,
  profile: '',
  ...more,
});
const roster = (joined: Entry[], more: Partial<Roster> = {}): void =>
  people.roster({
    type: 'Roster',
    time: 0,
    joined: [entry(ME, 'me'), ...joined],
    left: [],
    presence: [],
    online: { sharing: 0, watching: 0, hidden: 0, things: 0 },
    ...more,
  });
const welcome = (resumed: boolean, rosters = 1): void =>
  people.welcome({ id: ME, resumed, rosters, limits: { resume_ms: RESUME_MS } } as Welcome);
/** What happened since the last call. */
const news = (): string[] => happened.splice(0);

beforeEach(() => {
  vi.useFakeTimers();
  happened = [];
  const here = {
    declared: undefined,
    plane: undefined,
    figure: () => undefined,
    serverTime: () => 0,
  };
  people = new People(here, (what, it: Person<unknown, unknown, 'earth'>) =>
    happened.push(`${what} ${it.id}`),
  );
  welcome(false);
  roster([entry(2, 'ada'), entry(3, 'bob')]);
  expect(news()).toEqual(['enter ada', 'enter bob']);
});

afterEach(() => {
  people.close();
  vi.useRealTimers();
});

it('enter, leave and change as the roster says, and are the same objects meanwhile', () => {
  const ada = people.get('ada');
  roster([entry(2, 'ada', { name: 'Ada', profile: '{"colour":"red"}' }), entry(4, 'cyd')], {
    left: [3],
    presence: [{ id: 4, presence: Presence.Hidden }],
  });
  expect(news()).toEqual(['change ada', 'enter cyd', 'change cyd', 'leave bob']);
  expect(people.get('ada')).toBe(ada);
  expect(ada).toMatchObject({ name: 'Ada', profile: { colour: 'red' }, changes: 1 });
  expect(people.list.map((it) => [it.id, it.presence])).toEqual([
    ['ada', 'sharing'],
    ['cyd', 'hidden'],
  ]);
});

it('do not enter or leave because a link was replaced', () => {
  welcome(true, 2);
  roster([entry(2, 'ada')]);
  expect(people.isListed).toBe(false);
  roster([entry(3, 'bob')]);
  expect(people.isListed).toBe(true);
  expect(news()).toEqual([]);
});

it('have left if the list after a comeback does not name them', () => {
  welcome(true);
  roster([entry(3, 'bob'), entry(4, 'cyd')]);
  expect(news()).toEqual(['enter cyd', 'leave ada']);
});

it('stay if the list of a large room does not name them', () => {
  welcome(true);
  roster(Array.from({ length: 1023 }, (_, i) => entry(10 + i, `other ${i}`)));
  expect(news().filter((it) => it.startsWith('leave'))).toEqual([]);
});

it('survive a restart of the server under other numbers', () => {
  const [ada, bob] = [people.get('ada')!, people.get('bob')!];
  welcome(false);
  roster([]);
  expect(news()).toEqual(['change ada', 'change bob']);
  expect(ada.presence).toBe('gone');
  // The number that was Ada's is now Bob's.
  roster([entry(2, 'bob')]);
  expect(news()).toEqual(['change bob']);
  expect(bob).toMatchObject({ peer: 2, presence: 'sharing' });
  vi.advanceTimersByTime(RESUME_MS);
  expect(news()).toEqual(['leave ada']);
  expect([...people.keys()]).toEqual(['bob']);
});

it('do not leave when they come back under a number of their own', () => {
  roster([entry(9, 'ada')], { left: [2] });
  expect(news()).toEqual([]);
  roster([], { left: [9] });
  expect(news()).toEqual(['leave ada']);
});

it('enter once a roster names them, although a frame may show them before', () => {
  const gil = people.peer(7);
  expect(people.size).toBe(2);
  roster([entry(7, 'gil', { name: 'Gil' })]);
  expect(news()).toEqual(['enter gil']);
  expect(people.get('gil')).toBe(gil);
  people.peer(8);
  roster([], { left: [8] });
  vi.advanceTimersByTime(10_000);
  expect(news()).toEqual([]);
});

it('enter without a name if no roster gives them one', () => {
  const unnamed = people.peer(7);
  vi.advanceTimersByTime(3000);
  expect(news()).toEqual(['enter #7']);
  expect(people.list).toContain(unnamed);
  roster([entry(7, 'gil', { name: 'Gil' })]);
  expect(news()).toEqual(['change gil']);
  expect(people.get('gil')).toBe(unnamed);
  expect(people.has('#7')).toBe(false);
  people.peer(8);
  vi.advanceTimersByTime(3000);
  expect(news()).toEqual(['enter #8']);
  welcome(false);
  // A restarted server knows no such number.
  expect(news()).toContain('leave #8');
});

it('are no programs at the server', () => {
  expect(people.sender(0xffff_ffff)).toBeNull();
  expect(people.sender(7)).toBe(people.peer(7));
  roster([entry(7, 'gil')]);
  vi.advanceTimersByTime(3000);
  expect(news()).toEqual(['enter gil']);
});

it('are who they were if a frame of a restarted server shows them first', () => {
  const ada = people.get('ada');
  welcome(false);
  people.peer(9);
  roster([entry(9, 'ada')]);
  expect(people.get('ada')).toBe(ada);
  expect(people.peer(9)).toBe(ada);
  vi.advanceTimersByTime(RESUME_MS);
  expect(news().filter((it) => !it.startsWith('change'))).toEqual(['leave bob']);
});

it('tell followers once for each roster', () => {
  const follow = vi.fn();
  const off = people.subscribe(follow);
  expect(follow).toHaveBeenCalledWith(people);
  const before = people.list;
  roster([entry(4, 'cyd'), entry(5, 'dan')]);
  expect(follow).toHaveBeenCalledTimes(2);
  expect(people.list).not.toBe(before);
  off();
  roster([], { left: [4] });
  expect(follow).toHaveBeenCalledTimes(2);
});
