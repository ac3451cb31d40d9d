/** `<gpys-debug>`: what a room is doing, and how bad its network shall be. */
import type { Room, Status } from '@gpys/client';
import type { BadNetwork, Weather } from './network.ts';

// biome-ignore lint/suspicious/noExplicitAny: of any state, profile and space
type AnyRoom = Room<any, any, any>;

const STYLE = `
:host { display: inline-block; font: 12px/1.5 ui-monospace, monospace; color: #eee; background: #222d;
  border-radius: 6px; padding: 8px 10px; white-space: pre; }
label { display: block; }
input { width: 10em; vertical-align: middle; }
`;
const RATES_MS = 1000;

/** The panel: give it a `room`, and the `network` that the room was joined with, if any. */
export class DebugPanel extends HTMLElement {
  readonly #text = document.createElement('div');
  #room: AnyRoom | undefined;
  #network: BadNetwork | undefined;
  #off: (() => void) | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #before = { received: 0, receivedBytes: 0, sent: 0, sentBytes: 0, lost: 0 };
  #rates = '';

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    // A sheet made by a script needs no permission of a page's policy.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    root.append(this.#text);
  }

  /** The room to look into. */
  get room(): AnyRoom | undefined {
    return this.#room;
  }

  set room(room: AnyRoom | undefined) {
    this.#room = room;
    if (this.isConnected) this.connectedCallback();
  }

  /** The network to make bad. */
  get network(): BadNetwork | undefined {
    return this.#network;
  }

  set network(network: BadNetwork | undefined) {
    this.#network = network;
    for (const slider of this.shadowRoot!.querySelectorAll('label')) slider.remove();
    if (!network) return;
    this.#slider('delay', 500, 10, (value) => `${value} ms each way`);
    this.#slider('loss', 0.3, 0.01, (value) => `${Math.round(value * 100)} % each way`);
  }

  /** Called by the document. */
  connectedCallback(): void {
    this.disconnectedCallback();
    this.#off = this.#room?.status.subscribe((status) => this.#show(status));
    this.#timer = setInterval(() => this.#count(), RATES_MS);
  }

  /** Called by the document. */
  disconnectedCallback(): void {
    this.#off?.();
    this.#off = undefined;
    clearInterval(this.#timer);
  }

  #show({ phase, transport, roundTrip, age, reason, close }: Status): void {
    const ms = (value: number | undefined): string =>
      value === undefined ? '–' : `${Math.round(value)} ms`;
    const { people, online } = this.#room!;
    this.#text.textContent = [
      [phase, transport, close, reason].filter(Boolean).join(' · '),
      `round trip ${ms(roundTrip)}, age ${ms(age)}`,
      `${people.size} people known, ${online.sharing} sharing`,
      this.#rates,
    ]
      .filter(Boolean)
      .join('\n');
  }

  #count(): void {
    if (!this.#network) return;
    const now = { ...this.#network.traffic };
    const { received, receivedBytes, sent, sentBytes, lost } = this.#before;
    this.#rates =
      `in ${now.received - received}/s, ${now.receivedBytes - receivedBytes} B/s; ` +
      `out ${now.sent - sent}/s, ${now.sentBytes - sentBytes} B/s; lost ${now.lost - lost}/s`;
    this.#before = now;
    if (this.#room) this.#show(this.#room.status.value);
  }

  #slider(name: keyof Weather, max: number, step: number, words: (value: number) => string): void {
    const label = document.createElement('label');
    const input = document.createElement('input');
    const text = document.createElement('span');
    Object.assign(input, { type: 'range', name, min: '0', max: `${max}`, step: `${step}` });
    const show = (): void => {
      text.textContent = ` ${name} ${words(this.#network!.weather[name])}`;
    };
    input.value = `${this.#network!.weather[name]}`;
    input.addEventListener('input', () => {
      this.#network!.set({ [name]: Number(input.value) });
      show();
    });
    show();
    label.append(input, text);
    this.shadowRoot!.append(label);
  }
}

customElements.define('gpys-debug', DebugPanel);
