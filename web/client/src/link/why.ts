/**
 * Why a transport did not open, as far as a page can know. A browser reports only the failure; what
 * the server saw of the page, the clocks, and the way it failed explain the rest. Pure.
 */
import type { Address, Fault, Words } from './fault.ts';
import type { Config } from './link.ts';

const DAY_MS = 86_400_000;

/** Why the server refuses this page's sessions, if it does. */
export function whyNoSession({ seen }: Config, address: Address): string | undefined {
  if (!seen || seen.originAllowed) return undefined;
  if (seen.host !== address.host) {
    return `the proxy in front forwards the Host ${seen.host} instead of ${address.host}, so the server mistakes this page for another site's`;
  }
  return `the server does not accept pages from ${address.origin}; start it with --public-url ${address.origin}`;
}

/** Why WebTransport did not open, to follow the word "WebTransport". */
export function whyNotWebTransport(fault: Fault, config: Config, address: Address): string {
  const at = config.webtransport ? new URL(config.webtransport).host : 'the server';
  switch (fault) {
    case 'unsupported':
      return 'is not supported by this browser';
    case 'insecure':
      return 'needs a page opened over https';
    case 'policy':
      return `may not connect to ${at}: a proxy in front sets its own Content-Security-Policy`;
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
        return `was refused: this device's clock is ${off} ${days > 0 ? 'fast' : 'slow'}, so the server's certificate looks invalid`;
      }
      const wrong = config.serverCertificateHashes
        ? 'another server uses it'
        : 'browsers do not trust its certificate';
      return `was refused at ${at}: the UDP port is closed, or ${wrong}`;
    }
  }
}

/** Why WebSocket did not open either, to follow the word "WebSocket". */
export function whyNotWebSocket(fault: Fault): string {
  switch (fault) {
    case 'policy':
      return "is forbidden by a proxy's Content-Security-Policy";
    case 'silent':
      return 'got no answer';
    default:
      return 'did not open, though the server answers: a proxy in front must forward Upgrade and Connection';
  }
}

/** Why no link opened at all, in one sentence. */
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

/** The words for users of a page at this address. */
export function wordsFor(address: Address): Words {
  return {
    lost: (fault, config) => whyNotWebTransport(fault, config, address),
    none: (faults, config) => whyNoLink(faults, config, address),
  };
}
