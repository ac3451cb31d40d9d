/** A run's result; web/README.md explains each field. */
import type { Transport } from '@gpys/client/parts';
import type { Gauge } from './gauge';
import type { Percentiles } from './histogram';
import type { Peer, PeerState, Traffic } from './peer';

/** A picture older than this is stale, in ms. */
export const STALE_AGE_MS = 100;

export interface Options {
  rate: number;
  seconds: number;
  transports: Transport[];
}

export interface Ages {
  age_ms: Percentiles | null;
  sampled_age_ms: Percentiles | null;
  stale_share: number | null;
}

export interface TransportResult extends Ages {
  state: PeerState;
  error: string | null;
  join_ms: { open: number | null; welcome: number | null; first_frame: number | null };
  rtt_ms: number | null;
  /** Ages of what the page's other link sent; null without one. */
  from_other: Ages | null;
  messages_per_second: number;
  bytes_per_second: number;
  sent_messages_per_second: number;
  sent_bytes_per_second: number;
  ticks_missed_share: number | null;
}

export interface BenchResult {
  benchmark: 'gpys-page';
  version: 1;
  started_at: string;
  origin: string;
  user_agent: string;
  hardware_concurrency: number;
  clock_resolution_ms: number;
  asked_rate_hz: number;
  rate_hz: number;
  tick_hz: number | null;
  seconds: number;
  measured_seconds: number;
  hidden_seconds: number;
  samples_taken: number;
  transports: Partial<Record<Transport, TransportResult>>;
}

/** Sums up a link's traffic over the time that counts. */
export class Tally {
  private since: Traffic | undefined;
  private readonly sum = {
    messages_received: 0,
    bytes_received: 0,
    messages_sent: 0,
    bytes_sent: 0,
    moments: 0,
    server_ms: 0,
  };

  start(traffic: Traffic): void {
    this.since = { ...traffic };
  }

  stop(traffic: Traffic): void {
    const { since, sum } = this;
    if (!since) return;
    sum.messages_received += traffic.messages_received - since.messages_received;
    sum.bytes_received += traffic.bytes_received - since.bytes_received;
    sum.messages_sent += traffic.messages_sent - since.messages_sent;
    sum.bytes_sent += traffic.bytes_sent - since.bytes_sent;
    // The number of ticks before the very first moment is unknown.
    const fresh = since.moments === 0 && traffic.moments > 0;
    sum.moments += traffic.moments - since.moments - Number(fresh);
    sum.server_ms += (traffic.newest - (fresh ? traffic.first : since.newest)) >>> 0;
    this.since = undefined;
  }

  perSecond(seconds: number) {
    const per = (n: number): number => (seconds > 0 ? round(n / seconds) : 0);
    return {
      messages_per_second: per(this.sum.messages_received),
      bytes_per_second: per(this.sum.bytes_received),
      sent_messages_per_second: per(this.sum.messages_sent),
      sent_bytes_per_second: per(this.sum.bytes_sent),
    };
  }

  /**
   * The share of ticks without a frame; null if peers do not move in every tick, so that a missing
   * frame is no loss.
   */
  ticksMissed(rate: number, tickHz: number | undefined): number | null {
    if (tickHz === undefined || rate < tickHz || this.sum.server_ms === 0) return null;
    const ticks = (this.sum.server_ms * tickHz) / 1000;
    return round(Math.max(0, 1 - this.sum.moments / ticks));
  }
}

export function ages(gauge: Gauge): Ages {
  const stale = gauge.looks.shareAbove(STALE_AGE_MS);
  return {
    age_ms: gauge.arrivals.percentiles(),
    sampled_age_ms: gauge.looks.percentiles(),
    stale_share: stale === null ? null : Math.round(stale * 1e6) / 1e6,
  };
}

export function joinTimes({ join }: Peer): TransportResult['join_ms'] {
  const rounded = (ms: number | null): number | null => (ms === null ? null : round(ms));
  return {
    open: rounded(join.open),
    welcome: rounded(join.welcome),
    first_frame: rounded(join.first_frame),
  };
}

export function round(n: number): number {
  return Math.round(n * 1000) / 1000;
}

/** The smallest step seen of this page's clock, in ms. */
export function clockResolution(): number {
  let smallest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    smallest = Math.min(smallest, now - start);
  }
  return round(smallest);
}
