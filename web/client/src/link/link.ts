/** A link: a live connection, by WebTransport or WebSocket. */

/** The transport that carries a link. */
export type Transport = 'webtransport' | 'websocket';

/** What a server says of itself at `/config.json`. */
export interface Config {
  /** The protocol's version. */
  protocol: number;
  /** The URL for WebTransport, if the server offers it. */
  webtransport: string | null;
  /** Hashes of certificates to accept, if no authority has signed them. */
  serverCertificateHashes?: { algorithm: string; value: string }[];
  /** The URL for WebSocket. */
  websocket: string;
  /** The venue that maps mark. */
  venue: { lat: number; lng: number; label: string } | null;
  /** The operator's own map: a style or a PMTiles file. */
  map: { style: string | null; pmtiles: string | null };
  /** What the server saw of the request for this configuration. */
  seen?: { host: string; originAllowed: boolean; forwarded: 'none' | 'believed' | 'ignored' };
  /** How far this device's clock is ahead of the server's, in ms. */
  skew?: number;
}

/** How a link ended. */
export interface LinkEnd {
  /** The close code of docs/PROTOCOL.md, if the transport carried one. */
  code: number | undefined;
  /** The reason, in words. */
  reason: string;
}

/** Receives what arrives on a link. */
export interface LinkEvents {
  /** Takes a reliable message, without the length that precedes it on a stream. */
  message(bytes: Uint8Array): void;
  /** Takes a datagram. */
  datagram(bytes: Uint8Array): void;
  /** Called once when the link ends, unless this side closed it. */
  end(end: LinkEnd): void;
}

/** A live connection to the server. */
export interface Link {
  /** The transport that carries it. */
  readonly transport: Transport;
  /** Sends a reliable message. */
  send(message: Uint8Array<ArrayBuffer>): void;
  /**
   * Sends a datagram; false: the lane is still busy with the previous one, and this one is dropped.
   */
  sendDatagram(bytes: Uint8Array<ArrayBuffer>): boolean;
  /** Closes the link, after what was sent before. */
  close(): void;
}

/** Opens a link, or rejects with a message for the user. Aborting closes what has been opened. */
export type Opener = (config: Config, events: LinkEvents, signal: AbortSignal) => Promise<Link>;

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
