import { expect, it } from 'vitest';
import type { Fault } from './fault.ts';
import type { Config } from './link.ts';
import { whyNoLink, whyNotWebTransport } from './why.ts';

const here = { protocol: 'https:', host: 'map.example', origin: 'https://map.example' };
const CONFIG: Config = {
  protocol: 2,
  webtransport: 'https://map.example:4433/wt',
  serverCertificateHashes: [],
  websocket: 'wss://map.example/ws',
  venue: null,
  map: { style: null, pmtiles: null },
  seen: { host: 'map.example', originAllowed: true, forwarded: 'none' },
};
const { serverCertificateHashes: _, ...BY_AUTHORITY } = CONFIG;
const why = (fault: Fault, change: Partial<Config> = {}): string =>
  whyNotWebTransport(fault, { ...CONFIG, ...change }, here);
const refused = (host: string): Partial<Config> => ({
  seen: { host, originAllowed: false, forwarded: 'none' },
});

it('distinguishes the reasons', () => {
  const all = [
    why('unsupported'),
    why('insecure'),
    why('policy'),
    why('slow'),
    why('silent'),
    why('refused'),
    whyNotWebTransport('refused', BY_AUTHORITY, here),
    why('refused', refused('map.example')),
    why('refused', refused('127.0.0.1:8080')),
    why('refused', { skew: 3 * 86_400_000 }),
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(why('silent')).toContain('no answer from map.example:4433: UDP is blocked');
  expect(why('refused')).toContain('UDP port is closed');
  expect(why('refused', { skew: -86_400_000 })).toContain('clock is 1 day slow');
  expect(why('refused', { skew: 3_600_000 })).not.toContain('clock');
  expect(why('refused', refused('map.example'))).toContain('--public-url https://map.example');
  expect(why('refused', refused('127.0.0.1:8080'))).toContain('Host 127.0.0.1:8080 instead of');
  // The origin is not mentioned to a page that waited in vain for UDP: changing it would not help.
  expect(why('silent', refused('map.example'))).toContain('UDP is blocked');
});

it('mentions once what affects both', () => {
  const faults = { webtransport: 'silent', websocket: 'refused' } as const;
  expect(whyNoLink(faults, CONFIG, here)).toMatch(/^WebTransport got no .*\. WebSocket did not/);
  const words = whyNoLink(faults, { ...CONFIG, ...refused('map.example') }, here);
  expect(words).toMatch(/^the server does not accept pages from https:\/\/map\.example/);
  expect(whyNoLink({ websocket: 'silent' }, CONFIG, here)).toBe('WebSocket got no answer');
});
