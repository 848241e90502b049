// Owns the answered rows of a batch job, as far as one looks through them. Must not know how the job went.
import { useMemo } from 'react';
import { items } from '../api/calls';
import type { BatchItem } from '../api/types';
import { Grid } from '../grid/grid';
import { isScores, topScore } from '../output/kind';
import { ProblemNotice, Skeleton } from '../parts/bits';
import { More, useListed } from '../parts/listed';

const LABELS = { row: 'Row', answer: 'Answer' };

export function AnsweredRows({ id }: { id: string }) {
  const list = useListed(['answered', id], items(id, 'succeeded'));
  const rows = useMemo(() => list.rows.map(rowOf), [list.rows]);
  const columns = useMemo(() => ['row', 'answer', ...inputsOf(list.rows)], [list.rows]);
  if (list.problem && !list.loaded) return <ProblemNotice problem={list.problem} again={list.again} />;
  if (!list.loaded) return <Skeleton lines={4} />;
  if (!rows.length) return null;
  return (
    <section className="stack" aria-label="Answers">
      <h2>Answers</h2>
      <Grid columns={columns} rows={rows} labels={LABELS} caption="Rows with their answers" />
      <More list={list} />
    </section>
  );
}

const record = (value: unknown): Record<string, unknown> =>
  value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};

/** An input that is called as one of our own columns stands under another name. */
const named = (input: string): string => (input in LABELS ? `${input} (input)` : input);

const inputsOf = (list: BatchItem[]): string[] => [
  ...new Set(list.flatMap((item) => Object.keys(record(item.input)).map(named))),
];

function rowOf({ index, input, output }: BatchItem): Record<string, unknown> {
  const given = Object.entries(record(input)).map(([name, value]) => [named(name), value] as const);
  const answer = isScores(output) && Object.keys(output).length ? topScore(output) : output;
  return { row: index + 1, answer, ...Object.fromEntries(given) };
}
