/** Distinguishes connections that the page's policy forbids from those that fail otherwise. */
import {
  type Config,
  messageOf,
  OpenError,
  type Opener,
  type Openers,
  openWebSocket,
  openWebTransport,
} from '@gpys/client/parts';

/**
 * Wraps an opener: a proxy may have replaced the page's policy, and the browser reports violations
 * while a link opens.
 */
function underPolicy(open: Opener, urlOf: (config: Config) => string | null): Opener {
  return async (config, events, signal) => {
    const url = urlOf(config);
    let forbidden = false;
    const note = ({ blockedURI, disposition }: SecurityPolicyViolationEvent): void => {
      // Some browsers omit the path.
      if (disposition === 'enforce' && url?.startsWith(blockedURI)) forbidden = true;
    };
    document.addEventListener('securitypolicyviolation', note);
    try {
      return await open(config, events, signal);
    } catch (error) {
      throw forbidden ? new OpenError('policy', messageOf(error)) : error;
    } finally {
      document.removeEventListener('securitypolicyviolation', note);
    }
  };
}

/** Openers of both transports for a page. */
export const OPENERS: Openers = {
  webtransport: underPolicy(openWebTransport, (config) => config.webtransport),
  websocket: underPolicy(openWebSocket, (config) => config.websocket),
};
