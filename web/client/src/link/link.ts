/** One live connection, whatever carries it: what WebTransport and WebSocket have in common. */

export type Transport = 'webtransport' | 'websocket';

export interface Config {
  protocol: number;
  webtransport: string | null;
  serverCertificateHashes?: { algorithm: string; value: string }[];
  websocket: string;
  venue: { lat: number; lng: number; label: string } | null;
  map: { style: string | null; pmtiles: string | null };
  /** What the server saw of the request for this. */
  seen?: { host: string; originAllowed: boolean; forwarded: 'none' | 'believed' | 'ignored' };
  /** By how much this device's clock is ahead of the server's, in ms. */
  skew?: number;
}

export interface LinkEnd {
  /** The close code of docs/PROTOCOL.md, where the transport tells one. */
  code: number | undefined;
  reason: string;
}

export interface LinkEvents {
  /** A reliable message, without the stream's length before it. */
  message(bytes: Uint8Array): void;
  datagram(bytes: Uint8Array): void;
  /** Called once, unless this side closed the link. */
  end(end: LinkEnd): void;
}

export interface Link {
  readonly transport: Transport;
  send(message: Uint8Array<ArrayBuffer>): void;
  /** False: the lane is still busy with the datagram before, and this one is dropped. */
  sendDatagram(bytes: Uint8Array<ArrayBuffer>): boolean;
  close(): void;
}

/** Opens a link, or rejects with words for a person. Aborting closes whatever has been opened. */
export type Opener = (config: Config, events: LinkEvents, signal: AbortSignal) => Promise<Link>;

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
