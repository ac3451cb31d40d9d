import { defaultClientConditions, defaultServerConditions, type Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { compress } from './compress.ts';

/** Fetches the map's half of the page along with the half that connects, not after it. */
const preloadMap: Plugin = {
  name: 'preload-map',
  transformIndexHtml: {
    order: 'post',
    handler: (html, { bundle = {} }) => {
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk');
      const map = chunks.find((chunk) => chunk.name === 'app');
      const files = map ? [map.fileName, ...map.imports] : [];
      return files
        .filter((file) => !html.includes(file))
        .map((file) => ({
          tag: 'link',
          attrs: { rel: 'modulepreload', crossorigin: true, href: `/${file}` },
          injectTo: 'head',
        }));
    },
  },
};

/** The packages of this workspace are taken from their sources. */
const SOURCE = '@gpys/source';

/** The map and the benchmark are built separately, so that they share no files. */
export default defineConfig(({ mode }) => ({
  base: '/',
  resolve: { conditions: [SOURCE, ...defaultClientConditions] },
  ssr: { resolve: { conditions: [SOURCE, ...defaultServerConditions] } },
  plugins: [preloadMap, compress],
  build: {
    target: 'es2022',
    // The HTML names what to preload, which every supported browser understands.
    modulePreload: false,
    // One style sheet, in one order, for both halves of the page.
    cssCodeSplit: false,
    // No file becomes a data: URL, so the policy needs `data:` only for images.
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
  test: {
    include: ['{src,client,debug}/**/*.test.{ts,tsx}', '*.test.ts'],
    benchmark: { include: ['client/**/*.bench.ts'] },
  },
}));
