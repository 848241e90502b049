// Owns the Runs tab: the history of one model, by status. Must not know how a run is shown.
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { more, predictions } from '../api/calls';
import { asProblem } from '../api/problem';
import type { Model, Prediction } from '../api/types';
import { Badge, Empty, ProblemNotice, Skeleton } from '../parts/bits';
import { ago, between, duration, fullTime, summary } from '../parts/format';
import { useNow } from '../parts/hooks';
import { isFinal } from '../run/view';
import { STATUS_WORDS } from '../run/words';
import '../style/lists.css';

const REFRESH_BUSY_MS = 2_000;
const REFRESH_CALM_MS = 20_000;

const FILTERS = [
  { value: '', label: 'All' },
  { value: 'succeeded', label: 'Done' },
  { value: 'starting', label: 'Waiting' },
  { value: 'processing', label: 'Running' },
  { value: 'failed', label: 'Failed' },
  { value: 'canceled', label: 'Canceled' },
];

export const toneOf = (status: string): string =>
  ({ succeeded: 'good', failed: 'bad', processing: 'wait', starting: 'wait' })[status] ?? 'calm';

export default function Runs({ model }: { model: Model }) {
  const [status, setStatus] = useState('');
  const path = `${model.owner}/${model.name}`;
  const query = useInfiniteQuery({
    queryKey: ['runs', path, status],
    queryFn: ({ pageParam }) =>
      pageParam ? more<Prediction>(pageParam) : predictions({ model: path, status }),
    initialPageParam: '',
    getNextPageParam: (last) => last.next,
    refetchInterval: (q) =>
      q.state.data?.pages.some((p) => p.results.some((r) => !isFinal(r.status)))
        ? REFRESH_BUSY_MS
        : REFRESH_CALM_MS,
  });
  const rows = query.data?.pages.flatMap((page) => page.results) ?? [];
  return (
    <section aria-label="Runs">
      <div className="chips" role="group" aria-label="Show runs by status">
        {FILTERS.map((f) => (
          <button
            key={f.value}
            type="button"
            className="chip"
            aria-pressed={status === f.value}
            onClick={() => setStatus(f.value)}
          >
            {f.label}
          </button>
        ))}
      </div>
      {query.error && !query.data && (
        <ProblemNotice problem={asProblem(query.error)} again={() => void query.refetch()} />
      )}
      {query.isPending && <Skeleton lines={6} />}
      {query.data && rows.length === 0 && (
        <Empty title={status ? 'None of this kind' : 'No runs yet'}>
          {!status && (
            <p>
              <Link href={`/m/${path}`}>Try the model</Link>: every run is kept here with its input and
              output.
            </p>
          )}
        </Empty>
      )}
      {rows.length > 0 && <RunsTable rows={rows} />}
      {query.hasNextPage && (
        <button
          type="button"
          className="button"
          onClick={() => void query.fetchNextPage()}
          disabled={query.isFetchingNextPage}
        >
          Show older runs
        </button>
      )}
    </section>
  );
}

function RunsTable({ rows }: { rows: Prediction[] }) {
  const now = useNow(15_000);
  return (
    <ul className="rows">
      {rows.map((run) => (
        <li key={run.id}>
          <Link href={`/runs/${run.id}`} className="rows-item">
            <Badge tone={toneOf(run.status)}>{STATUS_WORDS[run.status] ?? run.status}</Badge>
            <span className="rows-main">{summary(run.input, 110) || 'no input'}</span>
            <span className="rows-side" title={fullTime(run.created_at)}>
              {ago(run.created_at, now)}
            </span>
            <span className="rows-side">{took(run)}</span>
            <span className="rows-side rows-source">{run.source ?? ''}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

const took = (run: Prediction): string =>
  typeof run.metrics?.predict_time === 'number'
    ? duration(run.metrics.predict_time)
    : between(run.started_at ?? run.created_at, run.completed_at);
