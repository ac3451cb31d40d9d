import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

/** Tests against a real server: the program that `GPYS` names, or the one that cargo has built. */
process.env.GPYS ??= new URL('../target/debug/gpys', import.meta.url).pathname;

export default defineConfig({
  ssr: { resolve: { conditions: ['@gpys/source', ...defaultServerConditions] } },
  test: {
    include: ['{testing,react}/**/*.e2e.{ts,tsx}'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
