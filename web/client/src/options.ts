/** How a client joins, and what it reports. */
import type { State } from './connection.ts';
import type { EarlyLink, OpenOptions } from './link/early.ts';
import type { Config } from './link/link.ts';
import type { Frame } from './wire/frame.ts';
import type { Viewport } from './wire/geo.ts';
import type { Layout, Space } from './wire/kind.ts';
import type { Said } from './wire/say.ts';
import type { Refused, Roster, Welcome } from './wire/server.ts';
import type { Presence, Sharing } from './wire/wire.ts';

/** How a message travels: surely and in order, or as a datagram, of which the newest counts. */
export type Lane = 'reliable' | 'datagram';

/** How a client joins. */
export interface ClientOptions extends Partial<Omit<OpenOptions, 'openers'>> {
  /** How each transport opens. */
  openers: OpenOptions['openers'];
  /** The room, 1 to 64 of a-z, 0-9 and `-`; `lobby` by default. */
  room?: string;
  /** The name to show to others; empty by default. */
  name?: string;
  /** The presence to begin with; `Sharing` by default. */
  presence?: Presence;
  /** What the client shows, if it knows already. */
  viewport?: Viewport | null;
  /** The access token, for a room that asks for one, or what returns it before each hello. */
  access?: string | null | (() => string | null);
  /**
   * Whether the client comes back although the server says with this code that it should not, because
   * it will greet the server with something else; never by default.
   */
  renews?: (code: number) => boolean;
  /** The terms on which the client shares; exact and without an end by default. */
  sharing?: Sharing;
  /** The space that the room must have, or gets from its first client; any by default. */
  space?: Space | null;
  /** The layout of state that the room must have, or gets from its first client; any by default. */
  layout?: Layout | null;
  /** What the client says of itself, as JSON of at most 512 bytes; nothing by default. */
  profile?: string;
  /** Maximum bytes of frames per second; 0, the default, lets the server choose. */
  budget?: number;
  /**
   * Maximum frames per second, 1 to 255, such as a display draws; 0, the default, for as many as
   * the server can afford.
   */
  maxFramesHz?: number;
  /** Whether to come back as the peer whose token is in `storage`; true by default. */
  mayResume?: boolean;
  /** Closes the client when aborted. */
  signal?: AbortSignal;
  /** Fetches the server's configuration before each link. */
  config: () => Promise<Config>;
  /** A link opened ahead of the client, for its first connection. */
  early?: EarlyLink | undefined;
}

/** The events of a {@link Client}. */
export interface ClientEvents {
  /** The link's state has changed. */
  state: State;
  /** A hello is about to be sent. Whatever the setters are given now is part of it. */
  hello: undefined;
  /** The server has let this client in. */
  welcome: Welcome;
  /** A roster has arrived, and the view includes it. */
  roster: Roster;
  /** A frame has arrived, and the view includes it; `ages` are those of new samples, in ms. */
  frame: { frame: Frame; ages: readonly number[] };
  /** The view shows something new. */
  change: undefined;
  /** Somebody has said something. Of datagrams, those that are older than others are left out. */
  said: { said: Said; lane: Lane };
  /** A host shows this text to everybody; empty for nothing. */
  announcement: string;
  /** The server did not take a value. */
  refused: Refused;
  /** Sharing has ended because its time is over, or because the server ended it. */
  withdrawn: undefined;
}
