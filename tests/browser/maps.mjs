/** Maps from other hosts and from a file are drawn, and hosts learn no more than necessary. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotliDecompressSync, crc32, deflateSync, gunzipSync } from 'node:zlib';
import { looksLike, pixels } from './support/pixels.mjs';
import { Server } from './support/server.mjs';
import { Tab } from './support/tab.mjs';
import { world } from './support/world.mjs';

/** Colours used by nothing else on the page. */
const RASTER = [0x12, 0xa4, 0x56];
const VECTOR = [0xc8, 0x14, 0x64];
const SECRET = /secret-room|secret-token/;

function chunk(kind, body) {
  const named = Buffer.concat([Buffer.from(kind), body]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(body.length, 0);
  frame.writeUInt32BE(crc32(named), 4);
  return Buffer.concat([frame.subarray(0, 4), named, frame.subarray(4)]);
}

/** A PNG of 256 by 256 pixels in one colour. */
function png(colour) {
  const head = Buffer.from([0, 0, 1, 0, 0, 0, 1, 0, 8, 2, 0, 0, 0]);
  const row = Buffer.from([0, ...Array.from({ length: 256 }, () => colour).flat()]);
  const rows = Buffer.concat(Array.from({ length: 256 }, () => row));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
  const parts = [chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([signature, ...parts]);
}

/** A Mapbox vector tile whose layer `a` is one square over the northern half of the tile. */
function mvt() {
  // MoveTo 0,0; LineTo 4096,0, then 0,2048, then -4096,0; ClosePath.
  const shape = [9, 0, 0, 26, 0x80, 0x40, 0, 0, 0x80, 0x20, 0xff, 0x3f, 0, 15];
  const feature = [0x18, 3, 0x22, shape.length, ...shape];
  const layer = [0x78, 2, 0x0a, 1, 0x61, 0x12, feature.length, ...feature, 0x28, 0x80, 0x20];
  return Buffer.from([0x1a, layer.length, ...layer]);
}

/** A map server that requires a Referer, as OpenStreetMap's do. */
class Host {
  heard = [];

  static async start(answers) {
    const host = new Host();
    host.server = http.createServer((request, response) => {
      const { url, headers } = request;
      host.heard.push({ url, referer: headers.referer, all: JSON.stringify(headers) });
      response.setHeader('access-control-allow-origin', '*');
      if (!headers.referer) return response.writeHead(403).end('who asks?');
      const [, kind] = /\.(\w+)$/.exec(url) ?? [];
      const body = answers(url, kind);
      return body ? response.end(body) : response.writeHead(404).end();
    });
    host.server.listen(0, '127.0.0.1');
    await once(host.server, 'listening');
    return host;
  }

  get port() {
    return this.server.address().port;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

let tiles;
let styles;
before(async () => {
  tiles = await Host.start((_, kind) => ({ png: png(RASTER), pbf: mvt() })[kind]);
  const from = (kind) => [`http://localhost:${tiles.port}/{z}/{x}/{y}.${kind}`];
  const style = {
    version: 8,
    sources: {
      pictures: { type: 'raster', tiles: from('png'), tileSize: 256 },
      shapes: { type: 'vector', tiles: from('pbf') },
    },
    layers: [
      { id: 'pictures', type: 'raster', source: 'pictures' },
      {
        id: 'shapes',
        type: 'fill',
        source: 'shapes',
        'source-layer': 'a',
        paint: { 'fill-color': `rgb(${VECTOR})`, 'fill-antialias': false },
      },
    ],
  };
  styles = await Host.start(() => JSON.stringify(style));
});
after(() => {
  tiles?.stop();
  styles?.stop();
});

/** Number of pixels of the page with about this colour. */
async function coloured(tab, colour) {
  const { data, channels } = await pixels(tab);
  let n = 0;
  for (let at = 0; at < data.length; at += channels) {
    if (colour.every((part, i) => Math.abs(data[at + i] - part) < 4)) n++;
  }
  return n;
}

const styleUrl = () => `http://127.0.0.1:${styles.port}/style.json`;

test('tiles from another host load, and that host learns only the site', async () => {
  const hosts = `http://localhost:${tiles.port}`;
  const server = await Server.start('--map-style', styleUrl(), '--map-hosts', hosts);
  const path = '/r/secret-room#access=secret-token';
  const tab = await Tab.open(world.browser, server, { path });
  await looksLike('pictures', () => coloured(tab, RASTER), (n) => n > 20_000);
  await looksLike('shapes', () => coloured(tab, VECTOR), (n) => n > 20_000);
  assert.equal((await tab.shown()).trouble, '');
  const heard = [...styles.heard, ...tiles.heard];
  assert.ok(styles.heard.length > 0 && tiles.heard.length > 1);
  for (const { url, referer, all } of heard) {
    assert.equal(referer, `${server.url}/`, url);
    assert.doesNotMatch(url + all, SECRET);
  }
  await tab.close();
  await server.stop();
});

test('a worker’s policy follows the settings, also for cached workers', async () => {
  const server = await Server.start('--map-style', styleUrl());
  const pardon = /policy|Failed|ERR_|The map reports|Fetch API|WebSocket|WebTransport/i;
  const tab = await Tab.open(world.browser, server, { path: '/r/twice', pardon });
  await tab.until('that tiles are not allowed', (it) => /could not be loaded/.test(it.trouble));
  await server.stop();
  await server.again('--map-style', styleUrl(), '--map-hosts', `http://localhost:${tiles.port}`);
  await tab.page.goto(`${server.url}/r/twice`);
  await looksLike('shapes', () => coloured(tab, VECTOR), (n) => n > 20_000);
  await tab.close();
  await server.stop();
});

/** An archive of one picture for the whole world (PMTiles version 3). */
function archive(tile) {
  const [directory, metadata] = [Buffer.from([1, 0, 1, 0, 1]), Buffer.from('{"attribution":"Me"}')];
  // The tile's length, as a varint of two bytes.
  const length = [(tile.length & 0x7f) | 0x80, tile.length >> 7];
  const root = Buffer.from([...directory.subarray(0, 3), ...length, directory[4]]);
  const header = Buffer.alloc(127);
  header.write('PMTiles');
  header.writeUInt8(3, 7);
  let at = 127;
  for (const [place, size] of [
    [8, root.length],
    [24, metadata.length],
    [40, 0],
    [56, tile.length],
  ]) {
    header.writeBigUInt64LE(BigInt(at), place);
    header.writeBigUInt64LE(BigInt(size), place + 8);
    at += size;
  }
  header.set([1, 1, 2, 0, 0], 97);
  [-180, -85, 180, 85].forEach((edge, i) => header.writeInt32LE(edge * 1e7, 102 + 4 * i));
  return Buffer.concat([header, root, metadata, tile]);
}

test('a file of raster tiles is drawn, with its attribution', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'gpys-map-'));
  const file = join(dir, 'pictures.pmtiles');
  writeFileSync(file, archive(png(RASTER)));
  const server = await Server.start('--pmtiles', file);
  const tab = await Tab.open(world.browser, server, { path: '/r/pictures' });
  await looksLike('pictures', () => coloured(tab, RASTER), (n) => n > 100_000);
  assert.equal((await tab.shown()).trouble, '');
  assert.match(await tab.page.textContent('.maplibregl-ctrl-attrib'), /Me/);
  const last = await fetch(`${server.url}/map.pmtiles`, { headers: { range: 'bytes=-4' } });
  assert.equal(last.status, 206);
  assert.equal(Buffer.from(await last.arrayBuffer()).toString('hex'), 'ae426082');
  await tab.close();
  await server.stop();
  rmSync(dir, { recursive: true });
});

/** The head and the raw bytes of an answer, from a client that decompresses nothing. */
function raw(path, headers = {}) {
  return new Promise((done, fail) => {
    const asking = http.get(`${world.server.url}${path}`, { headers }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => done({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
    });
    asking.on('error', fail);
  });
}

test('the page and its files are compressed for clients that accept it', async () => {
  const { body: page } = await raw('/');
  const files = [...page.toString().matchAll(/"(\/assets\/[^"]+\.(?:js|css))"/g)].map(([, it]) => it);
  assert.ok(files.length >= 3);
  for (const path of ['/', ...files]) {
    const plain = await raw(path);
    assert.equal(plain.headers['content-encoding'], undefined);
    const tags = new Set([plain.headers.etag]);
    for (const [coding, unpack] of [['br', brotliDecompressSync], ['gzip', gunzipSync]]) {
      const asked = { 'accept-encoding': `zstd, ${coding}` };
      const small = await raw(path, asked);
      assert.equal(small.headers['content-encoding'], coding, path);
      assert.equal(small.headers.vary, 'accept-encoding');
      assert.deepEqual(unpack(small.body), plain.body, path);
      const again = await raw(path, { ...asked, 'if-none-match': small.headers.etag });
      assert.equal(again.status, 304);
      tags.add(small.headers.etag);
    }
    assert.equal(tags.size, 3, path);
    assert.ok([...tags].every((tag) => /^"\w+"$/.test(tag)));
  }
});
