/** Compresses the built files once, as small as possible, so that the server never has to. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Plugin } from 'vite';

/** Smaller files fit into a packet or two anyway. */
const LEAST_BYTES = 1024;

const brotli = (bytes: Buffer) =>
  promisify(brotliCompress)(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });

/** The endings of compressed files, and their encoders. */
const CODINGS: [string, (bytes: Buffer) => Promise<Buffer>][] = [
  ['.br', brotli],
  ['.gz', (bytes) => promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION })],
];

/** The compressed forms of a file that are worthwhile, by the ending of their names. */
export async function compressed(bytes: Buffer): Promise<[string, Buffer][]> {
  if (bytes.length < LEAST_BYTES) return [];
  const all = CODINGS.map(
    async ([ending, code]): Promise<[string, Buffer]> => [ending, await code(bytes)],
  );
  return (await Promise.all(all)).filter(([, small]) => small.length < 0.9 * bytes.length);
}

/** Writes `NAME.br` and `NAME.gz` next to each built file. */
export const compress: Plugin = {
  name: 'compress',
  apply: 'build',
  async writeBundle({ dir }, bundle) {
    if (!dir) return;
    const files = Object.values(bundle).map(async (file) => {
      const bytes = Buffer.from(file.type === 'chunk' ? file.code : file.source);
      for (const [ending, small] of await compressed(bytes)) {
        await writeFile(join(dir, file.fileName + ending), small);
      }
    });
    await Promise.all(files);
  },
};
