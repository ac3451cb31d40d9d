import { expect, it } from 'vitest';
import { type CloseReason, closeReason, isFinal } from './closing.ts';
import { CloseCode } from './wire/codes.ts';

const kebab = (name: string): string =>
  name.replace(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();

it('names every close code as the wire does', () => {
  for (const [name, code] of Object.entries(CloseCode)) {
    if (typeof code === 'number') expect(closeReason(code)).toBe(kebab(name));
  }
  expect(closeReason(200)).toBe('unknown');
  expect(closeReason(undefined)).toBeUndefined();
});

it('tells final ones from those after which a client comes back', () => {
  const passing: CloseReason[] = [
    'too-fast',
    'too-slow',
    'timeout',
    'full',
    'restarting',
    'unknown',
  ];
  for (const code of [...Array(16).keys(), 200]) {
    const reason = closeReason(code)!;
    expect([reason, isFinal(reason)]).toEqual([reason, !passing.includes(reason)]);
  }
});
