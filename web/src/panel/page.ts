/** The page's elements and their few states. */

import { DURATIONS, type Wish } from '../device/sharing';
import type { Mode } from '../map/camera/camera';
import type { Area } from '../map/camera/fit';
import { freeArea } from '../map/camera/layout';
import type { Dock, Notice } from './dock';
import { byId, setText } from './dom';
import { durationWords } from './sharing-words';
import type { Tone } from './status';

const TOAST_MS = 6000;

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
  readonly people = {
    counts: byId('counts'),
    list: byId('list'),
    search: byId<HTMLInputElement>('search'),
    more: byId<HTMLButtonElement>('more'),
    shown: byId('shown'),
  };
  readonly tools = byId('tools');
  readonly fit = byId<HTMLButtonElement>('fit');
  readonly locate = byId<HTMLButtonElement>('locate');
  readonly venue = byId<HTMLButtonElement>('venue');

  private readonly panel = byId('people');
  private readonly toggle = byId<HTMLButtonElement>('people-toggle');
  private readonly noticeAction = byId<HTMLButtonElement>('notice-action');
  private readonly read = byId<HTMLButtonElement>('announcement-read');
  /** The announcement that the user has put away. */
  private putAway = '';

  constructor(room: string) {
    setText(byId('room'), room);
    const chip = byId('invite-open');
    chip.title = `Room ${room}: invite others`;
    chip.setAttribute('aria-label', chip.title);
    this.toggle.addEventListener('click', () => this.showPeople(!this.peopleShown));
    byId('people-close').addEventListener('click', () => {
      this.showPeople(false);
      this.toggle.focus();
    });
    this.read.addEventListener('click', () => {
      this.putAway = byId('announcement-text').textContent;
      this.announce(this.putAway);
      this.toggle.focus();
    });
    this.showPeople(matchMedia('(min-width: 1000px)').matches);
  }

  /** Makes controls usable: the HTML leaves them inert until something listens. */
  ready(): void {
    for (const element of document.querySelectorAll('[inert]')) element.removeAttribute('inert');
  }

  /** The user's choice of terms. */
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

  /** Watches what covers the map, and calls `changed` when that changes. */
  watchArea(changed: () => void): void {
    const observer = new ResizeObserver(() => {
      this.area = undefined;
      changed();
    });
    for (const it of [this.map, byId('dock'), byId('notices'), this.panel]) observer.observe(it);
  }

  private area: Area | undefined;

  freeArea(): Area {
    this.area ??= freeArea(this.map, [byId('dock'), this.panel, byId('screen')], byId('notices'));
    return this.area;
  }

  /** Shows what the locate button will do next, or keeps doing. */
  located(mode: Mode): void {
    const words = { free: 'Find me', found: 'Follow me', follow: 'Following you' }[mode];
    this.locate.setAttribute('aria-pressed', String(mode === 'follow'));
    this.locate.dataset.mode = mode;
    this.locate.setAttribute('aria-label', words);
    this.locate.title = words;
  }

  venueNamed(label: string | undefined): void {
    this.venue.hidden = label === undefined;
    const words = `Go to ${label || 'the venue'}`;
    this.venue.setAttribute('aria-label', words);
    this.venue.title = words;
  }

  private toastTimer: ReturnType<typeof setTimeout> | undefined;

  /** Shows a message for a moment. */
  say(words: string): void {
    const toast = byId('toast');
    clearTimeout(this.toastTimer);
    setText(toast, words);
    toast.hidden = false;
    this.toastTimer = setTimeout(() => {
      toast.hidden = true;
      setText(toast, '');
    }, TOAST_MS);
  }

  /**
   * Closes the list where it covers the map, as on small screens, so that the picked person can be
   * seen.
   */
  uncoverMap(): void {
    if (getComputedStyle(this.panel).position !== 'fixed' || !this.peopleShown) return;
    this.showPeople(false);
    this.toggle.focus();
  }

  get peopleShown(): boolean {
    return this.panel.hidden === false;
  }

  private showPeople(shown: boolean): void {
    this.panel.hidden = !shown;
    this.toggle.setAttribute('aria-expanded', String(shown));
  }

  /** Shows how many people are online; undefined: not known. */
  online(n: number | undefined): void {
    const words = n === undefined ? 'GPyS (not connected)' : `GPyS (${n} online)`;
    setText(byId('online'), n === undefined ? 'not connected' : String(n));
    setText(byId('unit'), n === undefined ? '' : ' online');
    byId('count').hidden = false;
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
    // The pressed button disappears; the focus moves to the one in its place.
    if (focused === this.share && sharing) this.stop.focus();
    if (focused === this.stop && !sharing) this.share.focus();
    if (focused === this.placeHere || focused === this.placeCancel) {
      if (!placing) (byHand ? this.byHand : this.stop).focus();
    }
    byId('live').dataset.onAir = String(onAir);
    setText(byId('live-words'), live);
    byId('hint').hidden = hint === '';
    setText(byId('hint'), hint);
    this.area = undefined;
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

  /**
   * Shows what a host says to everybody, until the user puts it away; empty for nothing. The server
   * repeats it on every link.
   */
  announce(text: string): void {
    if (text !== '' && text !== this.putAway) this.putAway = '';
    const shown = text !== '' && text !== this.putAway;
    byId('announcement').dataset.shown = String(shown);
    this.read.hidden = !shown;
    setText(byId('announcement-text'), shown ? text : '');
  }

  /** Shows what is missing of the map; people are drawn anyway. */
  mapTrouble(words: string | undefined): void {
    byId('map-trouble').hidden = !words;
    setText(byId('map-trouble'), words ?? '');
  }

  /** Whether typing goes to a field or list, not to the user's figure. */
  static typesInto(target: EventTarget | null): boolean {
    return target instanceof HTMLElement && target.closest('input, select, aside, dialog') !== null;
  }

  static onMap(target: EventTarget | null): boolean {
    return target instanceof HTMLElement && target.closest('.maplibregl-map') !== null;
  }

  /** Position of the cross for placing by hand, in pixels of the map. */
  crossed = { x: 0, y: 0 };

  cross(at: { x: number; y: number }): void {
    this.crossed = at;
    const { style } = byId('cross');
    style.left = `${at.x}px`;
    style.top = `${at.y}px`;
  }
}
