/** Joining a room in one step. */
import { type CloseReason, closeReason } from './closing.ts';
import type { Declared, SpaceOption } from './declare.ts';
import { fetchConfig } from './link/config.ts';
import type { Opener } from './link/link.ts';
import { webSocketOpener } from './link/websocket.ts';
import { openWebTransport } from './link/webtransport.ts';
import { profileOf } from './me.ts';
import { type Look, Room, viewportFor } from './room.ts';
import type { Keep } from './storage.ts';
import { Presence } from './wire/wire.ts';

/** How to join a room. */
export interface JoinOptions<S, P, X extends SpaceOption> {
  /** The room, 1 to 64 of a-z, 0-9 and `-`; by default that of the URL's path `/r/NAME`, or `lobby`. */
  room?: string;
  /** The name to show to others. */
  name?: string;
  /** What to say of oneself: JSON of at most 512 bytes. Its type is that of everybody's profile. */
  profile?: P;
  /** The declared state of the room's people; none by default. */
  state?: Declared<S>;
  /** Where the room is: on the `earth`, as by default, or on a `plane()`. */
  space?: X;
  /** What is in sight; by default the whole earth, coarsely, or the 16,384 steps about the origin. */
  look?: Look<X>;
  /** Gets the access token. It is asked anew for when the token's time is over. */
  token?: () => string | Promise<string>;
  /** Both transports, and the better one wins, as by default; or one of them. */
  transport?: 'race' | 'webtransport' | 'websocket';
  /** Where the identity is kept, such as `sessionStorage`; by default it lasts as long as the program. */
  storage?: Keep;
  /** What opens WebSockets, where the runtime has none: Node 20, with the package `ws`. */
  WebSocket?: unknown;
  /** What stands between the room and its links; nothing by default. */
  network?: Network;
  /** Leaves the room when aborted. */
  signal?: AbortSignal;
}

/** What stands between a room and its links, such as a network made bad for a test. */
export interface Network {
  /** Puts itself before the links that this opener opens. */
  wrap(open: Opener): Opener;
}

/** The error of {@link join}: why it did not get in. */
export class JoinError extends Error {
  override name = 'JoinError';

  constructor(
    reason: string,
    /** The server's reason, if it gave one. */
    readonly close: CloseReason | undefined,
  ) {
    super(reason);
  }
}

/**
 * Joins the room at `url`, and resolves once it is known who is there (whoever has just come enters a
 * moment later). From then on it comes back by itself, as the same peer, over whichever transport works.
 *
 * ```ts
 * const room = await join('https://gpys.example/r/board', { space: plane(), name: 'Ada' });
 * room.me.move({ x: 10, y: 20 });
 * for (const person of room.people.values()) draw(person.name, person.at());
 * ```
 *
 * @throws {@link JoinError} if the first link does not open, or the server refuses it; RangeError
 * for options that no server takes; TypeError where there is no WebSocket; the signal's reason if
 * aborted first.
 */
export async function join<S = unknown, P = unknown, const X extends SpaceOption = 'earth'>(
  url: string | URL,
  options: JoinOptions<S, P, X> = {},
): Promise<Room<S, P, X>> {
  const { signal, state, space = 'earth', transport = 'race', look, token } = options;
  signal?.throwIfAborted();
  const socket = (options.WebSocket ?? globalThis.WebSocket) as typeof WebSocket | undefined;
  if (!socket) throw new TypeError('no WebSocket here: give one as an option, as from package ws');
  const address = new URL(url);
  const plane = typeof space === 'object' ? space : undefined;
  const known = {
    protocol: address.protocol,
    host: address.host,
    origin: globalThis.origin ?? address.origin,
  };
  const wrap = (open: Opener): Opener => options.network?.wrap(open) ?? open;
  let access: string | null = null;
  let isStale = true;
  const room = new Room<S, P, X>(
    {
      room: options.room ?? /^\/r\/([^/]+)/.exec(address.pathname)?.[1] ?? 'lobby',
      name: options.name ?? '',
      profile: profileOf(options.profile),
      presence: Presence.Watching,
      viewport: plane || look ? viewportFor(plane, look) : null,
      space: plane ?? { type: 'Earth' },
      layout: state?.layout ?? null,
      transport: transport === 'race' ? undefined : transport,
      openers: {
        webtransport: wrap(openWebTransport),
        websocket: wrap(webSocketOpener(socket)),
      },
      ...(options.storage && { storage: options.storage }),
      access: () => access,
      config: async () => {
        if (token && isStale) access = await token();
        isStale = false;
        return fetchConfig(known);
      },
      renews: (code) => {
        isStale ||= closeReason(code) === 'expired';
        return isStale && token !== undefined;
      },
    },
    state,
    plane,
  );
  await welcomed(room, signal);
  signal?.addEventListener('abort', () => void room.leave(), { once: true });
  return room;
}

/** Opens a room, and waits until everybody in it is known. */
function welcomed<S, P, X extends SpaceOption>(
  room: Room<S, P, X>,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void =>
      done(() => {
        reject(error);
        void room.leave();
      });
    const abort = (): void => fail(signal!.reason);
    const done = (settle: () => void): void => {
      for (const off of offs) off();
      signal?.removeEventListener('abort', abort);
      settle();
    };
    const offs = [
      room.status.subscribe(({ phase, reason, close }) => {
        if (phase === 'waiting' || phase === 'ended') fail(new JoinError(reason, close));
      }),
      room.people.subscribe(() => room.people.isListed && done(resolve)),
    ];
    signal?.addEventListener('abort', abort, { once: true });
    room.open();
  });
}
