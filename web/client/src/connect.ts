/** Connecting in one step: a welcomed client, or the reason why not. */
import { Client } from './client';
import type { ClientOptions } from './options';

/** The error of {@link connect}: why it could not join. */
export class ConnectError extends Error {
  constructor(
    reason: string,
    /** The close code, if the server gave one. */
    readonly code: number | undefined,
  ) {
    super(reason);
  }
}

/**
 * Joins the server at `url` and resolves once welcomed. From then on the client reconnects by
 * itself.
 *
 * ```ts
 * const client = await connect('https://gpys.example', { room: 'stage', name: 'Ada' });
 * client.send({ lat: 45.75, lng: 14.36, accuracy: 8 });
 * client.on('change', () => draw(client.view));
 * ```
 *
 * @throws {@link ConnectError} if the first link cannot be opened or the server refuses it; the
 * signal's reason if aborted first.
 */
export async function connect(url: string | URL, options: ClientOptions = {}): Promise<Client> {
  const { signal } = options;
  signal?.throwIfAborted();
  const client = new Client(url, options);
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal!.reason);
    const off = client.on('state', (state) => {
      if (state.phase === 'connecting') return;
      off();
      signal?.removeEventListener('abort', abort);
      if (state.phase === 'live') {
        resolve(client);
        return;
      }
      client.close();
      reject(new ConnectError(state.reason, state.code));
    });
    signal?.addEventListener('abort', abort, { once: true });
    client.connect();
  });
}
