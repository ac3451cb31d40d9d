import { afterEach, describe, expect, it, vi } from 'vitest';
import { clean, cleanName, MAX_NAME } from './text.ts';

describe('text from people', () => {
  afterEach(() => void vi.unstubAllGlobals());

  it('shows all its characters, whatever Unicode version the browser knows', () => {
    const seen = [0x600, 0x605, 0x6dd, 0x70f, 0x890, 0x891, 0x8e2, 0x110bd, 0x110cd];
    for (let code = 0; code <= 0x10ffff; code++) {
      const c = String.fromCodePoint(code);
      const hidden = /^[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\p{White_Space}]$/u;
      if (!hidden.test(c) || seen.includes(code) || (code > 0x600 && code < 0x605)) continue;
      expect(cleanName(`a${c}b`).replace(' ', ''), code.toString(16)).toBe('ab');
      expect(cleanName(c), code.toString(16)).toBe('');
    }
  });

  it('is cut between code points in browsers without graphemes', () => {
    vi.stubGlobal('Intl', {});
    expect(cleanName('👩🏽'.repeat(9))).toBe('👩🏽'.repeat(8));
    expect(cleanName(`${'x'.repeat(61)}👩`)).toBe('x'.repeat(61));
  });

  it('has no lone surrogates', () => {
    expect(cleanName('A\ud83dda')).toBe('Ada');
  });

  it('does not change when cleaned again', () => {
    const parts = [
      ...'aé1# Ω字辻कम\u094d\u093fمی\u064b👩🏽❤🏴\u0301\u0323\u20e3\u200c\u200d\ufe0f\u{e0100}\u{e0067}\u{e007f}',
    ];
    let seed = 7;
    const next = (): string => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return parts[seed % parts.length]!;
    };
    for (let i = 0; i < 2000; i++) {
      const text = clean(Array.from({ length: 40 }, next).join(''), MAX_NAME);
      expect(cleanName(text)).toBe(text);
      expect(new TextEncoder().encode(text).length).toBeLessThanOrEqual(MAX_NAME);
    }
  });
});
