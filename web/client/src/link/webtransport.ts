/** A link over WebTransport: a stream for what must arrive, datagrams for what must be new. */

import { OpenError } from './fault.ts';
import { type Config, type Link, type LinkEvents, messageOf, type Opener } from './link.ts';

/**
 * Browsers configure datagrams differently: older ones have high water marks, newer ones maximum
 * buffers, and some offer only `createWritable()`, others only `writable`.
 */
interface Datagrams {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable?: WritableStream<Uint8Array>;
  createWritable?(): WritableStream<Uint8Array>;
  incomingHighWaterMark?: number;
  incomingMaxBufferedDatagrams?: number;
  outgoingHighWaterMark?: number;
  outgoingMaxBufferedDatagrams?: number;
}

/**
 * Datagrams buffered while the page draws, enough for a burst of frames; browsers keep only one by
 * default.
 */
const INCOMING_DATAGRAMS = 64;
const FLUSH_MS = 250;
/**
 * A refusal takes a round trip or two. A browser that gives up later than this, as Chromium does
 * after 5 to 10 s, has heard nothing.
 */
const SILENCE_MS = 4000;

/** Opens a link by WebTransport. */
export const openWebTransport: Opener = async (config, events, signal) => {
  if (!config.webtransport || typeof WebTransport === 'undefined') {
    const fault = globalThis.isSecureContext === false ? 'insecure' : 'unsupported';
    throw new OpenError(fault, 'this browser has no WebTransport here');
  }
  const dialled = performance.now();
  const session = new WebTransport(config.webtransport, options(config));
  const abort = (): void => session.close();
  signal.addEventListener('abort', abort, { once: true });
  session.closed.catch(() => undefined);
  await session.ready.catch((error) => {
    const fault = performance.now() - dialled < SILENCE_MS ? 'refused' : 'silent';
    throw new OpenError(fault, messageOf(error));
  });
  tune(session.datagrams as unknown as Datagrams);
  const stream = await session.createBidirectionalStream();
  signal.removeEventListener('abort', abort);
  return start(session, stream, events);
};

function options(config: Config): WebTransportOptions {
  const hashes = config.serverCertificateHashes?.map(({ algorithm, value }) => ({
    algorithm,
    value: Uint8Array.from(atob(value), (c) => c.charCodeAt(0)),
  }));
  return { requireUnreliable: true, ...(hashes && { serverCertificateHashes: hashes }) };
}

function tune(datagrams: Datagrams): void {
  if ('incomingMaxBufferedDatagrams' in datagrams) {
    datagrams.incomingMaxBufferedDatagrams = INCOMING_DATAGRAMS;
  } else {
    datagrams.incomingHighWaterMark = INCOMING_DATAGRAMS;
  }
  if ('outgoingMaxBufferedDatagrams' in datagrams) datagrams.outgoingMaxBufferedDatagrams = 1;
  else datagrams.outgoingHighWaterMark = 1;
}

function start(
  session: WebTransport,
  stream: WebTransportBidirectionalStream,
  events: LinkEvents,
): Link {
  const datagrams = session.datagrams as unknown as Datagrams;
  // Where `createWritable` exists, `writable` is left alone: merely reading it breaks some
  // browsers.
  const out = (datagrams.createWritable?.() ?? datagrams.writable!).getWriter();
  const reliable = (stream.writable as WritableStream<Uint8Array>).getWriter();
  let live = true;
  let busy = false;
  const end = (code: number | undefined, reason: string): void => {
    if (!live) return;
    live = false;
    events.end({ code, reason });
  };
  session.closed.then(
    (info) => end(info.closeCode, info.reason ?? ''),
    (error) => end(undefined, messageOf(error)),
  );
  const split = splitter((message) => live && events.message(message));
  readAll(stream.readable as ReadableStream<Uint8Array>, split);
  readAll(datagrams.readable, (bytes) => live && events.datagram(bytes));
  return {
    transport: 'webtransport',
    // A failed write also shows in `closed`, which reports it.
    send: (message) => void reliable.write(withLength(message)).catch(() => undefined),
    sendDatagram: (bytes) => {
      if (!live || busy || (out.desiredSize ?? 0) <= 0) return false;
      busy = true;
      out.write(bytes).then(
        () => {
          busy = false;
        },
        () => undefined,
      );
      return true;
    },
    close: () => {
      live = false;
      // Closing cuts the stream short, so the last message, a Leave, gets a moment to go out.
      const flushed = reliable.close().catch(() => undefined);
      const patience = new Promise((resolve) => setTimeout(resolve, FLUSH_MS));
      Promise.race([flushed, patience]).then(() => session.close());
    },
  };
}

async function readAll(
  readable: ReadableStream<Uint8Array>,
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  const reader = readable.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      take(value);
    }
  } catch {
    // The session has ended; `closed` reports why.
  }
}

/** The message with its length in front, as a stream carries it. */
export function withLength(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(message.length + 2);
  bytes[0] = message.length & 0xff;
  bytes[1] = message.length >> 8;
  bytes.set(message, 2);
  return bytes;
}

/** Reassembles the pieces of a stream and hands out one message at a time. */
export function splitter(take: (message: Uint8Array) => void): (piece: Uint8Array) => void {
  let held = new Uint8Array(0);
  return (piece) => {
    const bytes = new Uint8Array(held.length + piece.length);
    bytes.set(held);
    bytes.set(piece, held.length);
    let at = 0;
    while (bytes.length - at >= 2) {
      const end = at + 2 + bytes[at]! + bytes[at + 1]! * 256;
      if (end > bytes.length) break;
      take(bytes.subarray(at + 2, end));
      at = end;
    }
    held = bytes.slice(at);
  };
}
