// Owns the reading and writing of tables as text. Pure. Must not know the screen.
import Papa from 'papaparse';

export interface Rows {
  columns: string[];
  rows: Record<string, unknown>[];
  /** True when there was more than was read. */
  cut: boolean;
}

export const GRID_ROWS_MAX = 20_000;

export function rowsOfCsv(text: string, rowsMax = GRID_ROWS_MAX): Rows {
  const parsed = Papa.parse<Record<string, unknown>>(text.replace(/^\ufeff/, ''), {
    header: true,
    skipEmptyLines: 'greedy',
    dynamicTyping: true,
    preview: rowsMax + 1,
  });
  const columns = (parsed.meta.fields ?? []).filter((name) => name !== '');
  return { columns, rows: parsed.data.slice(0, rowsMax), cut: parsed.data.length > rowsMax };
}

export function rowsOfJsonLines(text: string, rowsMax = GRID_ROWS_MAX): Rows {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const rows = lines.slice(0, rowsMax).map((line) => JSON.parse(line) as Record<string, unknown>);
  return { ...rowsOf(rows), cut: lines.length > rowsMax };
}

/** Columns in the order in which the rows bring them up. */
export function rowsOf(rows: Record<string, unknown>[]): Rows {
  const columns = new Set<string>();
  for (const row of rows) for (const name of Object.keys(row)) columns.add(name);
  return { columns: [...columns], rows, cut: false };
}

export function csvOf({ columns, rows }: Pick<Rows, 'columns' | 'rows'>): string {
  const cells = rows.map((row) =>
    columns.map((name) =>
      typeof row[name] === 'object' && row[name] !== null ? JSON.stringify(row[name]) : row[name],
    ),
  );
  return Papa.unparse({ fields: columns, data: cells }, { escapeFormulae: true, newline: '\n' });
}

/** The first part of a text file that ends with a whole line: enough to look at. */
export function headLength(bytes: Uint8Array, bytesMax: number): number {
  if (bytes.length <= bytesMax) return bytes.length;
  for (let i = bytesMax - 1; i > 0; i -= 1) if (bytes[i] === 0x0a) return i + 1;
  return bytesMax;
}
