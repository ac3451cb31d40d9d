/** Streets from a file of the operator's own; this part of the page is loaded only if there is one. */
import { layers, namedFlavor } from '@protomaps/basemaps';
import { addProtocol, type LayerSpecification, type StyleSpecification } from 'maplibre-gl';
import { Protocol } from 'pmtiles';

let known = false;

export function streetStyle(file: string, dark: boolean): StyleSpecification {
  if (!known) addProtocol('pmtiles', new Protocol().tile);
  known = true;
  const url = `pmtiles://${new URL(file, location.href).href}`;
  const attribution = '© OpenStreetMap contributors, Protomaps';
  return {
    version: 8,
    sources: { streets: { type: 'vector', url, attribution } },
    layers: layers('streets', namedFlavor(dark ? 'dark' : 'light'), { lang: 'en' }).map(plain),
  };
}

/** Icons come in a sprite, which is not in the file; words do without. */
function plain(layer: LayerSpecification): LayerSpecification {
  if (layer.type !== 'symbol') return layer;
  const { 'icon-image': _, ...layout } = layer.layout ?? {};
  return { ...layer, layout };
}
