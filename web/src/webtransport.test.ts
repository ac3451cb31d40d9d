import { expect, it } from 'vitest';
import { splitter, withLength } from './webtransport';

it('puts messages together again however the stream cuts them', () => {
  const messages = [[1], [], [2, 3, 4], new Array(300).fill(9)].map((m) => Uint8Array.from(m));
  const stream = Uint8Array.from(messages.flatMap((m) => [...withLength(m)]));
  for (const size of [1, 2, 3, 7, 1000]) {
    const got: number[][] = [];
    const split = splitter((message) => got.push([...message]));
    for (let i = 0; i < stream.length; i += size) split(stream.subarray(i, i + size));
    expect(got).toEqual(messages.map((m) => [...m]));
  }
});
