// Owns the page of what was computed and what that costs, for the owner. Must not know how it is measured.
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useMemo, useState } from 'react';
import { Link } from 'wouter';
import { usage } from '../api/calls';
import { asProblem } from '../api/problem';
import type { UsageLine, UsageReport } from '../api/types';
import { barsOf, money, monthOf } from '../data/usage';
import { Grid } from '../grid/grid';
import { Empty, ProblemNotice, Skeleton } from '../parts/bits';
import { duration, number } from '../parts/format';
import { useTitle } from '../parts/hooks';
import '../style/batch.css';
import '../style/model.css';

const Plot = lazy(() => import('../output/plot'));
const MONTHS_BACK_MAX = 11;
const REFRESH_MS = 60_000;
const KINDS: Record<string, string> = {
  realtime: 'answers at once',
  background: 'background runs',
  batch: 'batch rows',
  training: 'trainings',
};
const COLUMNS = ['model', 'kind', 'runs', 'compute_s', 'gpu_s', 'usd'];
const LABELS = {
  model: 'Model',
  kind: 'Kind',
  runs: 'Runs',
  compute_s: 'Compute',
  gpu_s: 'GPU',
  usd: 'Cost',
};

export default function UsagePage() {
  useTitle('Usage');
  const [back, setBack] = useState(0);
  const [today] = useState(() => Date.now());
  const month = monthOf(today, back);
  const { since, until } = month;
  const report = useQuery({
    queryKey: ['usage', 'model', since],
    queryFn: () => usage('model,kind', since, until),
    refetchInterval: REFRESH_MS,
  });
  const days = useQuery({
    queryKey: ['usage', 'day', since],
    queryFn: () => usage('day', since, until),
    refetchInterval: REFRESH_MS,
  });
  const wrong = report.error ?? days.error;
  return (
    <>
      <header className="page-head">
        <h1>Usage</h1>
        <p className="lead">What was computed, and what it costs by the table of prices below.</p>
        <div className="row">
          <button
            type="button"
            className="button small"
            disabled={back >= MONTHS_BACK_MAX}
            onClick={() => setBack(back + 1)}
          >
            Earlier
          </button>
          <strong role="status">{month.label}</strong>
          <button
            type="button"
            className="button small"
            disabled={back === 0}
            onClick={() => setBack(back - 1)}
          >
            Later
          </button>
        </div>
      </header>
      {wrong && (
        <ProblemNotice
          problem={asProblem(wrong)}
          again={() => void Promise.all([report.refetch(), days.refetch()])}
        />
      )}
      {!wrong && (!report.data || !days.data) && <Skeleton lines={8} />}
      {report.data && days.data && (
        <div className="stack-wide">
          <Sums report={report.data} month={month.label} />
          {days.data.results.length > 0 && <Days lines={days.data.results} since={since} until={until} />}
          {report.data.results.length > 0 && <ByModel report={report.data} />}
          <Prices report={report.data} />
        </div>
      )}
    </>
  );
}

function Sums({ report: { total, results }, month }: { report: UsageReport; month: string }) {
  if (!results.length) {
    return (
      <Empty title={`Nothing was computed in ${month}`}>
        <p>
          Every run, batch job and training counts here. <Link href="/">Try a model</Link>.
        </p>
      </Empty>
    );
  }
  const facts: [string, string][] = [
    ['Cost', money(total.usd)],
    ['Runs', number(total.runs)],
    ['Compute', duration(total.compute_s)],
    ['GPU', total.gpu_s > 0 ? duration(total.gpu_s) : ''],
  ];
  return (
    <section className="panel" aria-label="Sums">
      <dl className="figures">
        {facts
          .filter(([, value]) => value)
          .map(([label, value]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
    </section>
  );
}

function Days({ lines, since, until }: { lines: UsageLine[]; since: string; until: string }) {
  const spec = useMemo(() => barsOf(lines, since, until), [lines, since, until]);
  return (
    <section className="panel" aria-label="By day">
      <h2>By day</h2>
      <Suspense fallback={<Skeleton lines={4} label="Drawing" />}>
        <Plot spec={spec} name={`usage-${since}`} bare />
      </Suspense>
    </section>
  );
}

type Row = Record<string, unknown>;
const RENDER = {
  model: (row: Row) => <Link href={`/m/${String(row.model)}`}>{String(row.model)}</Link>,
  kind: (row: Row) => KINDS[String(row.kind)] ?? String(row.kind),
  compute_s: (row: Row) => duration(Number(row.compute_s)),
  gpu_s: (row: Row) => (Number(row.gpu_s) > 0 ? duration(Number(row.gpu_s)) : '–'),
  usd: (row: Row) => money(Number(row.usd)),
};

function ByModel({ report }: { report: UsageReport }) {
  const rows = useMemo(
    () => report.results.map((line): Row => ({ ...line })).sort((a, b) => Number(b.usd) - Number(a.usd)),
    [report],
  );
  return (
    <section className="stack" aria-label="By model">
      <h2>By model and kind</h2>
      <Grid columns={COLUMNS} rows={rows} labels={LABELS} render={RENDER} caption="Usage by model and kind" />
      {!report.complete && (
        <p className="fine">There are more than one answer holds; the sums are of those shown.</p>
      )}
    </section>
  );
}

function Prices({ report: { prices } }: { report: UsageReport }) {
  return (
    <section className="stack" aria-label="Prices and limits">
      <h2>Prices and limits</h2>
      <p>
        An hour of a CPU core {number(prices.vcpu_hour)} USD, of a GB of memory {number(prices.gb_hour)} USD,
        of a GPU {number(prices.gpu_hour)} USD. <span className="fine">Source: {prices.source}.</span>
      </p>
      <p className="fine">
        This is an estimate of compute that is paid for while it runs, not a bill. A model&apos;s limits stand
        in its <code>onstage.toml</code>: <code>[money] month</code> is what it may cost in a month,{' '}
        <code>run</code> what one job may, and <code>at_limit</code> says whether it sleeps then or only
        warns.
      </p>
    </section>
  );
}
