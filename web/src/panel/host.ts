/** What a host may do to the room: tell everybody something, and end it. */
import { byId, setText } from './dom';

export interface HostActions {
  /** Shows a text to everybody, or takes it away; false: there is no link. */
  announce(text: string): boolean;
  /** Sends everybody out; false: there is no link. */
  close(reason: string): boolean;
}

const NO_LINK = 'Not connected: nothing was sent. Try again once the page is live.';
const END = 'End the room';
const REALLY = 'Send everybody out';

export class HostDesk {
  private readonly dialog = byId<HTMLDialogElement>('host');
  private readonly opener = byId<HTMLButtonElement>('host-open');
  private readonly text = byId<HTMLInputElement>('host-text');
  private readonly end = byId<HTMLButtonElement>('host-end');

  constructor(private readonly actions: HostActions) {
    this.opener.addEventListener('click', () => this.open());
    byId('host-close').addEventListener('click', () => this.dialog.close());
    byId('host-announce').addEventListener('submit', (event) => {
      event.preventDefault();
      this.announce(this.text.value.trim());
    });
    byId('host-clear').addEventListener('click', () => this.announce(''));
    this.end.addEventListener('click', () => this.finish());
    this.end.addEventListener('blur', () => setText(this.end, END));
  }

  /** Offers it to hosts alone. */
  offer(isHost: boolean): void {
    if (this.opener.hidden !== isHost) return;
    this.opener.hidden = !isHost;
    if (!isHost) this.dialog.close();
  }

  /** Shows what everybody is told now. */
  announced(text: string): void {
    // What a host is typing stays.
    if (!this.dialog.open) this.text.value = text;
  }

  private open(): void {
    setText(byId('host-done'), '');
    setText(this.end, END);
    this.dialog.showModal();
    this.text.focus();
  }

  private announce(text: string): void {
    const sent = this.actions.announce(text);
    const words = text === '' ? 'Taken away.' : 'Everybody sees it.';
    if (sent) this.text.value = text;
    setText(byId('host-done'), sent ? words : NO_LINK);
  }

  /** Ends the room at the second press: the first asks. */
  private finish(): void {
    if (this.end.textContent !== REALLY) {
      setText(this.end, REALLY);
      setText(byId('host-done'), 'Press once more to send everybody out.');
      return;
    }
    if (this.actions.close(this.text.value.trim())) this.dialog.close();
    else setText(byId('host-done'), NO_LINK);
    setText(this.end, END);
  }
}
