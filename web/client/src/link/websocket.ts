/** A link over WebSocket: one binary message each, whose first byte tells the lane. */

import { DATAGRAM_LANE } from '../wire/wire.ts';
import { OpenError } from './fault.ts';
import type { Link, Opener } from './link.ts';

/** The protocol's close codes are sent as 4000 + code. */
const CODES_FROM = 4000;
/**
 * Length of the shortest datagram, a ping: with this much unsent, the next datagram would queue.
 * Once anything was sent, Firefox reports 1 for ever, with nothing unsent.
 */
const BUSY_BYTES = 5;

/** Opens a link by WebSocket. */
export const openWebSocket: Opener = webSocketOpener();

/** What opens links by this implementation of WebSocket; the runtime's own by default. */
export function webSocketOpener(implementation?: typeof WebSocket): Opener {
  return (config, events, signal) =>
    new Promise((resolve, reject) => {
      const socket = new (implementation ?? WebSocket)(config.websocket);
      socket.binaryType = 'arraybuffer';
      let live = true;
      let opened = false;
      const close = (): void => {
        live = false;
        socket.close(1000);
      };
      signal.addEventListener('abort', close, { once: true });
      const link: Link = {
        transport: 'websocket',
        send: (message) => socket.readyState === socket.OPEN && socket.send(message),
        sendDatagram: (bytes) => {
          if (socket.readyState !== socket.OPEN || socket.bufferedAmount >= BUSY_BYTES) {
            return false;
          }
          socket.send(bytes);
          return true;
        },
        close,
      };
      // The close that follows says what there is to say; some implementations throw without this.
      socket.onerror = () => undefined;
      socket.onopen = () => {
        opened = true;
        signal.removeEventListener('abort', close);
        resolve(link);
      };
      socket.onmessage = ({ data }) => {
        if (!live || !(data instanceof ArrayBuffer)) return;
        const bytes = new Uint8Array(data);
        if (bytes.length > 0 && bytes[0]! < DATAGRAM_LANE) events.message(bytes);
        else events.datagram(bytes);
      };
      socket.onclose = ({ code, reason }) => {
        if (!opened) reject(new OpenError('refused', 'the WebSocket did not open'));
        if (!live || !opened) return;
        live = false;
        events.end({ code: code >= CODES_FROM ? code - CODES_FROM : undefined, reason });
      };
    });
}
