/** Positions that may be out of date. */

/** A person whose position is this old may be elsewhere. */
export const OLD_MS = 30_000;

/** How long ago something was, in words; coarser the longer. */
export function agoWords(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds / 10) * 10)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86_400
    ? `${Math.floor(seconds / 3600)} h ago`
    : `${Math.floor(seconds / 86_400)} d ago`;
}
