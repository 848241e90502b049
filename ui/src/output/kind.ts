// Owns the choice of how an output is shown, from its schema and its value. Pure. Must not know React.
import type { Schema } from '../api/types';
import { number } from '../parts/format';

export type Kind =
  | 'nothing'
  | 'scores'
  | 'table'
  | 'tableFile'
  | 'image'
  | 'audio'
  | 'video'
  | 'file'
  | 'markdown'
  | 'plot'
  | 'text'
  | 'number'
  | 'yesno'
  | 'record'
  | 'list'
  | 'json';

type Named = Record<string, Schema>;

export function deref(schema: Schema | undefined, schemas: Named): Schema {
  let here = schema ?? {};
  for (let i = 0; i < 16; i += 1) {
    const option =
      here.anyOf?.find((o) => o.type !== 'null') ?? (here.allOf?.length === 1 ? here.allOf[0] : null);
    if (option) here = { ...here, ...option, anyOf: undefined, allOf: undefined };
    else if (here.$ref) here = schemas[here.$ref.split('/').pop() ?? ''] ?? {};
    else return here;
  }
  return {};
}

const BY_TYPE: Record<string, Kind> = {
  scores: 'scores',
  table: 'tableFile',
  image: 'image',
  audio: 'audio',
  video: 'video',
  file: 'file',
  markdown: 'markdown',
  plot: 'plot',
};

export function kindOf(schema: Schema, value: unknown): Kind {
  if (value === null || value === undefined) return 'nothing';
  const declared = BY_TYPE[schema['x-onstage-type'] ?? ''];
  if (declared && fits(declared, value)) return declared;
  if (declared === 'tableFile' && isRows(value)) return 'table';
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'yesno';
  if (typeof value === 'string') return kindOfText(value);
  if (Array.isArray(value))
    return isRows(value) ? 'table' : isFiles(value) || hasKind(schema) ? 'list' : 'json';
  if (isPlot(value)) return 'plot';
  return Object.keys(value).length && Object.keys(value).length <= 24 ? 'record' : 'json';
}

function fits(kind: Kind, value: unknown): boolean {
  if (kind === 'scores') return isScores(value);
  if (kind === 'plot') return typeof value === 'object';
  return typeof value === 'string';
}

function kindOfText(value: string): Kind {
  const media = /^data:([a-z]+)\/([^;,]*)/i.exec(value);
  if (media) {
    if (media[2] === 'csv') return 'tableFile';
    return BY_TYPE[media[1] ?? ''] ?? 'file';
  }
  return isLink(value) ? 'file' : 'text';
}

const isLink = (value: string): boolean =>
  /^(https?:\/\/[^\s]+|\/[^\s]*)\/v1\/files\/[^\s]+$|^\/v1\/files\/[^\s]+$/.test(value);

const isFiles = (value: unknown[]): boolean =>
  value.length > 0 && value.every((v) => typeof v === 'string' && kindOfText(v) !== 'text');

const hasKind = (schema: Schema): boolean => BY_TYPE[schema.items?.['x-onstage-type'] ?? ''] !== undefined;

export function isScores(value: unknown): value is Record<string, number> {
  return (
    value !== null &&
    typeof value === 'object' &&
    !Array.isArray(value) &&
    Object.values(value).every((v) => typeof v === 'number')
  );
}

/** A list of flat objects with the same keys reads best as a table. */
export function isRows(value: unknown): value is Record<string, unknown>[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((row) => row !== null && typeof row === 'object' && !Array.isArray(row)) &&
    value.every((row: object) =>
      Object.values(row).every((cell) => cell === null || typeof cell !== 'object'),
    )
  );
}

const isPlot = (value: object): boolean => {
  const schema = (value as { $schema?: unknown }).$schema;
  return typeof schema === 'string' && schema.includes('vega');
};

/** Text that came in pieces is one text. */
export function joinChunks(schema: Schema, chunks: unknown[]): unknown {
  const text = schema['x-cog-array-display'] === 'concatenate' || chunks.every((c) => typeof c === 'string');
  return text && chunks.length ? chunks.map(String).join('') : chunks;
}

/** The output as it is shown: a streamed text's list of pieces becomes text here too. */
export function shown(schema: Schema, value: unknown): unknown {
  if (schema['x-cog-array-type'] !== 'iterator' || !Array.isArray(value)) return value;
  return schema['x-cog-array-display'] === 'concatenate' ? value.map(String).join('') : value;
}

/** Shares of one whole read best as percent; other scores keep the digits of the largest. */
export function scoreWords(scores: Record<string, number>): (value: number) => string {
  const values = Object.values(scores);
  const sum = values.reduce((total, value) => total + value, 0);
  if (values.length > 1 && values.every((value) => value >= 0) && Math.abs(sum - 1) < 1e-3) {
    return (value) => `${percent(value)}\u202f%`;
  }
  const top = Math.max(...values.map(Math.abs), 0);
  const places = top > 0 ? Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(top)))) : 0;
  return (value) => number(Number(value.toFixed(places)));
}

/** One place, and never a false certainty: what is not quite nothing is "<0.1", not quite all ">99.9". */
function percent(share: number): string {
  if (share > 0 && share < 0.0005) return '<0.1';
  if (share < 1 && share > 0.9995) return '>99.9';
  return (100 * share).toFixed(1);
}

/** The best of the scores in one phrase: "3 (55.0 %)". */
export function topScore(scores: Record<string, number>): string {
  const top = sortedScores(scores)[0];
  return top ? `${top.label} (${scoreWords(scores)(top.value)})` : '';
}

/** Bars, tallest first; ties keep the model's order. */
export function sortedScores(
  scores: Record<string, number>,
): { label: string; value: number; share: number }[] {
  const rows = Object.entries(scores).map(([label, value]) => ({ label, value }));
  const top = Math.max(...rows.map((row) => Math.abs(row.value)), 0);
  const scale = top <= 1 && rows.every((row) => row.value >= 0) ? 1 : top;
  return rows
    .sort((a, b) => b.value - a.value)
    .map((row) => ({ ...row, share: scale > 0 ? Math.abs(row.value) / scale : 0 }));
}
