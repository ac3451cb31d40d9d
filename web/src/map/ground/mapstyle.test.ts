import { expect, it } from 'vitest';
import { checkStyle, Trouble, withoutMap } from './mapstyle';
import { checkHeader, headerTrouble } from './streets';

it('accepts only styles that MapLibre survives', () => {
  const style = { version: 8, sources: {}, layers: [] };
  expect(checkStyle(style, 'tiles.example')).toBe(style);
  for (const other of [
    null,
    [],
    'style',
    { ...style, version: 7 },
    { ...style, sources: null },
    { ...style, layers: {} },
    { ...style, layers: [null] },
  ]) {
    expect(() => checkStyle(other, 'tiles.example')).toThrow(/tiles\.example.*not a map style/);
  }
});

it('refuses sources on which MapLibre stops half-way', () => {
  const style = (source: unknown) => ({ version: 8, sources: { streets: source }, layers: [] });
  expect(() => checkStyle(style({ type: 'vector' }), 'tiles.example')).not.toThrow();
  for (const source of [{ type: 'nonsense' }, {}, null, 'vector']) {
    expect(() => checkStyle(style(source), 'tiles.example')).toThrow(/not valid: streets/);
  }
});

it('explains in one sentence what is missing', () => {
  const error = new Trouble('HTTP 404 from tiles.example');
  expect(withoutMap('The street map', error, 'people are shown on the built-in map')).toBe(
    'The street map could not be loaded (HTTP 404 from tiles.example); people are shown on the built-in map.',
  );
});

it('explains what is wrong with a street file', () => {
  const words = (message: string): string => headerTrouble(new Error(message), 'here');
  expect(words('Bad response code: 404')).toBe('HTTP 404 from here');
  expect(words('Failed to fetch')).toBe('here cannot be reached');
  expect(words('Wrong magic number for PMTiles archive')).toMatch(/not a PMTiles file/);
  expect(words('Offset is outside the bounds of the DataView')).toMatch(/not a PMTiles file/);
  const header = { specVersion: 3, tileType: 1, minLon: -1, maxLon: 1, minLat: -1, maxLat: 1 };
  expect(() => checkHeader(header)).not.toThrow();
  expect(() => checkHeader({ ...header, specVersion: 0 })).toThrow(/version 3/);
  expect(() => checkHeader({ ...header, tileType: 2 })).not.toThrow();
  expect(() => checkHeader({ ...header, tileType: 0 })).toThrow(/neither/);
  expect(() => checkHeader({ ...header, maxLat: -1 })).toThrow(/no area/);
});
