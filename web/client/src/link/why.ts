/**
 * Why a transport did not open, as far as a page can know. A browser tells only that it failed;
 * what the server saw of the page, the clocks, and how it failed tell the rest. Pure.
 */
import type { Config } from './link';

/** How a transport failed. */
export type Fault =
  /** The browser has none. */
  | 'unsupported'
  /** The browser has none on pages of plain HTTP. */
  | 'insecure'
  /** A policy of the page forbids the address. */
  | 'policy'
  /** There was an answer, and it was no. */
  | 'refused'
  /** There was no answer. */
  | 'silent'
  /** It opened after all, behind the other. */
  | 'slow';

/** What an opener rejects with. */
export class OpenError extends Error {
  constructor(
    readonly fault: Fault,
    words: string,
  ) {
    super(words);
  }
}

export function faultOf(error: unknown): Fault {
  return error instanceof OpenError ? error.fault : 'refused';
}

/** Where the server is, and the origin from which it is asked. A page's `location` is one. */
export type Address = Pick<URL, 'protocol' | 'host' | 'origin'>;

const DAY_MS = 86_400_000;

/** Why the server takes no session of this page, if it does not. */
export function whyNoSession({ seen }: Config, address: Address): string | undefined {
  if (!seen || seen.originAllowed) return undefined;
  if (seen.host !== address.host) {
    return `the proxy in front hands on the Host ${seen.host} in place of ${address.host}, so the server takes this page for another site's`;
  }
  return `the server takes no pages of ${address.origin}; it may be started with --public-url ${address.origin}`;
}

/** Why it is not WebTransport, after "WebTransport". */
export function whyNotWebTransport(fault: Fault, config: Config, address: Address): string {
  const at = config.webtransport ? new URL(config.webtransport).host : 'the server';
  switch (fault) {
    case 'unsupported':
      return 'is not in this browser';
    case 'insecure':
      return 'needs a page that was opened by https';
    case 'policy':
      return `may not connect to ${at}: a proxy in front sets a Content-Security-Policy of its own`;
    case 'slow':
      return 'took longer to open this time';
    case 'silent':
      return `got no answer from ${at}: UDP is blocked on the way, or the port is not forwarded`;
    case 'refused': {
      const refused = whyNoSession(config, address);
      if (refused) return `was refused: ${refused}`;
      const days = Math.round((config.skew ?? 0) / DAY_MS);
      if (days !== 0) {
        const off = `${Math.abs(days)} ${Math.abs(days) === 1 ? 'day' : 'days'}`;
        return `was refused: this device's clock is ${off} ${days > 0 ? 'fast' : 'slow'}, so the server's certificate does not count`;
      }
      const wrong = config.serverCertificateHashes
        ? 'another server has it'
        : 'its certificate is not one that browsers trust';
      return `was refused at ${at}: the UDP port is closed, or ${wrong}`;
    }
  }
}

/** Why it is not WebSocket either, after "WebSocket". */
export function whyNotWebSocket(fault: Fault): string {
  switch (fault) {
    case 'policy':
      return 'is forbidden by a Content-Security-Policy that a proxy in front sets';
    case 'silent':
      return 'got no answer';
    default:
      return 'did not open, though the server answers: a proxy in front must pass Upgrade and Connection on';
  }
}

/** Why there is no link at all, in one sentence. */
export function whyNoLink(
  faults: { webtransport?: Fault | undefined; websocket?: Fault | undefined },
  config: Config,
  address: Address,
): string {
  const refused = whyNoSession(config, address);
  if (refused) return refused;
  const { webtransport, websocket } = faults;
  const parts = [
    webtransport && `WebTransport ${whyNotWebTransport(webtransport, config, address)}`,
    websocket && `WebSocket ${whyNotWebSocket(websocket)}`,
  ];
  return parts.filter(Boolean).join('. ');
}
