import { defineConfig } from 'vitest/config';

/** The map and the benchmark are built one after the other, so that they share no files. */
export default defineConfig(({ mode }) => ({
  base: '/',
  build: {
    target: 'es2022',
    // The polyfill would be a second, older way to load what every browser here loads by itself.
    modulePreload: { polyfill: false },
    // No file becomes a data: URL, so that the policy needs `data:` for images only.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
    emptyOutDir: mode !== 'bench',
    rolldownOptions: { input: mode === 'bench' ? 'bench.html' : 'index.html' },
  },
  worker: { format: 'es' },
  server: {
    proxy: {
      '/config.json': 'http://127.0.0.1:8080',
      '/ws': { target: 'ws://127.0.0.1:8080', ws: true },
    },
  },
  test: { include: ['src/**/*.test.ts'], benchmark: { include: ['bench/**/*.bench.ts'] } },
}));
