// Owns the rules of batch jobs: mapping columns to inputs, counting rows. Pure. Must not know React.
import type { Batch, Schema } from '../api/types';
import { isFile, ordered } from '../form/schema';
import type { Rows } from '../grid/table';

/** The server's suggestion without its gaps. */
export function mappingOf(suggested: Record<string, string | null>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(suggested).filter((pair): pair is [string, string] => Boolean(pair[1])),
  );
}

/** The inputs that still need a column, by the names people see. */
export function mapComplete(input: Schema, map: Record<string, string>): string[] {
  const required = new Set(input.required ?? []);
  return ordered(input)
    .filter((name) => required.has(name) && !map[name])
    .map((name) => input.properties?.[name]?.title ?? name);
}

/** The inputs, by the names people see, whose cells are paths of files: an archive must bring them. */
export function namesFiles(
  input: Schema,
  map: Record<string, string>,
  rows: Record<string, unknown>[],
): string[] {
  const isPath = (cell: unknown): boolean =>
    typeof cell === 'string' && cell.trim() !== '' && !/^(data:|onstage:|https?:|.*\/v1\/files\/)/.test(cell);
  return ordered(input)
    .filter((name) => {
      const column = map[name];
      return column && isFile(input.properties?.[name]) && rows.some((row) => isPath(row[column]));
    })
    .map((name) => input.properties?.[name]?.title ?? name);
}

/** Why a file cannot be the archive of a batch job; nothing when it may be one. */
export const refusedArchive = (name: string): string | null =>
  /\.(zip|tar|tgz|tar\.gz)$/i.test(name)
    ? null
    : `\`${name}\` is not a ZIP or TAR archive. Put the files into one, with any folders they are in.`;

/** Rows that are behind us, whether they were answered or failed. */
export const rowsThrough = (counts: Batch['counts']): number => (counts ? counts.done + counts.failed : 0);

/** A batch job that went through may still have answered only some of its rows, or none. */
export function batchOutcome({ status, counts }: Batch): 'all' | 'some' | 'none' | 'open' {
  if (status !== 'succeeded') return 'open';
  if (!counts?.failed) return 'all';
  return counts.done ? 'some' : 'none';
}

/** Why a file cannot be a table, in words that say what to do; nothing when it may be one. */
export function refusedTable(name: string): string | null {
  if (/\.(csv|tsv|txt|jsonl|ndjson|parquet|arrow|feather)$/i.test(name)) return null;
  if (/\.(xlsx?|xlsm|ods|numbers)$/i.test(name))
    return `\`${name}\` is a workbook. Save its sheet as CSV in your spreadsheet program, and drop that file here.`;
  return `\`${name}\` is not a table this page can read. It takes CSV, TSV, JSON Lines, Parquet and Arrow files.`;
}

/** A table to start from: the model's inputs as columns, its examples as rows where they are plain values. */
export function templateOf(input: Schema, examples: { input: Record<string, unknown> }[]): Rows {
  const columns = ordered(input);
  const plain = (value: unknown): boolean =>
    value === undefined || (value !== null && typeof value !== 'object' && !/^(@|data:)/.test(String(value)));
  const rows = examples
    .map((example) => example.input)
    .filter((values) => columns.every((name) => plain(values[name])));
  return { columns, rows, cut: false };
}
