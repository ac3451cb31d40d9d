/** How transports fail. */
import type { Config, Transport } from './link.ts';

/** How a transport failed. */
export type Fault =
  /** The browser does not support it. */
  | 'unsupported'
  /** The browser does not support it on pages of plain HTTP. */
  | 'insecure'
  /** The page's policy forbids the address. */
  | 'policy'
  /** The answer was no. */
  | 'refused'
  /** No answer came. */
  | 'silent'
  /** It opened, but after the other one. */
  | 'slow';

/** The error that an opener rejects with. */
export class OpenError extends Error {
  constructor(
    readonly fault: Fault,
    words: string,
  ) {
    super(words);
  }
}

/** The fault of an opener's rejection. */
export function faultOf(error: unknown): Fault {
  return error instanceof OpenError ? error.fault : 'refused';
}

/** The server's address, and the origin of the page that asks. A page's `location` is one. */
export type Address = Pick<URL, 'protocol' | 'host' | 'origin'>;

/** Says how transports failed: to a user in sentences (`wordsFor`), or to a program. */
export interface Words {
  /** How WebTransport lost. */
  lost(fault: Fault, config: Config): string;
  /** How none of them opened. */
  none(faults: Partial<Record<Transport, Fault>>, config: Config): string;
}

/** The faults' own names. */
export const TERSE: Words = {
  lost: (fault) => `webtransport: ${fault}`,
  none: (faults) =>
    Object.entries(faults)
      .map((it) => it.join(': '))
      .join(', '),
};
