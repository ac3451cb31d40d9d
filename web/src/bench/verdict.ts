/** The verdict: which transport is faster at what, and by how much, in one line. */
import type { Transport } from '@gpys/client/parts';
import type { BenchResult, TransportResult } from './result';

export const NAMES = { webtransport: 'WebTransport', websocket: 'WebSocket' } as const;
/** Two figures closer than this share of the larger one are alike; runs differ by more. */
const ALIKE_SHARE = 0.1;
/** So are figures closer than this, in ms, which is invisible. */
const ALIKE_MS = 2;

/** The comparisons: words, and the figure. */
const CONTESTS: [string, (it: TransportResult) => number | null | undefined][] = [
  ['shows positions', (it) => it.sampled_age_ms?.p50],
  ['shows the slowest 1 % of them', (it) => it.sampled_age_ms?.p99],
  ['joins', (it) => it.join_ms.first_frame],
];

/** The verdict of a finished run; empty if there is nothing to compare. */
export function verdict(result: BenchResult): string {
  const { webtransport: wt, websocket: ws } = result.transports;
  if (!wt || !ws) return '';
  const measured = [wt, ws].map((it) => Boolean(it.sampled_age_ms));
  if (!measured.some(Boolean)) return 'Neither transport could be measured.';
  if (!measured.every(Boolean)) {
    const [good, bad] = measured[0]
      ? (['webtransport', 'websocket'] as const)
      : (['websocket', 'webtransport'] as const);
    return `Only ${NAMES[good]} could be measured: ${NAMES[bad]} got nowhere.`;
  }
  let alike = 0;
  const wins: Record<Transport, string[]> = { webtransport: [], websocket: [] };
  for (const [what, figure] of CONTESTS) {
    const [a, b] = [figure(wt), figure(ws)];
    if (a === null || a === undefined || b === null || b === undefined) continue;
    const [difference, larger] = [Math.abs(a - b), Math.max(a, b)];
    if (difference < ALIKE_MS || difference < ALIKE_SHARE * larger) {
      alike++;
      continue;
    }
    const share = Math.round((100 * difference) / larger);
    wins[a < b ? 'webtransport' : 'websocket'].push(
      `${what} ${Math.round(difference)} ms (${share} %) sooner`,
    );
  }
  const parts = (['webtransport', 'websocket'] as const)
    .filter((transport) => wins[transport].length > 0)
    .map((transport) => `${NAMES[transport]} ${list(wins[transport])}`);
  if (parts.length === 0)
    return 'Both transports are alike on this network, with no noticeable difference.';
  if (alike > 0) parts.push('otherwise they are alike');
  return [`${parts.join('; ')}.`, ...lost(result)].join(' ');
}

/** Links lost during the run, whose pictures only aged afterwards. */
function lost({ transports }: BenchResult): string[] {
  const ended = (['webtransport', 'websocket'] as const).filter(
    (transport) => transports[transport]?.state === 'ended',
  );
  return ended.map((transport) => `${NAMES[transport]} was lost on the way.`);
}

/** Explains a run slower than requested; empty if it was not. */
export function limited(asked: number, rate: number): string {
  if (rate >= asked) return '';
  return `This server reads at most ${rate} positions a second, so the run sends ${rate} instead of ${asked}.`;
}

function list(words: string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
