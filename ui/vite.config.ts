// Owns how the page is built: relative addresses only, so that it works behind any path prefix.
// Must not know where it will be served.
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const api = process.env.ONSTAGE_URL ?? 'http://127.0.0.1:8484';

// The server compares a request's origin with its host: both must stay the development server's.
const asIs = { target: api, changeOrigin: false };

export default defineConfig({
  base: './',
  plugins: [react()],
  build: {
    target: 'es2022',
    // Nothing is inlined as data: addresses, so that the content policy stays narrow.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
    manifest: true,
  },
  server: { proxy: { '/v1': asIs, '/login': asIs } },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
});
