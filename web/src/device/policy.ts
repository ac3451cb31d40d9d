/** Tells connections that the page's policy forbids from those that fail for another reason. */
import {
  type Config,
  messageOf,
  OpenError,
  type Opener,
  type Openers,
  openWebSocket,
  openWebTransport,
} from '@gpys/client';

/** A proxy may have replaced the policy, and a browser reports a violation while a link opens. */
function underPolicy(open: Opener, urlOf: (config: Config) => string | null): Opener {
  return async (config, events, signal) => {
    const url = urlOf(config);
    let forbidden = false;
    const note = ({ blockedURI, disposition }: SecurityPolicyViolationEvent): void => {
      // Some browsers cut the path off.
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

/** Both transports as a page opens them. */
export const OPENERS: Openers = {
  webtransport: underPolicy(openWebTransport, (config) => config.webtransport),
  websocket: underPolicy(openWebSocket, (config) => config.websocket),
};
