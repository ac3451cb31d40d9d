/** One run: both links at once, with the same samples over both. */
import type { Config, Transport } from '@gpys/client/parts';
import { Gauge } from './gauge';
import { Peer } from './peer';
import {
  ages,
  type BenchResult,
  clockResolution,
  joinTimes,
  type Options,
  round,
  Tally,
  type TransportResult,
} from './result';
import { NUMBERS, numberOf } from './walk';

const LOOK_EVERY_MS = 100;
/**
 * Samples are slightly slower than requested. A rate that divides the ticks would otherwise meet
 * every tick at the same moment, and a whole run would depend on the luck of its first sample.
 */
const DRIFT = 1.003;

export interface RunEvents {
  /** A link opened, failed or ended, or the page was hidden or shown. */
  changed(run: Run): void;
  /**
   * Called ten times a second while counting: the highest age since the last call, per transport.
   */
  looked(run: Run, seconds: number, peaks: (number | undefined)[]): void;
}

export class Run {
  readonly peers: Peer[];
  readonly done: Promise<BenchResult>;
  phase: 'joining' | 'counting' | 'hidden' | 'done' = 'joining';
  private readonly gauges = new Map<Peer, Map<Peer, Gauge>>();
  private readonly tallies = new Map<Peer, Tally>();
  private readonly startedAt = new Date();
  private readonly resolution = clockResolution();
  /** When each sample was taken, by number. */
  private readonly taken = new Float64Array(NUMBERS);
  private samples = 0;
  private counted = 0;
  private hidden = 0;
  private since = performance.now();
  private sampling: ReturnType<typeof setTimeout> | undefined;
  private looking: ReturnType<typeof setInterval> | undefined;
  private finish!: (result: BenchResult) => void;

  constructor(
    readonly options: Options,
    config: Config,
    private readonly events: RunEvents,
  ) {
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
    this.peers = options.transports.map(
      (transport) =>
        new Peer(transport, {
          state: () => this.peerChanged(),
          frame: (peer, now) => this.shown(peer, now),
        }),
    );
    for (const to of this.peers) {
      this.gauges.set(to, new Map(this.peers.map((from) => [from, new Gauge()])));
      this.tallies.set(to, new Tally());
    }
    document.addEventListener('visibilitychange', this.visibilityChanged);
    const room = randomRoom();
    for (const peer of this.peers) void peer.open(config, room);
  }

  /** Samples per second: the requested rate, or the most that the server reads. */
  get rate(): number {
    const most = this.peers.flatMap(({ welcome }) => (welcome ? [welcome.limits.pose_hz] : []));
    return Math.min(this.options.rate, ...most);
  }

  /** The ages that `to` shows of what `from` sent; by default one link both ways. */
  gauge(to: Peer, from: Peer = to): Gauge {
    return this.gauges.get(to)!.get(from)!;
  }

  secondsCounted(now = performance.now()): number {
    return (this.counted + (this.phase === 'counting' ? now - this.since : 0)) / 1000;
  }

  /** Ends the run now, with the figures so far. */
  stop(): void {
    if (this.phase === 'done') return;
    this.pause(performance.now());
    this.phase = 'done';
    clearTimeout(this.sampling);
    clearInterval(this.looking);
    document.removeEventListener('visibilitychange', this.visibilityChanged);
    const result = this.result();
    for (const peer of this.peers) peer.leave();
    this.events.changed(this);
    this.finish(result);
  }

  /** Starts counting once every link was welcomed or has failed. */
  private peerChanged(): void {
    if (this.phase === 'done') return;
    if (this.peers.every(({ state }) => state === 'failed' || state === 'ended')) {
      this.stop();
      return;
    }
    if (this.phase === 'joining' && this.peers.every(({ state }) => state !== 'opening')) {
      this.looking = setInterval(() => this.look(), LOOK_EVERY_MS);
      this.sample(performance.now());
      this.resume(performance.now());
    }
    this.events.changed(this);
  }

  private sample(due: number): void {
    const now = performance.now();
    const number = this.samples++;
    this.taken[number % NUMBERS] = now;
    // The links take turns in going first.
    const inTurn = number % 2 === 0 ? this.peers : this.peers.toReversed();
    for (const peer of inTurn) peer.walk(number, now);
    // A late timer does not catch up with a burst.
    const next = Math.max(due + (DRIFT * 1000) / this.rate, now);
    this.sampling = setTimeout(() => this.sample(next), next - now);
  }

  private shown(to: Peer, now: number): void {
    if (this.phase !== 'counting') return;
    for (const from of this.peers) {
      const figure = from.welcome && to.view.figures.get(from.welcome.id);
      const number = figure && numberOf(figure, this.samples - 1);
      if (number !== undefined) this.gauge(to, from).show(this.taken[number % NUMBERS]!, now);
    }
  }

  private look(): void {
    const now = performance.now();
    if (this.phase === 'counting') {
      const peaks = this.peers.map((peer) => this.gauge(peer).takePeak(now));
      this.events.looked(this, this.secondsCounted(now), peaks);
    }
    const nearly = this.options.seconds - LOOK_EVERY_MS / 2000;
    if (this.secondsCounted(now) >= nearly) this.stop();
  }

  private readonly visibilityChanged = (): void => {
    if (this.phase === 'joining') return;
    const now = performance.now();
    if (document.visibilityState === 'hidden') this.pause(now);
    else this.resume(now);
    this.events.changed(this);
  };

  /** Browsers slow the timers of a hidden page, so that time means nothing. */
  private pause(now: number): void {
    if (this.phase === 'hidden') this.hidden += now - this.since;
    if (this.phase === 'counting') {
      this.counted += now - this.since;
      for (const gauge of this.allGauges()) gauge.stop(now);
      for (const [peer, tally] of this.tallies) tally.stop(peer.traffic);
    }
    this.phase = 'hidden';
    this.since = now;
  }

  private resume(now: number): void {
    if (document.visibilityState === 'hidden') {
      this.pause(now);
      return;
    }
    if (this.phase === 'hidden') this.hidden += now - this.since;
    this.phase = 'counting';
    this.since = now;
    for (const gauge of this.allGauges()) gauge.start(now);
    for (const [peer, tally] of this.tallies) tally.start(peer.traffic);
  }

  private *allGauges(): Iterable<Gauge> {
    for (const row of this.gauges.values()) yield* row.values();
  }

  result(): BenchResult {
    const { options } = this;
    const tickHz = this.peers.find(({ welcome }) => welcome)?.welcome?.tick_hz;
    const transports = this.peers.map((peer) => [peer.transport, this.resultOf(peer, tickHz)]);
    return {
      benchmark: 'gpys-page',
      version: 1,
      started_at: this.startedAt.toISOString(),
      origin: location.origin,
      user_agent: navigator.userAgent,
      hardware_concurrency: navigator.hardwareConcurrency,
      clock_resolution_ms: this.resolution,
      asked_rate_hz: options.rate,
      rate_hz: this.rate,
      tick_hz: tickHz ?? null,
      seconds: options.seconds,
      measured_seconds: round(this.secondsCounted()),
      hidden_seconds: round(this.hidden / 1000),
      samples_taken: this.samples,
      transports: Object.fromEntries(transports) as Partial<Record<Transport, TransportResult>>,
    };
  }

  private resultOf(peer: Peer, tickHz: number | undefined): TransportResult {
    const other = this.peers.find((it) => it !== peer);
    const tally = this.tallies.get(peer)!;
    return {
      state: peer.state,
      error: peer.error,
      join_ms: joinTimes(peer),
      rtt_ms: peer.roundTrip === null ? null : round(peer.roundTrip),
      ...ages(this.gauge(peer)),
      from_other: other ? ages(this.gauge(peer, other)) : null,
      ...tally.perSecond(this.secondsCounted()),
      ticks_missed_share: tally.ticksMissed(this.rate, tickHz),
    };
  }
}

/** A separate room, so that no map shows two people in the sea. */
function randomRoom(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  return `bench-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
