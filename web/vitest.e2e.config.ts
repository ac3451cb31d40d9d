import { join } from 'node:path';
import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

/** Tests against a real server: the program that `GPYS` names, or the one that cargo has built. */
const target = process.env.CARGO_TARGET_DIR ?? join(import.meta.dirname, '../target');
process.env.GPYS ??= join(target, 'debug/gpys');

export default defineConfig({
  ssr: { resolve: { conditions: ['@gpys/source', ...defaultServerConditions] } },
  test: {
    include: ['{testing,react}/**/*.e2e.{ts,tsx}'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
