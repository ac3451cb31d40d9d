/** The map in words: counts, and a list of people that keyboards and screen readers reach. */
import { type Degrees, way } from './geo';
import { coarseness, type Place, type Scene } from './scene';
import type { View } from './view';
import { Presence } from './wire';

/** A longer list is no help to anybody; the counts tell the rest. */
const MOST_ROWS = 50;

interface Row {
  id: number;
  name: string;
  kind: 'figure' | 'pin' | 'hidden' | 'watching' | 'away';
  metres: number;
  place: Place | undefined;
  text: string;
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

/** `coarse`: how far off they may be, if that is far. */
export function wayWords(metres: number, bearing: number, coarse?: number): string {
  if (coarse !== undefined) {
    if (metres <= coarse) return `within ${distanceWords(coarse)}`;
    return `about ${distanceWords(metres)} ${wind(bearing)}`;
  }
  // Closer than a position is exact, a direction would be made up.
  return metres < 1 ? 'here' : `${distanceWords(metres)} ${wind(bearing)}`;
}

export function leanWords(place: Place): string {
  const side = place.lean_left_right_deg ?? 0;
  const front = place.lean_front_back_deg ?? 0;
  if (Math.max(Math.abs(side), Math.abs(front)) < 15) return '';
  if (Math.abs(side) >= Math.abs(front)) return side < 0 ? 'leaning left' : 'leaning right';
  return front < 0 ? 'leaning forward' : 'leaning back';
}

export class PeopleList {
  private order: number[] = [];

  constructor(
    private readonly view: View,
    private readonly scene: Scene,
    private readonly parts: { counts: HTMLElement; list: HTMLElement; more: HTMLElement },
    private readonly onPick: (place: Place) => void,
  ) {}

  /** `from`: where distances are measured from. */
  draw(me: number | undefined, from: Degrees | undefined, now: number): void {
    const { sharing, watching, hidden } = this.view.online;
    const words = `${sharing} sharing, ${watching} watching, ${hidden} hidden`;
    // An aria-live region speaks whenever it is written to, so it is written to only for news.
    if (this.parts.counts.textContent !== words) this.parts.counts.textContent = words;
    const rows = this.rows(me, from, now);
    this.sort(rows);
    this.fill(rows.slice(0, MOST_ROWS));
    const more = rows.length - MOST_ROWS;
    this.parts.more.hidden = more <= 0;
    this.parts.more.textContent = `and ${more} more`;
  }

  /** The nearest first; but nobody moves under the finger or the focus of who is choosing. */
  private sort(rows: Row[]): void {
    const place = new Map(this.order.map((id, i) => [id, i]));
    const rank = (row: Row): number => place.get(row.id) ?? place.size;
    const nearest = (a: Row, b: Row): number => a.metres - b.metres || a.name.localeCompare(b.name);
    const choosing = this.parts.list.matches(':hover, :focus-within');
    rows.sort((a, b) => (choosing ? rank(a) - rank(b) : 0) || nearest(a, b));
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
    if (!place) {
      const kind = hidden ? 'hidden' : presence === Presence.Watching ? 'watching' : 'away';
      const text = kind === 'away' ? 'not in this view' : kind;
      return { id, name, kind, metres: Number.MAX_VALUE, place, text };
    }
    const { metres, bearing } = from ? way(from, place) : { metres: 0, bearing: 0 };
    const facts = [
      from ? wayWords(metres, bearing, coarseness(figure)) : '',
      place.heading === null ? 'heading unknown' : `facing ${wind(place.heading)}`,
      leanWords(place),
      this.scene.age(id, now),
    ];
    if (hidden) facts.unshift('hidden');
    const kind = hidden ? 'hidden' : place.heading === null ? 'pin' : 'figure';
    return { id, name, kind, metres, place, text: facts.filter(Boolean).join(' · ') };
  }

  /** Reuses what is there, so that the keyboard's focus stays where it is. */
  private fill(rows: Row[]): void {
    const { list } = this.parts;
    while (list.children.length > rows.length) list.lastElementChild!.remove();
    rows.forEach((row, i) => {
      const item = (list.children[i] as HTMLLIElement | undefined) ?? list.appendChild(newItem());
      const button = item.firstElementChild as HTMLButtonElement;
      const [name, text] = Array.from(button.querySelectorAll('span')) as [
        HTMLElement,
        HTMLElement,
      ];
      item.dataset.kind = row.kind;
      item.dataset.id = String(row.id);
      if (name.textContent !== row.name) name.textContent = row.name;
      if (text.textContent !== row.text) text.textContent = row.text;
      const { place } = row;
      // Not `disabled`, which would throw the focus away when somebody leaves the view.
      button.setAttribute('aria-disabled', String(!place));
      button.onclick = () => place && this.onPick(place);
    });
  }
}

function newItem(): HTMLLIElement {
  const item = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  const name = document.createElement('span');
  // A name that is written from right to left turns round nothing but itself.
  name.dir = 'auto';
  button.append(name, document.createElement('span'));
  item.append(button);
  return item;
}
