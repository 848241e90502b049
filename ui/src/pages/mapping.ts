// Owns the rules of batch jobs: mapping columns to inputs, counting rows. Pure. Must not know React.
import type { Batch, Schema } from '../api/types';
import { ordered } from '../form/schema';

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

/** Rows that are behind us, whether they were answered or failed. */
export const rowsThrough = (counts: Batch['counts']): number => (counts ? counts.done + counts.failed : 0);
