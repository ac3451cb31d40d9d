/** The page's elements, and the few states that they can be in. */
import type { Dock } from './dock';
import { byId, setText } from './dom';
import type { Tone } from './status';
import { DURATIONS, durationWords, type Wish } from './terms';

export interface Notice {
  text: string;
  /** What changes from moment to moment, and is not read out. */
  more?: string;
  tone?: Tone;
  action?: { label: string; run(): void };
}

export class Page {
  readonly map = byId('map');
  readonly labels = byId<HTMLCanvasElement>('labels');
  readonly name = byId<HTMLInputElement>('name');
  readonly share = byId<HTMLButtonElement>('share');
  readonly stop = byId<HTMLButtonElement>('stop');
  readonly byHand = byId<HTMLButtonElement>('by-hand');
  readonly placeHere = byId<HTMLButtonElement>('place-here');
  readonly placeCancel = byId<HTMLButtonElement>('place-cancel');
  readonly precision = byId<HTMLSelectElement>('precision');
  readonly duration = byId<HTMLSelectElement>('duration');
  readonly people = { counts: byId('counts'), list: byId('list'), more: byId('more') };

  private readonly panel = byId('people');
  private readonly toggle = byId<HTMLButtonElement>('people-toggle');
  private readonly noticeAction = byId<HTMLButtonElement>('notice-action');

  constructor(room: string) {
    const chip = byId('room');
    chip.textContent = room;
    chip.title = `Room ${room}`;
    this.toggle.addEventListener('click', () => this.showPeople(!this.peopleShown));
    byId('people-close').addEventListener('click', () => {
      this.showPeople(false);
      this.toggle.focus();
    });
    this.showPeople(matchMedia('(min-width: 1000px)').matches);
  }

  /** Until somebody listens to them, the HTML lets nobody use what a press or a word would be lost on. */
  ready(): void {
    for (const element of document.querySelectorAll('[inert]')) element.removeAttribute('inert');
  }

  /** What the owner has chosen of how to share. */
  get wish(): Wish {
    const approximate = this.precision.value === 'approximate';
    return { approximate, minutes: Number(this.duration.value) };
  }

  offer({ approximate, minutes }: Wish): void {
    this.precision.value = approximate ? 'approximate' : 'exact';
    const options = DURATIONS.map((it) => new Option(durationWords(it), String(it)));
    this.duration.replaceChildren(...options);
    this.duration.value = String(minutes);
  }

  get peopleShown(): boolean {
    return this.panel.hidden === false;
  }

  private showPeople(shown: boolean): void {
    this.panel.hidden = !shown;
    this.toggle.setAttribute('aria-expanded', String(shown));
  }

  /** How many are online, or undefined while that is not known. */
  online(n: number | undefined): void {
    const words = n === undefined ? 'GPyS (not connected)' : `GPyS (${n} online)`;
    setText(byId('title'), words);
    if (document.title !== words) document.title = words;
  }

  status(tone: Tone, text: string): void {
    byId('lamp').dataset.tone = tone;
    setText(byId('status'), text);
  }

  dock({ shown, sharing, mayShare, onAir, live, hint, placing, byHand, spoken }: Dock): void {
    setText(byId('said'), spoken);
    const focused = document.activeElement;
    byId('dock').hidden = !shown;
    byId('dock').dataset.placing = String(placing);
    this.share.hidden = !mayShare || sharing;
    byId('terms').hidden = !mayShare || placing;
    this.name.hidden = placing;
    byId('live').hidden = !sharing || placing;
    byId('placing').hidden = !placing;
    byId('cross').hidden = !placing;
    this.byHand.hidden = byHand === '';
    setText(this.byHand, byHand);
    // The button that was pressed goes away; the keyboard goes on from the one in its place.
    if (focused === this.share && sharing) this.stop.focus();
    if (focused === this.stop && !sharing) this.share.focus();
    if (focused === this.placeHere || focused === this.placeCancel) {
      if (!placing) (byHand ? this.byHand : this.stop).focus();
    }
    byId('live').dataset.onAir = String(onAir);
    setText(byId('live-words'), live);
    byId('hint').hidden = hint === '';
    setText(byId('hint'), hint);
  }

  notice(notice: Notice | undefined): void {
    byId('notice').hidden = !notice;
    setText(byId('notice-text'), notice?.text ?? '');
    setText(byId('notice-more'), notice?.more ?? '');
    byId('notice').dataset.tone = notice?.tone ?? 'busy';
    this.noticeAction.hidden = !notice?.action;
    setText(this.noticeAction, notice?.action?.label ?? '');
    this.noticeAction.onclick = () => notice?.action?.run();
  }

  /** What of the map is missing; people are there all the same. */
  mapTrouble(words: string | undefined): void {
    byId('map-trouble').hidden = !words;
    setText(byId('map-trouble'), words ?? '');
  }

  /** Whether what was typed belongs to a field or a list, not to the own figure. */
  static typesInto(target: EventTarget | null): boolean {
    return target instanceof HTMLElement && target.closest('input, select, aside') !== null;
  }

  static onMap(target: EventTarget | null): boolean {
    return target instanceof HTMLElement && target.closest('.maplibregl-map') !== null;
  }

  /** The cross under which the own place is, in pixels of the map. */
  cross({ x, y }: { x: number; y: number }): void {
    const { style } = byId('cross');
    style.left = `${x}px`;
    style.top = `${y}px`;
  }
}
