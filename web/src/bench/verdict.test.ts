import { expect, it } from 'vitest';
import type { BenchResult, TransportResult } from './result';
import { limited, verdict } from './verdict';

function measured(p50: number, p99: number, join: number): Partial<TransportResult> {
  const age = { count: 1, p50, p90: p50, p99, p999: p99, max: p99, mean: p50 };
  return { sampled_age_ms: age, join_ms: { open: 1, welcome: 1, first_frame: join } };
}

const failed: Partial<TransportResult> = {
  sampled_age_ms: null,
  join_ms: { open: null, welcome: null, first_frame: null },
};

const of = (webtransport?: Partial<TransportResult>, websocket?: Partial<TransportResult>) =>
  verdict({ transports: { webtransport, websocket } } as BenchResult);

it('says which transport is faster at what, and by how much', () => {
  expect(of(measured(30, 60, 90), measured(40, 200, 60))).toBe(
    'WebTransport shows positions 10 ms (25 %) sooner and shows the slowest 1 % of them 140 ms (70 %) sooner; WebSocket joins 30 ms (33 %) sooner.',
  );
  expect(of(measured(50, 60, 90), measured(40, 60, 90))).toBe(
    'WebSocket shows positions 10 ms (20 %) sooner; otherwise they are alike.',
  );
  expect(of(measured(50, 60, 90), { ...measured(400, 900, 90), state: 'ended' })).toMatch(
    /^WebTransport shows positions 350 ms .+ WebSocket was lost on the way\.$/,
  );
});

it('calls similar figures alike', () => {
  expect(of(measured(30, 56, 10), measured(28.5, 52, 11))).toContain('Both transports are alike');
});

it('names the transport that could not be measured, and is empty for a single one', () => {
  expect(of(measured(30, 60, 90), failed)).toBe(
    'Only WebTransport could be measured: WebSocket got nowhere.',
  );
  expect(of(failed, failed)).toBe('Neither transport could be measured.');
  expect(of(measured(30, 60, 90))).toBe('');
});

it('says when the server reads less than requested', () => {
  expect(limited(60, 30)).toContain('sends 30 instead of 60');
  expect(limited(30, 60)).toBe('');
  expect(limited(30, 30)).toBe('');
});
