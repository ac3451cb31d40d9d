/** Watches whether the tiles of an external map arrive: a style alone shows nothing. */
import type {
  ErrorEvent,
  LayerSpecification,
  Map as MapLibre,
  MapSourceDataEvent,
  StyleSpecification,
} from 'maplibre-gl';
import { hostOf, Trouble } from './mapstyle';
import { type Timeout, visibleTimeout } from './timeout';

/** Time to wait for the first tile. */
const FIRST_TILE_MS = 10_000;
const PROBE_MS = 3000;

/** The facts about one source since its style was set. */
export interface SourceFacts {
  /** Tiles requested, received, and received empty. */
  asked: number;
  loaded: number;
  empty: number;
  /** The first error, in words. */
  error: string | undefined;
  /** A requested tile. */
  tile: Tile | undefined;
}

interface Tile {
  x: number;
  y: number;
  z: number;
}

export type Verdict = 'fine' | 'parts' | 'nothing';

/**
 * Judges what the map shows of a style by its layers: if more than half of them have an empty
 * source, there is no map.
 */
export function judge(
  facts: ReadonlyMap<string, SourceFacts>,
  layers: readonly LayerSpecification[],
): Verdict {
  const dead = (id: unknown): boolean => {
    const it = facts.get(String(id));
    return it !== undefined && it.loaded === 0 && (it.asked > 0 || it.error !== undefined);
  };
  const drawn = layers.flatMap((layer) => ('source' in layer ? [layer.source] : []));
  const missing = drawn.filter(dead).length;
  if (missing === 0) return [...facts.values()].some((it) => it.error) ? 'parts' : 'fine';
  return missing * 2 > drawn.length ? 'nothing' : 'parts';
}

/** What went wrong with a tile, a source or a sprite, in words that fit in parentheses. */
export function causeOf(error: Error & { status?: number; url?: string }, host: string): string {
  const from = error.url ? hostOf(error.url) : host;
  if (error.status) return `HTTP ${error.status} from ${from}`;
  if (
    error instanceof TypeError ||
    /failed to fetch|networkerror|load failed/i.test(error.message)
  ) {
    return `${from} cannot be reached, or this server does not allow it`;
  }
  return error.message;
}

export class SourceWatch {
  private facts = new Map<string, SourceFacts>();
  private other: string | undefined;
  private host = '';
  private end = (): void => undefined;

  constructor(private readonly map: MapLibre) {
    map.on('sourcedataloading', (event) => this.loading(event));
    map.on('sourcedata', (event) => this.came(event));
    map.on('error', (event) => this.failed(event as ErrorEvent & Partial<MapSourceDataEvent>));
  }

  stop(): void {
    this.end();
    this.facts = new Map();
    this.other = undefined;
  }

  /** Starts counting the events of this style's sources. */
  begin(style: StyleSpecification, host: string): void {
    this.stop();
    this.host = host;
    for (const id of Object.keys(style.sources)) {
      this.facts.set(id, { asked: 0, loaded: 0, empty: 0, error: undefined, tile: undefined });
    }
  }

  /**
   * Resolves once the map shows something; rejects with a `Trouble` if it will not. Until `stop`,
   * `missing` learns of missing parts.
   */
  async settled(style: StyleSpecification, missing: (words: string) => void): Promise<void> {
    await this.wait();
    await this.probe(style);
    const verdict = judge(this.facts, style.layers);
    if (verdict === 'nothing') throw new Trouble(this.error ?? `no tiles from ${this.host}`);
    this.tellLater(style, missing);
  }

  private loading({ sourceId, tile, coord }: MapSourceDataEvent): void {
    const it = this.facts.get(sourceId);
    if (!it || !tile) return;
    it.asked++;
    const { x, y, z } = coord.canonical;
    it.tile ??= { x, y, z };
  }

  private came({ sourceId, tile }: MapSourceDataEvent): void {
    const it = this.facts.get(sourceId);
    if (!it || tile?.state !== 'loaded') return;
    if (tile.texture || Object.keys(tile.buckets ?? {}).length > 0) it.loaded++;
    else it.empty++;
  }

  private failed({ error, sourceId }: ErrorEvent & Partial<MapSourceDataEvent>): void {
    const words = causeOf(error, this.host);
    const it = sourceId === undefined ? undefined : this.facts.get(sourceId);
    if (it) it.error ??= words;
    else this.other ??= words;
  }

  /** The first error. */
  private get error(): string | undefined {
    return [...this.facts.values()].find((it) => it.error)?.error ?? this.other;
  }

  /** Waits until everything visible has arrived or failed, within limits. */
  private wait(): Promise<void> {
    const { map } = this;
    return new Promise((done) => {
      let timer: Timeout | undefined;
      const finish = (): void => {
        this.end();
        done();
      };
      this.end = () => {
        timer?.cancel();
        map.off('idle', finish);
      };
      map.on('idle', finish);
      timer = visibleTimeout(() => {
        for (const [id, it] of this.facts) {
          if (it.loaded === 0 && !isLoaded(map, id)) it.error ??= `no answer from ${this.host}`;
        }
        finish();
      }, FIRST_TILE_MS);
    });
  }

  private tellLater({ layers }: StyleSpecification, missing: (words: string) => void): void {
    const { map } = this;
    const look = (): void => {
      if (!this.error || (judge(this.facts, layers) === 'fine' && !this.other)) return;
      missing(`Parts of the street map could not be loaded (${this.error}).`);
      this.end();
    };
    this.end = () => map.off('error', look);
    map.on('error', look);
    look();
  }

  /** MapLibre does not distinguish missing from empty tiles, so one of them is requested again. */
  private async probe({ sources }: StyleSpecification): Promise<void> {
    for (const [id, it] of this.facts) {
      if (it.loaded > 0 || it.error || !it.tile) continue;
      const url = this.tileUrl(id, sources[id], it.tile);
      const answer =
        url && (await fetch(url, { signal: AbortSignal.timeout(PROBE_MS) }).catch(() => undefined));
      if (answer && !answer.ok) it.error = `HTTP ${answer.status} from ${hostOf(answer.url)}`;
      else it.loaded += it.empty;
    }
  }

  private tileUrl(id: string, spec: unknown, tile: Tile): string | undefined {
    const source = (this.map.getSource(id) ?? spec) as { tiles?: string[] } | undefined;
    const template = source?.tiles?.[0];
    if (!template?.startsWith('http')) return undefined;
    return template.replace(/\{([xyz])\}/g, (_, name: keyof Tile) => String(tile[name]));
  }
}

function isLoaded(map: MapLibre, id: string): boolean {
  return map.getSource(id) !== undefined && map.isSourceLoaded(id);
}
