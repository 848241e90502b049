// Owns the rows in which two versions are compared, and the words for what differs. Pure. Must not know React.
import type { Comparison } from '../api/types';
import { number, summary } from '../parts/format';

export interface ComparedRow {
  /** Unique among the rows; a metric and a parameter may have the same name. */
  name: string;
  label: string;
  cells: string[];
  differs: boolean;
  /** From the first to the second, where both are numbers. */
  change: string;
}

const CHARS_MAX = 120;

export function comparedRows(told: Comparison): ComparedRow[] {
  const lineages = told.versions.map((v) => v.lineage);
  const data = new Set(lineages.flatMap((lineage) => lineage?.datasets ?? []));
  // Data has a row of its own.
  const given = Object.entries(told.parameters).filter(
    ([, values]) => !values.some((value) => data.has(String(value))),
  );
  return [
    ...Object.entries(told.metrics).map(([name, values]) => metricRow(name, values)),
    row(
      'trainer',
      'Trained by',
      lineages.map((l) => (l ? `${l.trainer_model} v${l.trainer_number}` : 'pushed')),
    ),
    row(
      'data',
      'Data',
      lineages.map((l) => l?.datasets.join(', ') || null),
    ),
    ...given.map(([name, values]) => row(`given ${name}`, name, values)),
    row(
      'seed',
      'Seed',
      lineages.map((l) => (l ? String(l.seed) : null)),
    ),
  ];
}

function row(name: string, label: string, values: unknown[]): ComparedRow {
  const cells = values.map((value) => summary(value, CHARS_MAX));
  return { name, label, cells, differs: new Set(cells).size > 1, change: '' };
}

function metricRow(name: string, values: (number | null)[]): ComparedRow {
  const [from, to] = values;
  const both = typeof from === 'number' && typeof to === 'number' && from !== to;
  const change = both ? `(${to > from ? '+' : '−'}${number(Math.abs(to - from))})` : '';
  return { ...row(`metric ${name}`, name, values), change };
}
