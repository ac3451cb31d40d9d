import { defaultClientConditions, defineConfig } from 'vite';

/** Builds and serves the examples, over the sources of the SDK. */
export default defineConfig({
  resolve: { conditions: ['@gpys/source', ...defaultClientConditions] },
  build: { target: 'es2022', modulePreload: false, assetsInlineLimit: 0 },
  worker: { format: 'es' },
  server: {
    proxy: {
      '/config.json': 'http://127.0.0.1:8080',
      '/ws': { target: 'ws://127.0.0.1:8080', ws: true },
    },
  },
});
