// Owns the Train tab: data and parameters in, start; and the trainings there were, with what they measured.
// Must not know how a training is watched.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useMemo, useState } from 'react';
import { Link, useLocation, useSearchParams } from 'wouter';
import { startTraining, training, trainings } from '../api/calls';
import { asProblem } from '../api/problem';
import type { Model, Schema, Training, Version } from '../api/types';
import { fitting, withDefaults } from '../form/schema';
import { Grid } from '../grid/grid';
import { Empty, ProblemNotice, Skeleton } from '../parts/bits';
import { ago, between, fullTime, summary } from '../parts/format';
import { useNow } from '../parts/hooks';
import { More, useListed } from '../parts/listed';
import { isFinal } from '../run/view';
import { TrainingBadge } from '../train/badge';
import { measured } from '../train/view';
import { asked, NO_WISHES, TrainingWishes } from '../train/wishes';
import '../style/run.css';
import '../style/train.css';

const ModelForm = lazy(() => import('../form/form'));
const REFRESH_BUSY_MS = 2_000;

type Values = Record<string, unknown>;

export default function TrainTab({ model, version }: { model: Model; version: Version }) {
  const [params] = useSearchParams();
  const from = params.get('from');
  const earlier = useQuery({
    queryKey: ['training', from],
    queryFn: () => training(from ?? ''),
    enabled: from !== null,
    staleTime: Infinity,
  });
  if (!version.schema?.training) {
    return (
      <Empty title="This model does not train">
        <p>
          Put <code>@on.train</code> on a function in its <code>model.py</code> and push it again.
        </p>
      </Empty>
    );
  }
  return (
    <div className="train">
      {from && earlier.isPending ? (
        <Skeleton lines={6} />
      ) : (
        <NewTraining key={from ?? ''} version={version} start={earlier.data?.input ?? {}} />
      )}
      <Past model={model} />
    </div>
  );
}

function NewTraining({ version, start }: { version: Version; start: Values }) {
  // The model is fetched again and again; its schema object must stay the same while its version does.
  const schemas = useMemo<Record<string, Schema>>(
    () => version.schema?.training?.components?.schemas ?? {},
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [version.id],
  );
  const input = schemas.Input ?? {};
  const [values, setValues] = useState<Values>(() => withDefaults(fitting(start, input), input));
  const [wishes, setWishes] = useState(NO_WISHES);
  const [, go] = useLocation();
  const queries = useQueryClient();
  const begin = useMutation({
    mutationFn: (next: Values) => startTraining(version, { input: next, ...asked(wishes) }),
    onSuccess: (made) => {
      void queries.invalidateQueries({ queryKey: ['trainings'] });
      go(`/trainings/${made.id}`);
    },
  });
  const problem = begin.error ? asProblem(begin.error) : null;
  const { title, help } = version.schema?.training ?? {};
  return (
    <section className="panel" aria-label="New training">
      <div className="stack-tight">
        <h2>{title || 'Train a new version'}</h2>
        <p className="fine">
          {help ? `${help} ` : ''}The code of version {version.number} trains; what it learns becomes a new
          version, beside the one that answers now.
        </p>
      </div>
      {problem && <ProblemNotice problem={problem} />}
      <Suspense fallback={<Skeleton lines={6} label="Loading the form" />}>
        <ModelForm
          schemas={schemas}
          values={values}
          problem={problem}
          onChange={setValues}
          onSubmit={(next) => begin.mutate(next)}
        >
          <TrainingWishes model={version.model} value={wishes} onChange={setWishes} />
          <div className="form-foot">
            <button type="submit" className="button primary" disabled={begin.isPending}>
              {begin.isPending ? 'Starting…' : 'Train'}
            </button>
          </div>
        </ModelForm>
      </Suspense>
    </section>
  );
}

function Past({ model }: { model: Model }) {
  const path = `${model.owner}/${model.name}`;
  const list = useListed(['trainings', path], trainings(path), {
    refreshMs: (rows) => (rows.some((t) => !isFinal(t.status)) ? REFRESH_BUSY_MS : false),
  });
  if (list.problem && !list.loaded) return <ProblemNotice problem={list.problem} again={list.again} />;
  if (!list.rows.length) return null;
  return (
    <section className="stack" aria-label="Trainings">
      <h2>Trainings</h2>
      <PastTable list={list.rows} />
      <More list={list} />
    </section>
  );
}

/** One row a training, one column a metric: sorted by a metric, the best stands first. */
function PastTable({ list }: { list: Training[] }) {
  const now = useNow(30_000);
  const rows = useMemo(() => list.map((one) => rowOf(one)), [list]);
  const metrics = useMemo(
    () => [...new Set(list.flatMap((one) => Object.keys(measured(one))))].sort(),
    [list],
  );
  const columns = useMemo(
    () => ['id', 'status', 'data', ...metrics.map((name) => `metric ${name}`), 'given', 'made', 'took'],
    [metrics],
  );
  const labels = useMemo(
    () => ({
      id: 'Training',
      status: 'State',
      data: 'Data',
      given: 'Parameters',
      made: 'Version',
      took: 'Took',
      ...Object.fromEntries(metrics.map((name) => [`metric ${name}`, name])),
    }),
    [metrics],
  );
  const render = useMemo(
    () => ({
      id: (row: Values) => (
        <Link href={`/trainings/${String(row.id)}`} title={fullTime(String(row.created))}>
          {ago(String(row.created), now)}
        </Link>
      ),
      status: (row: Values) => <TrainingBadge status={row.status as Training['status']} />,
    }),
    [now],
  );
  return <Grid columns={columns} rows={rows} labels={labels} render={render} caption="Trainings" />;
}

function rowOf(one: Training): Values {
  const data = new Set(one.datasets);
  const given = Object.entries(one.input).filter(([, value]) => !data.has(String(value)));
  return {
    id: one.id,
    created: one.created_at,
    status: one.status,
    data: one.datasets.join(', '),
    given: summary(Object.fromEntries(given), 80),
    made: one.output ? `v${one.output.number}` : '',
    took: between(one.started_at, one.completed_at),
    ...Object.fromEntries(Object.entries(measured(one)).map(([name, value]) => [`metric ${name}`, value])),
  };
}
