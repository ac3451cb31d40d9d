/** The map in words: counts, and a list of people for keyboards and screen readers. */
import {
  type Degrees,
  type Figure,
  type Online,
  Presence,
  UNIT,
  type View,
} from '@gpys/client/parts';
import { way } from '../map/geo';
import { coarseness, type Place, type Scene, stepMetres } from '../map/scene';
import { setText } from './dom';

/** Rows at first: a longer list helps only those who ask for more. */
const ROWS = 50;
/** Fewer people than this are found by looking. */
const SEARCH_FROM = 12;
const BY_NAME = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

export interface Row {
  id: number;
  name: string;
  kind: 'figure' | 'pin' | 'hidden' | 'watching' | 'away';
  metres: number;
  /** Whether a press brings this person into sight. */
  canPick: boolean;
  text: string;
}

/** Sorts the nearest first; at equal or unknown distance by name, 2 before 10. */
export function byNearness(a: Row, b: Row): number {
  return a.metres - b.metres || BY_NAME.compare(a.name, b.name) || a.id - b.id;
}

const WINDS = ['N', 'NE', 'E', 'SE', 'S', 'SW', 'W', 'NW'];

export function wind(degrees: number): string {
  return WINDS[Math.round(degrees / 45) % 8]!;
}

export function distanceWords(metres: number): string {
  if (metres < 1000) return `${Math.round(metres)} m`;
  const km = metres / 1000;
  return km < 10 ? `${km.toFixed(1)} km` : `${Math.round(km).toLocaleString('en')} km`;
}

/** The smallest of 1, 2, 5, 10, 20 and so on that is at least `least`. */
function roundNumber(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5].map((n) => n * power).find((n) => n >= least) ?? 10 * power;
}

/**
 * Distance and direction in words. `unsure`: how far off the position may be, in metres, if more
 * than a step or two.
 */
export function wayWords(metres: number, bearing: number, unsure?: number): string {
  if (unsure !== undefined) {
    if (metres <= unsure) return `within ${distanceWords(unsure)}`;
    const unit = roundNumber(unsure);
    const about = Math.max(unit, Math.round(metres / unit) * unit);
    return `about ${distanceWords(about)} ${wind(bearing)}`;
  }
  // Closer than positions are exact, a direction would be made up.
  return metres < 1 ? 'here' : `${distanceWords(metres)} ${wind(bearing)}`;
}

export function leanWords(place: Place): string {
  const side = place.lean_left_right_deg ?? 0;
  const front = place.lean_front_back_deg ?? 0;
  if (Math.max(Math.abs(side), Math.abs(front)) < 15) return '';
  if (Math.abs(side) >= Math.abs(front)) return side < 0 ? 'leaning left' : 'leaning right';
  return front < 0 ? 'leaning forward' : 'leaning back';
}

/** Steps below this are shorter than a person's, the finest that positions have. */
const FINE_M = 1.5;

/** How far off a position may be, because of coarse sharing or a coarse view. */
function unsureOf(figure: Figure): number | undefined {
  const metres = stepMetres(figure);
  return coarseness(figure) ?? (metres > FINE_M ? metres : undefined);
}

/** Why the picked person, or without an id the crowd, cannot be brought into sight. */
export function missingWords({ people, clusters }: View, id: number | undefined): string {
  if (id === undefined) return 'There are no shared positions right now.';
  const name = people.get(id)?.name || 'This person';
  return clusters.size > 0
    ? `${name} is somewhere in a crowd: zoom in to find them.`
    : `${name} has no position on the map right now.`;
}

interface Parts {
  counts: HTMLElement;
  list: HTMLElement;
  search: HTMLInputElement;
  more: HTMLButtonElement;
  shown: HTMLElement;
}

export class PeopleList {
  private order: number[] = [];
  private most = ROWS;

  constructor(
    private readonly view: View,
    private readonly scene: Scene,
    private readonly parts: Parts,
    private readonly onPick: (id: number | undefined) => void,
    private readonly again: () => void,
  ) {
    parts.search.addEventListener('input', () => {
      this.most = ROWS;
      this.again();
    });
    parts.more.addEventListener('click', () => {
      this.most += ROWS;
      this.again();
    });
  }

  /** Draws the list. `from`: origin of distances; `online`: undefined while unknown. */
  draw(
    me: number | undefined,
    from: Degrees | undefined,
    now: number,
    online: Online | undefined,
  ): void {
    const n = (count: number): string => count.toLocaleString('en');
    // Screen readers speak an aria-live region at every write, so it is written only for news.
    setText(
      this.parts.counts,
      online
        ? `${n(online.sharing)} sharing, ${n(online.watching)} watching, ${n(online.hidden)} hidden`
        : 'Not connected; people are shown as they were last seen.',
    );
    const all = this.rows(me, from, now);
    this.parts.search.hidden = all.length < SEARCH_FROM && this.parts.search.value === '';
    const wanted = this.parts.search.value.trim().toLocaleLowerCase();
    const rows = all.filter(({ name }) => name.toLocaleLowerCase().includes(wanted));
    this.sort(rows);
    const own = me !== undefined && wanted === '' ? [this.own(me)] : [];
    this.fill([...own, ...rows.slice(0, this.most)], me);
    const more = rows.length - this.most;
    this.parts.more.hidden = more <= 0;
    setText(this.parts.more, `Show ${Math.min(ROWS, more)} more`);
    const words =
      more > 0
        ? `${n(this.most)} of ${n(rows.length)} are listed.`
        : wanted !== '' && rows.length === 0
          ? 'No people match that name.'
          : '';
    this.parts.shown.hidden = words === '';
    setText(this.parts.shown, words);
  }

  /** Sorts the nearest first, but moves no rows while the user is choosing. */
  private sort(rows: Row[]): void {
    const place = new Map(this.order.map((id, i) => [id, i]));
    const rank = (row: Row): number => place.get(row.id) ?? place.size;
    const choosing = this.parts.list.matches(':hover, :focus-within');
    rows.sort((a, b) => (choosing ? rank(a) - rank(b) : 0) || byNearness(a, b));
    this.order = rows.map((row) => row.id);
  }

  private rows(me: number | undefined, from: Degrees | undefined, now: number): Row[] {
    const ids = new Set([...this.view.people.keys(), ...this.view.figures.keys()]);
    const rows: Row[] = [];
    for (const id of ids) {
      const presence = this.view.presenceOf(id);
      if (id === me || presence === Presence.Gone) continue;
      rows.push(this.row(id, presence, from, now));
    }
    return rows;
  }

  private own(me: number): Row {
    const isShown = this.scene.isShown;
    const name = this.view.people.get(me)?.name;
    return {
      id: me,
      name: name ? `You (${name})` : 'You',
      kind: isShown ? 'figure' : 'watching',
      metres: 0,
      canPick: isShown,
      text: isShown ? 'sharing' : 'watching',
    };
  }

  private row(
    id: number,
    presence: Presence | undefined,
    from: Degrees | undefined,
    now: number,
  ): Row {
    const person = this.view.people.get(id);
    const name = person?.name || (person ? person.uuid.slice(0, 8) : `no. ${id}`);
    const figure = this.view.figures.get(id);
    const place = figure && this.scene.place(id, now);
    const hidden = figure?.hidden ?? presence === Presence.Hidden;
    if (!figure || !place) {
      const kind = hidden ? 'hidden' : presence === Presence.Watching ? 'watching' : 'away';
      const text = kind === 'away' ? this.awayWords(id, from) : kind;
      const canPick = this.view.mayBeShown(id);
      return { id, name, kind, metres: Number.MAX_VALUE, canPick, text };
    }
    const { metres, bearing } = from ? way(from, place) : { metres: 0, bearing: 0 };
    const facts = [
      from ? wayWords(metres, bearing, unsureOf(figure)) : '',
      place.heading === null ? 'heading unknown' : `facing ${wind(place.heading)}`,
      leanWords(place),
      this.scene.age(id, now),
    ];
    if (hidden) facts.unshift('hidden');
    const kind = hidden ? 'hidden' : place.heading === null ? 'pin' : 'figure';
    const text = facts.filter(Boolean).join(' · ');
    return { id, name, kind, metres, canPick: true, text };
  }

  /** Describes a person who is not drawn: elsewhere, in a crowd, or only approximate. */
  private awayWords(id: number, from: Degrees | undefined): string {
    const last = this.view.remembered.get(id);
    const coarse = last && coarseness(last);
    if (last && coarse !== undefined) {
      const at = { lat: last.lat * UNIT, lng: last.lng * UNIT };
      const { metres, bearing } = from ? way(from, at) : { metres: 0, bearing: 0 };
      return `approximate: ${wayWords(metres, bearing, coarse)}`;
    }
    return this.view.clusters.size > 0 ? 'in a crowd or out of view' : 'not in this view';
  }

  /** Fills the list, reusing its items so that the keyboard focus stays. */
  private fill(rows: Row[], me: number | undefined): void {
    const { list } = this.parts;
    while (list.children.length > rows.length) list.lastElementChild!.remove();
    rows.forEach((row, i) => {
      const item = (list.children[i] as HTMLLIElement | undefined) ?? list.appendChild(newItem());
      const button = item.firstElementChild as HTMLButtonElement;
      const [name, text] = Array.from(button.querySelectorAll('span')) as [
        HTMLElement,
        HTMLElement,
      ];
      const isOwn = row.id === me;
      item.dataset.kind = row.kind;
      item.dataset.id = String(row.id);
      item.toggleAttribute('data-own', isOwn);
      setText(name, row.name);
      setText(text, row.text);
      // Not `disabled`, which would lose the focus when a person leaves the view.
      button.setAttribute('aria-disabled', String(!row.canPick));
      button.setAttribute('aria-current', String(row.id === this.scene.picked));
      button.onclick = () => row.canPick && this.onPick(isOwn ? undefined : row.id);
    });
  }
}

function newItem(): HTMLLIElement {
  const item = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  const name = document.createElement('span');
  // A right-to-left name must not reorder what surrounds it.
  name.dir = 'auto';
  button.append(name, document.createElement('span'));
  item.append(button);
  return item;
}
