import { describe, expect, it } from 'vitest';
import { decodeAccuracy, encodeAccuracy } from './accuracy.ts';
import { decodePong, encodePing, encodePose } from './datagram.ts';
import { NO_MOTION } from './motion.ts';
import { decodeSaid, encodeSay } from './say.ts';
import { decodeMessage } from './server.ts';
import { type ClientMessage, encodeMessage, Presence, Role } from './wire.ts';

const bytes = (hex: string): Uint8Array =>
  Uint8Array.from(hex.replace(/\s/g, '').match(/../g) ?? [], (h) => Number.parseInt(h, 16));
const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

describe('client messages', () => {
  it.each<[string, ClientMessage, string]>([
    [
      'a bare Hello',
      {
        type: 'Hello',
        version: 2,
        room: 'lobby',
        name: '',
        presence: Presence.Watching,
        resume: null,
        budget: 0,
        viewport: null,
        access: null,
        sharing: { approximate: false, seconds: 0 },
        space: null,
        layout: null,
        profile: '',
      },
      '00 02 05 6c6f626279 00 01 00 00 00 00 00 00 00 00 00',
    ],
    [
      'a Hello with everything',
      {
        type: 'Hello',
        version: 2,
        room: 'a',
        name: 'ž',
        presence: Presence.Sharing,
        resume: bytes('000102030405060708090a0b0c0d0e0f'),
        budget: 100_000,
        viewport: { south: -1, west: 1, north: 125, east: -126, zoom: 171 },
        access: 'a.b',
        sharing: { approximate: true, seconds: 900 },
        space: { type: 'Plane', unit: 'm', step: 0.5 },
        layout: {
          fields: [
            { name: 'f', values: { type: 'Flag' } },
            { name: 'u', values: { type: 'Unsigned', bits: 5 } },
            { name: 'r', values: { type: 'Range', min: -1, step: 2, count: 300 } },
          ],
        },
        profile: '7',
      },
      '00 02 0161 02c5be 00 01 000102030405060708090a0b0c0d0e0f fca0860100 01 01 02 fa fbfb00 ab 01 03612e62 01 fb8403' +
        '01 01 016d 000000000000e03f 01 03 0166 00 0175 01 05 0172 02 000000000000f0bf 0000000000000040 fb2c01 0137',
    ],
    [
      'the whole circle',
      { type: 'Viewport', south: -9e8, west: -1.8e9, north: 9e8, east: 1.8e9, zoom: 14 },
      '01 fcffd1496b fcffa393d6 fc00d2496b fc00a493d6 0e',
    ],
    ['Presence', { type: 'Presence', presence: Presence.Hidden }, '02 02'],
    ['Budget', { type: 'Budget', budget: 251 }, '03 fbfb00'],
    ['Leave', { type: 'Leave' }, '04'],
    ['Sharing', { type: 'Sharing', approximate: true, seconds: 0 }, '05 01 00'],
    ['Pace', { type: 'Pace', max_frames_hz: 255 }, '06 ff'],
    ['Name', { type: 'Name', name: 'ž' }, '07 02c5be'],
    ['Profile', { type: 'Profile', profile: '' }, '08 00'],
    [
      'Say to a peer',
      { type: 'Say', to: { type: 'Peer', id: 251 }, topic: 'a', body: bytes('0102') },
      '09 03 fbfb00 0161 02 0102',
    ],
    [
      'Say to hosts',
      { type: 'Say', to: { type: 'Hosts' }, topic: 'a', body: bytes('') },
      '09 02 0161 00',
    ],
    ['Announce', { type: 'Host', action: { type: 'Announce', text: 'a' } }, '0a 00 0161'],
    ['Remove', { type: 'Host', action: { type: 'Remove', peer: 7, reason: 'a' } }, '0a 01 07 0161'],
    ['Close', { type: 'Host', action: { type: 'Close', reason: '' } }, '0a 02 00'],
  ])('%s', (_name, message, expected) => {
    expect(hex(encodeMessage(message))).toBe(expected.replace(/\s/g, ''));
  });
});

describe('server messages', () => {
  it('reads a Welcome', () => {
    const welcome =
      '00 02 fb2c01 00112233445566778899aabbccddeeff ffeeddccbbaa99887766554433221100 01' +
      'fc40420f00 1e fb0004 1e fb7e04 fbd007 fc40420f00 fbe803 fb3075 01' +
      '01 016d 000000000000e03f 03 0166 00 0175 01 05 0172 02 000000000000f0bf 0000000000000040 fb2c01 05';
    expect(decodeMessage(bytes(welcome))).toMatchObject({
      type: 'Welcome',
      version: 2,
      id: 300,
      uuid: '00112233-4455-6677-8899-aabbccddeeff',
      resumed: true,
      time: 1_000_000,
      tick_hz: 30,
      limits: { max_message: 1024, pose_hz: 30, max_frame: 1150, resume_ms: 30_000 },
      may_share: true,
      rosters: 5,
      kind: {
        space: { type: 'Plane', unit: 'm', step: 0.5 },
        layout: {
          fields: [
            { name: 'f', values: { type: 'Flag' } },
            { name: 'u', values: { type: 'Unsigned', bits: 5 } },
            { name: 'r', values: { type: 'Range', min: -1, step: 2, count: 300 } },
          ],
        },
      },
    });
  });

  it('reads a Roster', () => {
    const uuid = '00112233445566778899aabbccddeeff';
    expect(
      decodeMessage(
        bytes(
          `01 05 02 07 ${uuid} 03416461 02 01 01 ${uuid} 0137 08 ${uuid} 00 00 02 00 00` +
            '02 09 fbfb00 01 07 03 01 02 03 04',
        ),
      ),
    ).toEqual({
      type: 'Roster',
      time: 5,
      joined: [
        {
          id: 7,
          uuid: '00112233-4455-6677-8899-aabbccddeeff',
          name: 'Ada',
          presence: Presence.Hidden,
          role: Role.Host,
          subject: '00112233-4455-6677-8899-aabbccddeeff',
          profile: '7',
        },
        {
          id: 8,
          uuid: '00112233-4455-6677-8899-aabbccddeeff',
          name: '',
          presence: Presence.Sharing,
          role: Role.Thing,
          subject: null,
          profile: '',
        },
      ],
      left: [9, 251],
      presence: [{ id: 7, presence: Presence.Gone }],
      online: { sharing: 1, watching: 2, hidden: 3, things: 4 },
    });
  });

  it('reads a Closing', () => {
    expect(decodeMessage(bytes('02 0a 01 fbe803 026f6b'))).toEqual({
      type: 'Closing',
      code: 10,
      retry_ms: 1000,
      reason: 'ok',
    });
    expect(decodeMessage(bytes('02 07 00 00'))).toMatchObject({ retry_ms: null, reason: '' });
  });

  it('reads what others and hosts say', () => {
    expect(decodeMessage(bytes('05 fbfb00 03 05 0161 02 0102'))).toEqual({
      type: 'Said',
      from: 251,
      to: { type: 'Peer', id: 5 },
      topic: 'a',
      body: bytes('0102'),
    });
    expect(decodeMessage(bytes('05 07 01 0161 00'))).toMatchObject({ to: { type: 'Near' } });
    expect(decodeMessage(bytes('06 02c5be'))).toEqual({ type: 'Announcement', text: 'ž' });
  });

  it('rejects bytes that are not a message', () => {
    for (const bad of [
      '',
      '03',
      '05 07 04 0161 00',
      '05 07 00 0161 05 00',
      '07',
      '06 01',
      '02',
      '02 0a 02 00',
      '02 07 00 00 00',
      '02 07 00 05 61',
    ]) {
      expect(() => decodeMessage(bytes(bad)), bad).toThrow();
    }
  });
});

describe('datagrams', () => {
  it('writes poses and pings, reads pongs', () => {
    const pose = {
      seq: 1,
      time: 2,
      lat: -1,
      lng: 1_799_999_999,
      accuracy: 9,
      orientation: 0xffffffff,
      motion: NO_MOTION,
      stateLow: 0xf0e0d0c1,
      stateHigh: 0xb,
    };
    const rest = '0100000002000000ffffffffffd1496b09ffffffff';
    expect(hex(encodePose(pose, 0))).toBe(`50${rest}`);
    expect(hex(encodePose(pose, 5))).toBe(`50${rest}c1`);
    expect(hex(encodePose({ ...pose, motion: 0x4001 }, 32))).toBe(`54${rest}0140c1d0e0f0`);
    expect(hex(encodePose(pose, 36))).toBe(`50${rest}c1d0e0f00b`);
    expect(hex(encodePose({ ...pose, motion: 0 }, 64))).toBe(`54${rest}0000c1d0e0f00b000000`);
    expect(hex(encodePing(0x01020304))).toBe('5104030201');
    expect(decodePong(bytes('52 04030201 00000080'))).toEqual({ echo: 0x01020304, time: 2 ** 31 });
    expect(() => decodePong(bytes('52 00'))).toThrow();
  });

  it('write and read what peers say', () => {
    const say = { to: { type: 'Near' }, topic: 'a', body: bytes('07') } as const;
    expect(hex(encodeSay(say, 0x01020304))).toBe('5504030201010161' + '0107');
    expect(decodeSaid(bytes('56 04030280 09 01 0161 0107'))).toEqual({
      time: 0x80020304,
      said: { type: 'Said', from: 9, ...say },
    });
    expect(() => decodeSaid(bytes('56 04030280 09 01 0161 010700'))).toThrow('follow');
    expect(() => decodeSaid(bytes('55 04030280 09 01 0161 0107'))).toThrow();
  });

  it('picks the smallest accuracy code that is wide enough', () => {
    expect(encodeAccuracy(undefined)).toBe(0);
    expect(encodeAccuracy(Number.NaN)).toBe(0);
    expect(encodeAccuracy(0)).toBe(1);
    expect(encodeAccuracy(0.5)).toBe(1);
    expect(encodeAccuracy(0.51)).toBe(2);
    expect(encodeAccuracy(1e9)).toBe(63);
    expect(decodeAccuracy(encodeAccuracy(12))).toBeGreaterThanOrEqual(12);
  });
});
