/** The built-in map: Natural Earth's countries and a grid for scale. It contacts no third party. */

import { wrapDegrees } from '@gpys/client/parts';
import type {
  GeoJSONSource,
  LayerSpecification,
  Map as MapLibre,
  StyleSpecification,
} from 'maplibre-gl';
import { feature } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import countriesUrl from 'world-atlas/countries-50m.json?url';
import { fetchJson } from './mapstyle';

type Countries = GeoJSON.FeatureCollection<GeoJSON.Geometry, { name: string }>;

interface Colours {
  water: string;
  land: string;
  border: string;
  grid: string;
  label: string;
  halo: string;
}

const LIGHT: Colours = {
  water: '#d4e3ee',
  land: '#f5f2ea',
  border: '#c4bcab',
  grid: 'rgba(70, 90, 110, 0.16)',
  label: '#6b7480',
  halo: '#f8f6f0',
};

const DARK: Colours = {
  water: '#0e1620',
  land: '#1d2732',
  border: '#3d4b5a',
  grid: 'rgba(160, 185, 210, 0.11)',
  label: '#8b98a6',
  halo: '#131c26',
};

/** Time limit for 240 KB (compressed) from the page's own server, for slow lines. */
const COUNTRIES_MS = 30_000;

let countries: Promise<Countries> | undefined;

/** Fetches the countries. Rejects with a `Trouble`, and then the next call tries again. */
export function loadCountries(): Promise<Countries> {
  countries ??= fetchJson(countriesUrl, COUNTRIES_MS)
    .then((found) => {
      const world = found as Topology<{ countries: GeometryCollection<{ name: string }> }>;
      return unwrapped(feature(world, world.objects.countries));
    })
    .catch((error) => {
      countries = undefined;
      throw error;
    });
  return countries;
}

/**
 * Continues every outline past the antimeridian (to 190 instead of -170), as the map requires: a
 * side from 179 to -179 would be painted all the way round the world.
 */
function unwrapped(world: Countries): Countries {
  for (const { geometry } of world.features) {
    if (geometry.type === 'Polygon') geometry.coordinates = geometry.coordinates.map(unwrapRing);
    else if (geometry.type === 'MultiPolygon') {
      geometry.coordinates = geometry.coordinates.map((polygon) => polygon.map(unwrapRing));
    }
  }
  return world;
}

export function unwrapRing(ring: GeoJSON.Position[]): GeoJSON.Position[] {
  const run: GeoJSON.Position[] = [];
  let last = ring[0]![0]!;
  for (const [lng, lat] of ring as [number, number][]) {
    last += wrapDegrees(lng - last);
    run.push([last, lat]);
  }
  // An outline that goes all the way round, Antarctica's, encloses its pole.
  const [start, end] = [run[0]!, run.at(-1)!];
  if (Math.abs(end[0]! - start[0]!) > 180) {
    const pole = Math.sign(start[1]!) * 90;
    run.push([end[0]!, pole], [start[0]!, pole], start);
  }
  return run;
}

const EMPTY: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] };

/** The map without countries, which `fillCountries` adds: it needs no data. */
export function builtInStyle(dark: boolean): StyleSpecification {
  const colours = dark ? DARK : LIGHT;
  return {
    version: 8,
    sources: {
      countries: {
        type: 'geojson',
        data: EMPTY,
        maxzoom: 6,
        attribution: 'Made with Natural Earth',
      },
      names: { type: 'geojson', data: EMPTY },
      grid: { type: 'geojson', data: EMPTY },
    },
    layers: layers(colours),
  };
}

export function fillCountries(map: MapLibre, world: Countries): void {
  (map.getSource('countries') as GeoJSONSource | undefined)?.setData(world);
  (map.getSource('names') as GeoJSONSource | undefined)?.setData(labelPoints(world));
}

function layers(c: Colours): LayerSpecification[] {
  return [
    { id: 'water', type: 'background', paint: { 'background-color': c.water } },
    { id: 'land', type: 'fill', source: 'countries', paint: { 'fill-color': c.land } },
    { id: 'grid', type: 'line', source: 'grid', paint: { 'line-color': c.grid, 'line-width': 1 } },
    {
      id: 'borders',
      type: 'line',
      source: 'countries',
      paint: {
        'line-color': c.border,
        'line-width': ['interpolate', ['linear'], ['zoom'], 1, 0.5, 6, 1.4],
      },
    },
    {
      id: 'names',
      type: 'symbol',
      source: 'names',
      maxzoom: 9,
      // Small countries are labelled once their neighbours' names fit, too.
      filter: ['>=', ['get', 'extent'], ['step', ['zoom'], 60, 2, 25, 3, 8, 4, 1, 5, 0]],
      layout: {
        'text-field': ['get', 'name'],
        'text-size': ['interpolate', ['linear'], ['zoom'], 1, 10, 6, 15],
        'text-max-width': 7,
        'text-letter-spacing': 0.04,
        'symbol-sort-key': ['-', 0, ['get', 'extent']],
        'text-padding': 6,
      },
      paint: { 'text-color': c.label, 'text-halo-color': c.halo, 'text-halo-width': 1.2 },
    },
  ];
}

/** One point per country, in the middle of its largest piece of land. */
function labelPoints(world: Countries): GeoJSON.FeatureCollection {
  const features = world.features.map((country): GeoJSON.Feature => {
    const { geometry, properties } = country;
    const polygons =
      geometry.type === 'Polygon'
        ? [geometry.coordinates]
        : geometry.type === 'MultiPolygon'
          ? geometry.coordinates
          : [];
    let best = { extent: 0, middle: [0, 0] };
    for (const [ring] of polygons) {
      const one = ring ? centroid(ring) : best;
      if (one.extent > best.extent) best = one;
    }
    return {
      type: 'Feature',
      properties: { name: properties.name, extent: best.extent },
      geometry: { type: 'Point', coordinates: best.middle },
    };
  });
  return { type: 'FeatureCollection', features };
}

function centroid(ring: GeoJSON.Position[]): { extent: number; middle: number[] } {
  let [area, x, y] = [0, 0, 0];
  for (let i = 0; i + 1 < ring.length; i++) {
    const [x0, y0] = ring[i] as [number, number];
    const [x1, y1] = ring[i + 1] as [number, number];
    const part = x0 * y1 - x1 * y0;
    area += part;
    x += (x0 + x1) * part;
    y += (y0 + y1) * part;
  }
  if (area === 0) return { extent: 0, middle: [0, 0] };
  return { extent: Math.abs(area), middle: [x / (3 * area), y / (3 * area)] };
}

/** All divide 180, so that the lines continue evenly where the world wraps. */
const WIDE_STEPS = [20, 45, 90];

/** Spacing of the grid in degrees: a round number, some 90 to 230 pixels apart. */
export function gridStep(zoom: number): number {
  const wanted = (360 / (512 * 2 ** zoom)) * 90;
  if (wanted > 10) return WIDE_STEPS.find((step) => step >= wanted) ?? 90;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= wanted) ?? 10 * power;
}

/** The lines of each source: a camera that follows a person moves in every picture. */
const drawnIn = new WeakMap<GeoJSONSource, string>();

/** Draws the grid: close to the ground it is all that shows movement. */
export function drawGrid(map: MapLibre): void {
  const source = map.getSource('grid') as GeoJSONSource | undefined;
  if (!source) return;
  const step = gridStep(map.getZoom());
  const bounds = map.getBounds();
  const [west, south, east, north] = [
    Math.floor(bounds.getWest() / step) - 1,
    Math.max(Math.ceil(-85 / step), Math.floor(bounds.getSouth() / step) - 1),
    Math.ceil(bounds.getEast() / step) + 1,
    Math.min(Math.floor(85 / step), Math.ceil(bounds.getNorth() / step) + 1),
  ];
  // Beyond one turn, the copies of the world repeat the lines by themselves.
  const around = Math.round(360 / step);
  const last = Math.min(east, west + around - 1);
  const drawn = [step, west, south, last, north].join();
  if (drawnIn.get(source) === drawn) return;
  drawnIn.set(source, drawn);
  const lines: GeoJSON.Position[][] = [];
  for (let x = west; x <= last; x++)
    lines.push([
      [x * step, south * step],
      [x * step, north * step],
    ]);
  for (let y = south; y <= north; y++)
    lines.push([
      [west * step, y * step],
      [Math.min(east, west + around) * step, y * step],
    ]);
  source.setData({
    type: 'Feature',
    properties: {},
    geometry: { type: 'MultiLineString', coordinates: lines },
  });
}
