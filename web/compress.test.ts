import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compressed } from './compress';

describe('the compressed forms of a file', () => {
  it('are two, smaller, and expand to the same file', async () => {
    const file = Buffer.from('let us say this again and again; '.repeat(100));
    const forms = new Map(await compressed(file));
    expect([...forms.keys()]).toEqual(['.br', '.gz']);
    expect(brotliDecompressSync(forms.get('.br')!)).toEqual(file);
    expect(gunzipSync(forms.get('.gz')!)).toEqual(file);
    for (const small of forms.values()) expect(small.length).toBeLessThan(file.length / 10);
  });

  it('do not exist for files that are small or do not shrink', async () => {
    expect(await compressed(Buffer.from('short '.repeat(100)))).toEqual([]);
    const random = crypto.getRandomValues(new Uint8Array(4096));
    expect(await compressed(Buffer.from(random))).toEqual([]);
  });
});
