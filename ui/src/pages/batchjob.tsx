// Owns the page of one batch job: progress while it runs, then summary, result, failed rows, retry. Must not
// know how it was prepared.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useLocation } from 'wouter';
import { at } from '../app/base';
import { batch as getBatch, batchResultPath, cancelBatch, items, retryBatch } from '../api/calls';
import { asProblem } from '../api/problem';
import type { Batch, BatchItem } from '../api/types';
import { Bar, Notice, PageProblem, ProblemNotice, Said, Skeleton } from '../parts/bits';
import { between, duration, fullTime, number, summary } from '../parts/format';
import { useNow, useTitle } from '../parts/hooks';
import { AgainIcon, DownloadIcon } from '../parts/icons';
import { More, useListed } from '../parts/listed';
import { toastError } from '../parts/toasts';
import { isFinal } from '../run/view';
import { BatchBadge } from './batchbadge';
import { AnsweredRows } from './batchrows';
import { rowsThrough } from './mapping';
import { etaWords } from '../run/waiting';
import { phaseWords, queueWords, reasonWords, shortCode } from '../run/words';
import '../style/batch.css';
import '../style/model.css';
import '../style/grid.css';
import '../style/run.css';

const REFRESH_MS = 800;
const REFRESH_FAILED_MS = 2_000;

export default function BatchPage({ id }: { id: string }) {
  const query = useQuery({
    queryKey: ['batch', id],
    queryFn: () => getBatch(id),
    refetchInterval: (q) => (q.state.data && isFinal(q.state.data.status) ? false : REFRESH_MS),
  });
  const batch = query.data;
  useTitle(batch ? `Batch ${shortCode(id)}` : 'Batch', batch?.model);
  if (query.error && !batch)
    return <PageProblem problem={asProblem(query.error)} again={() => void query.refetch()} />;
  if (!batch) return <Skeleton lines={8} />;
  return (
    <>
      <header className="page-head">
        <p className="crumbs">
          <Link href="/">Models</Link> <span aria-hidden="true">/</span>{' '}
          <Link href={`/m/${batch.model}`}>{batch.model}</Link> <span aria-hidden="true">/</span>{' '}
          <Link href={`/m/${batch.model}/batch`}>Batch</Link>
        </p>
        <div className="page-title">
          <h1>{batch.table?.name || `Batch ${shortCode(id)}`}</h1>
          <BatchBadge batch={batch} />
        </div>
        <p className="fine">
          Started {fullTime(batch.created_at)}
          {batch.version_number ? ` · version ${batch.version_number}` : ''}
        </p>
      </header>
      <div className="stack-wide">
        {isFinal(batch.status) ? <Finished batch={batch} /> : <Running batch={batch} />}
        {(batch.counts?.failed ?? 0) > 0 && <FailedRows batch={batch} />}
        {isFinal(batch.status) && (batch.counts?.done ?? 0) > 0 && <AnsweredRows id={batch.id} />}
      </div>
    </>
  );
}

function Running({ batch }: { batch: Batch }) {
  const queries = useQueryClient();
  const now = useNow(1000);
  const cancel = useMutation({
    mutationFn: () => cancelBatch(batch.id),
    onSuccess: (next) => queries.setQueryData(['batch', batch.id], next),
    onError: toastError,
  });
  const { counts, progress } = batch;
  const done = Math.max(rowsThrough(counts), progress?.done ?? 0);
  const total = counts?.total ?? progress?.total ?? null;
  const seconds = (now - Date.parse(batch.started_at ?? batch.created_at)) / 1000;
  const rate = progress?.rate_per_s;
  return (
    <section className="panel waiting" aria-label="Progress">
      <div className="waiting-head">
        <div role="status" aria-live="polite">
          <strong>{phaseWords(batch.phase ?? 'queued')}</strong>
          <span className="waiting-detail">{queueWords(batch.queue ?? null)}</span>
        </div>
        <button
          type="button"
          className="button small"
          disabled={cancel.isPending || batch.phase === 'canceling'}
          onClick={() => cancel.mutate()}
        >
          Cancel
        </button>
      </div>
      <Bar done={done} total={total} label="Rows done" />
      <p className="fine waiting-foot">
        <span>
          {number(done)}
          {total ? ` of ${number(total)}` : ''} rows
          {counts?.failed ? `, ${number(counts.failed)} failed` : ''}
          {rate ? `, ${number(Number(rate.toPrecision(2)))} rows/s` : ''}
          {total ? etaWords(done, total, seconds, progress?.eta_s) : ''}
        </span>
        <span className="waiting-time">{seconds >= 1 ? duration(Math.floor(seconds)) : ''}</span>
      </p>
      <p className="fine">You may close this page: the work goes on, and the result stays here.</p>
    </section>
  );
}

function Finished({ batch }: { batch: Batch }) {
  const { counts, metrics } = batch;
  const failedWhole = batch.status === 'failed';
  const took = between(batch.started_at ?? batch.created_at, batch.completed_at);
  const nothing = batch.status === 'succeeded' && counts !== undefined && counts !== null && !counts.done;
  const facts: [string, string][] = [
    ['Rows', counts ? rowsWords(counts) : ''],
    ['Failed', counts ? number(counts.failed) : ''],
    [
      'Accuracy',
      typeof metrics?.accuracy === 'number' ? `${number(Number((metrics.accuracy * 100).toFixed(1)))} %` : '',
    ],
    ['Took', took],
    [
      'Rows per second',
      typeof metrics?.rows_per_s === 'number' ? number(Number(metrics.rows_per_s.toPrecision(3))) : '',
    ],
  ];
  return (
    <section className="panel" aria-label="Result">
      {failedWhole && (
        <Notice title={reasonWords(batch.reason, batch.status)}>
          {batch.error && (
            <p>
              <Said text={batch.error} />
            </p>
          )}
        </Notice>
      )}
      {nothing && counts.failed > 0 && (
        <Notice tone="warn" title="No row could be answered.">
          <p>The rows below say why. Is every column given to the right input?</p>
        </Notice>
      )}
      {batch.status === 'canceled' && <Notice tone="calm" title="This batch job was canceled." />}
      <dl className="figures">
        {facts
          .filter(([, value]) => value !== '')
          .map(([label, value]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      <div className="row">
        {batch.status === 'succeeded' && (
          <a className="button primary" href={at(batchResultPath(batch.id))} download={resultName(batch)}>
            <DownloadIcon /> Download the result
          </a>
        )}
        <Link href={`/m/${batch.model}/batch`} className="button">
          Another table
        </Link>
      </div>
    </section>
  );
}

const rowsWords = (counts: NonNullable<Batch['counts']>): string => {
  const through = rowsThrough(counts);
  return counts.total !== null && counts.total !== through
    ? `${number(through)} of ${number(counts.total)}`
    : number(through);
};

function resultName(batch: Batch): string {
  const name = batch.table?.name ?? 'table.csv';
  const dot = name.lastIndexOf('.');
  return dot > 0 ? `${name.slice(0, dot)}-result${name.slice(dot)}` : `${name}-result`;
}

function FailedRows({ batch }: { batch: Batch }) {
  const [, go] = useLocation();
  const over = isFinal(batch.status);
  const list = useListed(['failed', batch.id, over], items(batch.id, 'failed'), {
    refreshMs: () => (over ? false : REFRESH_FAILED_MS),
    keeps: true,
  });
  const retry = useMutation({
    mutationFn: () => retryBatch(batch.id),
    onSuccess: (next) => go(`/batches/${next.id}`),
    onError: toastError,
  });
  if (list.problem && !list.loaded) return <ProblemNotice problem={list.problem} again={list.again} />;
  if (!list.loaded) return <Skeleton lines={3} />;
  return (
    <section className="stack" aria-label="Failed rows">
      <div className="row row-ends">
        <h2>Rows that failed</h2>
        {over && (
          <button
            type="button"
            className="button small"
            disabled={retry.isPending}
            onClick={() => retry.mutate()}
          >
            <AgainIcon /> Retry the failed rows
          </button>
        )}
      </div>
      <FailedTable rows={list.rows} />
      <More list={list} />
    </section>
  );
}

/** Reasons are sentences: they wrap, unlike the cells of a grid. */
function FailedTable({ rows }: { rows: BatchItem[] }) {
  return (
    // The box scrolls where a word is too long, so it takes the focus.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="grid grid-words" role="region" aria-label="Rows that failed" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Row</th>
            <th scope="col">What was wrong</th>
            <th scope="col">Input</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((item) => (
            <tr key={item.index}>
              <td>{number(item.index + 1)}</td>
              <td>
                <Said text={errorOf(item)} />
              </td>
              <td className="fine">{summary(item.input, 160)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const errorOf = (item: BatchItem): string =>
  typeof item.error === 'string' ? item.error : (item.error?.message ?? 'failed');
