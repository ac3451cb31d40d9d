/** Inviting others to the room: its link, large as a QR code, to copy and to send. */
import { byId, setText } from './dom';
import { drawCode } from './qr';
import { readableName } from './room-name';

/** A room's address, without what only this user may know. */
export function addressOf(room: string): string {
  return new URL(`/r/${room}`, location.origin).href;
}

export class Invite {
  private readonly dialog = byId<HTMLDialogElement>('invite');
  private readonly link = byId<HTMLInputElement>('invite-link');
  private readonly send = byId<HTMLButtonElement>('invite-send');
  private readonly done = byId('invite-done');

  /** `isClosed`: whether the room admits only people with an invitation. */
  constructor(
    private readonly room: string,
    private readonly isClosed: () => boolean,
  ) {
    setText(byId('invite-title'), `Invite others to ${room}`);
    byId('invite-open').addEventListener('click', () => this.open());
    byId('invite-close').addEventListener('click', () => this.dialog.close());
    byId('invite-copy').addEventListener('click', () => void this.copy());
    this.send.addEventListener('click', () => void this.share());
    // A press beside the dialog is one on its backdrop.
    this.dialog.addEventListener('click', ({ target }) => {
      if (target === this.dialog) this.dialog.close();
    });
  }

  private get address(): string {
    return addressOf(this.room);
  }

  private open(): void {
    this.link.value = this.address;
    byId('invite-note').hidden = !this.isClosed();
    byId<HTMLAnchorElement>('invite-new').href = `/r/${readableName()}`;
    this.send.hidden = typeof navigator.share !== 'function';
    setText(this.done, '');
    this.dialog.showModal();
    void drawCode(byId('invite-code'), this.address);
  }

  private async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.address);
      setText(this.done, 'Copied. Paste it into a message.');
    } catch {
      // Browsers have no clipboard on plain HTTP, or refuse it.
      this.link.focus();
      this.link.select();
      setText(this.done, 'Press Ctrl+C (on a Mac, ⌘C) to copy the marked link.');
    }
  }

  private async share(): Promise<void> {
    try {
      await navigator.share({ title: `${this.room} on GPyS`, url: this.address });
    } catch (error) {
      const isCancelled = error instanceof DOMException && error.name === 'AbortError';
      if (!isCancelled) setText(this.done, 'This browser cannot send it. Copy the link instead.');
    }
  }
}
