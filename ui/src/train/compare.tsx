// Owns two versions side by side: what each learned from what, what differs, and what they answer. Must not know
// how they were made.
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { compare } from '../api/calls';
import { asProblem } from '../api/problem';
import type { Comparison, Model, Version } from '../api/types';
import { ProblemNotice, Skeleton } from '../parts/bits';
import { Both } from './both';
import { comparedRows, type ComparedRow } from './compared';
import '../style/train.css';

export function Compare({ model, list }: { model: Model; list: Version[] }) {
  const ready = list.filter((v) => v.state === 'ready');
  const live = ready.find((v) => v.live) ?? ready[1];
  const other = ready.find((v) => v !== live);
  const [left, setLeft] = useState<string | null>(null);
  const [right, setRight] = useState<string | null>(null);
  if (!live || !other) return null;
  const ids: [string, string] = [left ?? live.id, right ?? other.id];
  // Versions that only were pushed differ in their code and their answers alone.
  const trained = ready.some((v) => v.lineage);
  return (
    <section className="panel compare" aria-label="Compare versions">
      <h2>Compare two versions</h2>
      <div className="row">
        <Pick label="First version" list={ready} value={ids[0]} onPick={setLeft} />
        <span>with</span>
        <Pick label="Second version" list={ready} value={ids[1]} onPick={setRight} />
      </div>
      {trained && <Compared model={model} ids={ids} />}
      <Both model={model} ids={ids} titles={[titleOf(ready, ids[0]), titleOf(ready, ids[1])]} />
    </section>
  );
}

const titleOf = (list: Version[], id: string): string => `v${list.find((v) => v.id === id)?.number ?? '?'}`;

function Pick(props: { label: string; list: Version[]; value: string; onPick: (id: string) => void }) {
  return (
    <select
      className="input compare-pick"
      aria-label={props.label}
      value={props.value}
      onChange={(e) => props.onPick(e.target.value)}
    >
      {props.list.map((v) => (
        <option key={v.id} value={v.id}>
          {v.name || `v${v.number}`}
          {v.live ? ' (live)' : ''}
        </option>
      ))}
    </select>
  );
}

function Compared({ model, ids }: { model: Model; ids: string[] }) {
  const query = useQuery({
    queryKey: ['compare', model.owner, model.name, ...ids],
    queryFn: () => compare(model.owner, model.name, ids),
  });
  if (query.error)
    return <ProblemNotice problem={asProblem(query.error)} again={() => void query.refetch()} />;
  if (!query.data) return <Skeleton lines={4} />;
  return <Table told={query.data} rows={comparedRows(query.data)} />;
}

function Table({ told, rows }: { told: Comparison; rows: ComparedRow[] }) {
  return (
    // The box scrolls where a value is too long, so it takes the focus.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="compare-box" role="region" aria-label="Differences" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <td />
            {told.versions.map((v, i) => (
              <th key={i} scope="col">
                v{v.number}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.name} className={row.differs ? 'compare-differs' : undefined}>
              <th scope="row">{row.label}</th>
              {row.cells.map((cell, i) => (
                <td key={i}>
                  {cell}
                  {i === 1 && row.change && <span className="fine"> {row.change}</span>}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
