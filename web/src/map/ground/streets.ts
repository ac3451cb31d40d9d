/** Streets from the operator's own file; this part of the page is loaded only if there is one. */
import { layers, namedFlavor } from '@protomaps/basemaps';
import { addProtocol, type LayerSpecification, type StyleSpecification } from 'maplibre-gl';
import { type Header, PMTiles, Protocol, TileType } from 'pmtiles';
import { hostOf, Trouble } from './mapstyle';
import { visibleTimeout } from './timeout';

const HEADER_MS = 8000;
/** The header's first bytes, `PM`, and the only version that the reader knows. */
const SPEC_VERSION = 3;

const PICTURES = new Set([TileType.Png, TileType.Jpeg, TileType.Webp, TileType.Avif]);
/** The usual size of picture tiles; larger ones are only drawn sharper. */
const PICTURE_SIZE = 256;

type Edge = 'minLon' | 'maxLon' | 'minLat' | 'maxLat';

let protocol: Protocol | undefined;

/**
 * The style for a street file. Rejects with a `Trouble` if the file is missing or of another kind.
 */
export async function streetStyle(file: string, dark: boolean): Promise<StyleSpecification> {
  const { href } = new URL(file, location.href);
  if (!protocol) {
    protocol = new Protocol();
    addProtocol('pmtiles', protocol.tile);
  }
  const archive = protocol.get(href) ?? new PMTiles(href);
  const header = await headerOf(archive, hostOf(href));
  checkHeader(header);
  protocol.add(archive);
  if (header.tileType !== TileType.Mvt) return pictureStyle(href, await attributionOf(archive));
  const attribution = '© OpenStreetMap contributors, Protomaps';
  return {
    version: 8,
    sources: { streets: { type: 'vector', url: `pmtiles://${href}`, attribution } },
    layers: layers('streets', namedFlavor(dark ? 'dark' : 'light'), { lang: 'en' }).map(plain),
  };
}

function headerOf(archive: PMTiles, host: string): Promise<Header> {
  return new Promise((done, fail) => {
    const limit = visibleTimeout(() => fail(new Trouble(`no answer from ${host}`)), HEADER_MS);
    archive
      .getHeader()
      .then(done, (error: Error) => fail(new Trouble(headerTrouble(error, host))))
      .finally(() => limit.cancel());
  });
}

/** Words the reader's errors for users. */
export function headerTrouble(error: Error, host: string): string {
  const status = /^Bad response code: (\d+)/.exec(error.message)?.[1];
  if (status) return `HTTP ${status} from ${host}`;
  if (/failed to fetch|networkerror|load failed/i.test(error.message)) {
    return `${host} cannot be reached`;
  }
  if (/byte serving/i.test(error.message)) return `${host} does not support range requests`;
  return 'its file is damaged or not a PMTiles file';
}

export function checkHeader(header: Pick<Header, 'specVersion' | 'tileType' | Edge>): void {
  if (header.specVersion !== SPEC_VERSION) {
    throw new Trouble(`its PMTiles file does not have version ${SPEC_VERSION}`);
  }
  if (header.tileType !== TileType.Mvt && !PICTURES.has(header.tileType)) {
    throw new Trouble('its PMTiles file contains neither vector nor raster tiles');
  }
  if (header.minLon >= header.maxLon || header.minLat >= header.maxLat) {
    throw new Trouble('its PMTiles file covers no area');
  }
}

function pictureStyle(href: string, attribution: string): StyleSpecification {
  const url = `pmtiles://${href}`;
  return {
    version: 8,
    sources: { streets: { type: 'raster', url, tileSize: PICTURE_SIZE, attribution } },
    layers: [{ id: 'streets', type: 'raster', source: 'streets' }],
  };
}

/** The pictures' attribution, as the file gives it. */
async function attributionOf(archive: PMTiles): Promise<string> {
  const metadata: unknown = await archive.getMetadata().catch(() => undefined);
  const said = (metadata as { attribution?: unknown } | undefined)?.attribution;
  return typeof said === 'string' ? said : '';
}

/** Drops icons: they need a sprite, which the file lacks. Text works without. */
function plain(layer: LayerSpecification): LayerSpecification {
  if (layer.type !== 'symbol') return layer;
  const { 'icon-image': _, ...layout } = layer.layout ?? {};
  return { ...layer, layout };
}
