// Owns the page of one training: lines while it runs, then what it made, log, retry. Must not know how it was
// prepared.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Link, useLocation } from 'wouter';
import { at } from '../app/base';
import { retryTraining, trainingMetricsCsvPath } from '../api/calls';
import type { Training } from '../api/types';
import { Notice, PageProblem, ProblemNotice, Said, Skeleton } from '../parts/bits';
import { fullTime, number } from '../parts/format';
import { useTitle } from '../parts/hooks';
import { AgainIcon, DownloadIcon } from '../parts/icons';
import { toastError } from '../parts/toasts';
import { Logs } from '../run/logs';
import { isFinal } from '../run/view';
import { Waiting } from '../run/waiting';
import { reasonWords, shortCode } from '../run/words';
import { TrainingBadge } from '../train/badge';
import { TrainingFacts } from '../train/facts';
import { NewVersion } from '../train/outcome';
import { MetricPlots } from '../train/plots';
import { useTraining } from '../train/useTraining';
import { measured, type TrainingView } from '../train/view';
import '../style/batch.css';
import '../style/model.css';
import '../style/run.css';
import '../style/train.css';

export default function TrainingPage({ id }: { id: string }) {
  const { view, problem, cancel, again } = useTraining(id);
  const queries = useQueryClient();
  const record = view?.record;
  const over = view !== null && isFinal(view.run.status);
  useTitle(`Training ${shortCode(id)}`, record?.model);
  useEffect(() => {
    if (over) void queries.invalidateQueries({ queryKey: ['trainings'] });
  }, [over, queries]);
  if (problem && !view) return <PageProblem problem={problem} again={again} />;
  if (!view || !record) return <Skeleton lines={8} />;
  return (
    <>
      <header className="page-head">
        <p className="crumbs">
          <Link href="/">Models</Link> <span aria-hidden="true">/</span>{' '}
          <Link href={`/m/${record.model}`}>{record.model}</Link> <span aria-hidden="true">/</span>{' '}
          <Link href={`/m/${record.model}/train`}>Train</Link>
        </p>
        <div className="page-title">
          <h1>Training {shortCode(id)}</h1>
          {view.run.status !== 'sending' && <TrainingBadge status={view.run.status} />}
        </div>
        <p className="fine">Asked for {fullTime(record.created_at)}</p>
      </header>
      <div className="stack-wide">
        {problem && <ProblemNotice problem={problem} again={again} />}
        {!over && (
          <div className="panel">
            <Waiting view={view.run} onCancel={cancel} background linked={false} />
          </div>
        )}
        {over && <Ended training={record} />}
        {record.output && <NewVersion training={record} trained={record.output} />}
        <Measured view={view} over={over} />
        <section className="panel" aria-label="What it was given">
          <h2>What it was given</h2>
          <TrainingFacts training={record} />
          {over && <Logs lines={view.run.logs} />}
        </section>
      </div>
    </>
  );
}

function Ended({ training }: { training: Training }) {
  const [, go] = useLocation();
  const retry = useMutation({
    mutationFn: () => retryTraining(training.id),
    onSuccess: (next) => go(`/trainings/${next.id}`),
    onError: toastError,
  });
  const kept = training.checkpoints.at(-1);
  const goesOn = training.status !== 'succeeded' && kept !== undefined;
  return (
    <section className="stack" aria-label="Outcome">
      {training.status === 'failed' && (
        <Notice title={reasonWords(training.reason, training.status)}>
          {training.error && (
            <p>
              <Said text={training.error} />
            </p>
          )}
          {training.traceback && (
            <details className="fold">
              <summary>Traceback</summary>
              {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
              <pre tabIndex={0}>{training.traceback}</pre>
            </details>
          )}
        </Notice>
      )}
      {training.status === 'canceled' && (
        <Notice tone="calm" title="This training was canceled.">
          {kept && <p>Its checkpoint {kept.number} is kept, and a retry goes on from there.</p>}
        </Notice>
      )}
      <div className="row">
        <button type="button" className="button" disabled={retry.isPending} onClick={() => retry.mutate()}>
          <AgainIcon />{' '}
          {goesOn ? 'Go on from the checkpoint' : training.status === 'succeeded' ? 'Train again' : 'Retry'}
        </button>
        <Link href={`/m/${training.model}/train?from=${training.id}`} className="button">
          Change something and train
        </Link>
      </div>
    </section>
  );
}

function Measured({ view, over }: { view: TrainingView; over: boolean }) {
  // A metric with a line has its last value above it; the version may have another, of its best epoch.
  const differs = (name: string, value: number) => view.series[name]?.at(-1)?.value !== value;
  const last = Object.entries(measured(view.record)).filter(([name, value]) => differs(name, value));
  const both = over && last.some(([name]) => name in view.series);
  const lines = Object.keys(view.series).length > 0;
  if (!lines && !last.length) {
    if (!over) return null;
    return (
      <p className="fine">
        Nothing was measured: the training function never called <code>ctx.metric</code>.
      </p>
    );
  }
  return (
    <section className="panel" aria-label="Metrics">
      <div className="row row-ends">
        <h2>Metrics</h2>
        {over && lines && (
          <a
            className="button small"
            href={at(trainingMetricsCsvPath(view.record.id))}
            download={`training-${view.record.id}-metrics.csv`}
          >
            <DownloadIcon /> All values (CSV)
          </a>
        )}
      </div>
      {both && (
        <p className="fine">What the training gave in the end; the lines have what it measured on the way.</p>
      )}
      {over && last.length > 0 && (
        <dl className="figures">
          {last.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{number(value)}</dd>
            </div>
          ))}
        </dl>
      )}
      <MetricPlots series={view.series} />
    </section>
  );
}
