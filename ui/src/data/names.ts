// Owns what a dataset may be called, and what is read out of its preview. Pure. Must not know React.
import type { DatasetPreview } from '../api/types';

const CHARS_MAX = 63;
const NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

/** A name for the dataset that a file becomes: `My Labels (2).csv` is `my-labels-2`. */
export function nameOfFile(file: string): string {
  const stem = file.replace(/(\.tar)?\.[a-z0-9]+$/i, '');
  const plain = stem.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const name = plain.replace(/[^a-z0-9]+/g, '-').slice(0, CHARS_MAX);
  return name.replace(/^-+|-+$/g, '') || 'data';
}

/** Why a name cannot be one, or nothing. */
export function wrongName(name: string): string | null {
  if (name.length > CHARS_MAX) return `At most ${CHARS_MAX} characters.`;
  return NAME.test(name) ? null : 'Lower-case letters, digits, and hyphens between them.';
}

/** `labels@v3` in its parts; no version means the newest. */
export function partsOf(reference: string): { name: string; version: number | null } {
  const [name = '', version] = reference.split('@v');
  return { name, version: version === undefined ? null : Number(version) };
}

/** The cells of CSV are words; those of columns of numbers are shown and sorted as numbers. */
export function typedRows(preview: DatasetPreview): Record<string, unknown>[] {
  const numeric = preview.columns.filter((c) => c.type === 'integer' || c.type === 'number');
  return preview.rows.map((row) => {
    const next = { ...row };
    for (const { name } of numeric) {
      const cell = next[name];
      if (typeof cell === 'string' && cell.trim() !== '' && Number.isFinite(Number(cell)))
        next[name] = Number(cell);
    }
    return next;
  });
}
