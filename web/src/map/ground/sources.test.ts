import type { LayerSpecification } from 'maplibre-gl';
import { describe, expect, it } from 'vitest';
import { causeOf, judge, type SourceFacts } from './sources';

const layer = (source?: string): LayerSpecification =>
  source === undefined
    ? { id: 'water', type: 'background' }
    : { id: source, type: 'line', source, 'source-layer': 'it' };

const facts = (it: Partial<SourceFacts>): SourceFacts => ({
  asked: 0,
  loaded: 0,
  empty: 0,
  error: undefined,
  tile: undefined,
  ...it,
});

describe('a map', () => {
  const of = (streets: Partial<SourceFacts>, extra: Partial<SourceFacts> = {}) =>
    judge(
      new Map([
        ['streets', facts(streets)],
        ['extra', facts(extra)],
      ]),
      [layer(), layer('streets'), layer('streets'), layer('streets'), layer('extra')],
    );

  it('is fine until something fails', () => {
    expect(of({ asked: 4, loaded: 4 }, { asked: 1, loaded: 1 })).toBe('fine');
    expect(of({})).toBe('fine');
  });

  it('is missing if most layers have no tiles', () => {
    expect(of({ asked: 4 })).toBe('nothing');
    expect(of({ error: 'HTTP 404 from tiles.example' })).toBe('nothing');
    // A single cloud does not make a map.
    expect(of({ asked: 4 }, { asked: 1, loaded: 1 })).toBe('nothing');
  });

  it('is partial if some tiles are missing, or a source of few layers', () => {
    expect(of({ asked: 4, loaded: 3, error: 'HTTP 500 from tiles.example' })).toBe('parts');
    expect(of({ asked: 4, loaded: 4 }, { asked: 1 })).toBe('parts');
  });
});

it('words the causes', () => {
  const url = 'https://a.tiles.example/1/0/0.pbf';
  const http = Object.assign(new Error('AJAXError'), { status: 503, url });
  expect(causeOf(http, 'tiles.example')).toBe('HTTP 503 from a.tiles.example');
  expect(causeOf(new Error('Failed to fetch'), 'tiles.example')).toBe(
    'tiles.example cannot be reached, or this server does not allow it',
  );
  expect(causeOf(new Error('Unimplemented type: 4'), 'tiles.example')).toBe(
    'Unimplemented type: 4',
  );
});
