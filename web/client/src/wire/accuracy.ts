/** Accuracy of a position as a code (docs/PROTOCOL.md, section 2). */

/** The smallest code whose radius, 0.5 · 1.25^(code - 1) metres, is at least `metres`. */
export function encodeAccuracy(metres: number | null | undefined): number {
  if (metres === null || metres === undefined || !(metres >= 0)) return 0;
  for (let code = 1; code < 63; code++) if (decodeAccuracy(code)! >= metres) return code;
  return 63;
}

/** The code's radius in metres; null if unknown. */
export function decodeAccuracy(code: number): number | null {
  return code === 0 ? null : 0.5 * 1.25 ** (code - 1);
}
