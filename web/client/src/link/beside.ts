/** Opens a link beside one that has fallen silent. */

/**
 * One attempt takes at most this long, in ms. The kernel repeats a lost first packet after 1 s, and
 * then more and more rarely; another attempt sends a new one.
 */
export const ATTEMPT_MS = 1000;
/** Round trips that an attempt may take: TCP, TLS and HTTP need one each, and may be late. */
const ROUND_TRIPS = 6;

/**
 * Opens by `open`, again and again, until it succeeds or `heard` aborts; undefined after that.
 * `roundTrip` is that of the silent link, in ms.
 */
export async function openBeside<T extends { close(): void }>(
  open: (signal: AbortSignal) => Promise<T>,
  heard: AbortSignal,
  roundTrip: number,
): Promise<T | undefined> {
  while (!heard.aborted) {
    const attempt = new AbortController();
    const abort = (): void => attempt.abort();
    heard.addEventListener('abort', abort);
    // An attempt that fails early waits for the end of its time as well.
    const over = new Promise<void>((done) => {
      attempt.signal.addEventListener('abort', () => done());
    });
    const timer = setTimeout(abort, Math.max(ATTEMPT_MS, ROUND_TRIPS * roundTrip));
    const opened = open(attempt.signal).then((link) => {
      if (!attempt.signal.aborted) return link;
      link.close();
      return undefined;
    });
    const link = await Promise.race([opened.catch(() => over), over]);
    clearTimeout(timer);
    heard.removeEventListener('abort', abort);
    if (link) return link;
  }
  return undefined;
}
