// Owns the promise that the first page is light: html, js and css of the gallery, compressed, under the limit.
// Must not know what the page shows.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const LIMIT_BYTES = 200 * 1024;
const dist = new URL('../dist/', import.meta.url).pathname;
const manifest = JSON.parse(readFileSync(join(dist, '.vite/manifest.json'), 'utf8'));

const files = new Set(['index.html']);
const seen = new Set();
(function follow(key) {
  const chunk = manifest[key];
  if (!chunk || seen.has(key)) return;
  seen.add(key);
  files.add(chunk.file);
  for (const css of chunk.css ?? []) files.add(css);
  for (const asset of chunk.assets ?? []) if (asset.endsWith('.woff2')) files.add(asset);
  (chunk.imports ?? []).forEach(follow);
})('index.html');

let counted = 0;
let fonts = 0;
for (const file of [...files].sort()) {
  const bytes = readFileSync(join(dist, file));
  const size = file.endsWith('.woff2') ? bytes.length : gzipSync(bytes, { level: 9 }).length;
  if (file.endsWith('.woff2')) fonts += size;
  else counted += size;
  console.log(`${String(size).padStart(8)}  ${file}`);
}
console.log(`${String(counted).padStart(8)}  html, js and css, compressed (limit ${LIMIT_BYTES})`);
console.log(`${String(counted + fonts).padStart(8)}  with fonts`);
if (counted > LIMIT_BYTES) {
  console.error('error: the first page is over its limit');
  process.exit(1);
}
