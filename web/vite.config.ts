import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { compress } from './compress.ts';

/** Fetches the map's half of the page beside the half that connects, not after it. */
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

/** The map and the benchmark are built one after the other, so that they share no files. */
export default defineConfig(({ mode }) => ({
  base: '/',
  plugins: [preloadMap, compress],
  build: {
    target: 'es2022',
    // What is preloaded is said in the page, which every browser here understands by itself.
    modulePreload: false,
    // One style sheet, in one order, whichever half of the page it is for.
    cssCodeSplit: false,
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
  test: {
    include: ['{src,client}/**/*.test.ts', '*.test.ts'],
    benchmark: { include: ['client/**/*.bench.ts'] },
  },
}));
