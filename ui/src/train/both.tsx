// Owns one input answered by two versions, side by side. Must not know how the versions came about.
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useMemo, useState } from 'react';
import { version as getVersion } from '../api/calls';
import { asProblem } from '../api/problem';
import type { Model, Schema, Version } from '../api/types';
import { fitting, withDefaults } from '../form/schema';
import { Output } from '../output/output';
import { ProblemNotice, Skeleton } from '../parts/bits';
import { between, duration } from '../parts/format';
import { Examples } from '../pages/examples';
import { Failure } from '../run/result';
import { useRun, type Run } from '../run/useRun';
import { isFinal } from '../run/view';
import { Waiting } from '../run/waiting';
import { ExampleAnswers } from './examples';
import '../style/run.css';

const ModelForm = lazy(() => import('../form/form'));

type Values = Record<string, unknown>;
interface BothProps {
  model: Model;
  ids: [string, string];
  titles: [string, string];
}

/** The form is that of the first version; another pair begins anew. */
export function Both({ model, ids, titles }: BothProps) {
  const query = useQuery({
    queryKey: ['version', model.owner, model.name, ids[0]],
    queryFn: () => getVersion(model.owner, model.name, ids[0]),
  });
  if (query.error)
    return <ProblemNotice problem={asProblem(query.error)} again={() => void query.refetch()} />;
  if (!query.data) return <Skeleton lines={4} />;
  const one = { model, ids, titles, first: query.data };
  return (
    <>
      <ExampleAnswers key={`examples ${ids.join()}`} {...one} />
      <Ask key={ids.join()} {...one} />
    </>
  );
}

function Ask({ model, ids, titles, first }: BothProps & { first: Version }) {
  const schemas = useMemo<Record<string, Schema>>(
    () => first.schema?.components?.schemas ?? {},
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [first.id],
  );
  const input = schemas.Input ?? {};
  const [values, setValues] = useState<Values>(() => withDefaults({}, input));
  const [round, setRound] = useState(0);
  const runs = [useRun(), useRun()] as const;
  const busy = runs.some((run) => run.busy);
  const problem = runs.find((run) => run.problem)?.problem ?? null;
  return (
    <div className="stack" role="region" aria-label="The same input for both">
      <h3>The same input for both</h3>
      <Examples
        version={first}
        examples={first.examples ?? []}
        onPick={(example) => {
          setValues(withDefaults(fitting(example, input), input));
          setRound(round + 1);
        }}
      />
      <Suspense fallback={<Skeleton lines={4} label="Loading the form" />}>
        <ModelForm
          key={round}
          schemas={schemas}
          values={values}
          problem={problem}
          onChange={setValues}
          onSubmit={(next) => runs.forEach((run, i) => run.start(model.owner, model.name, next, ids[i]))}
        >
          <div className="form-foot">
            <button type="submit" className="button primary" disabled={busy}>
              {busy ? 'Running…' : 'Run on both'}
            </button>
          </div>
        </ModelForm>
      </Suspense>
      {runs.some((run) => run.view || run.problem) && (
        <div className="both">
          {runs.map((run, i) => (
            <Answer key={i} run={run} schemas={schemas} title={titles[i] ?? ''} />
          ))}
        </div>
      )}
    </div>
  );
}

function Answer({ run, schemas, title }: { run: Run; schemas: Record<string, Schema>; title: string }) {
  const { view, problem, cancel } = run;
  const record = view && isFinal(view.status) ? view.record : null;
  return (
    <section className="stack-tight" aria-label={`Answer of ${title}`}>
      <strong>{title}</strong>
      {problem && <ProblemNotice problem={problem} />}
      {view && !record && !problem && <Waiting view={view} onCancel={cancel} />}
      {record?.status === 'succeeded' && (
        <Output value={record.output} schema={schemas.Output} schemas={schemas} name={title} />
      )}
      {record && record.status !== 'succeeded' && <Failure record={record} />}
      {record && (
        <span className="fine">
          {typeof record.metrics?.predict_time === 'number'
            ? duration(record.metrics.predict_time)
            : between(record.started_at, record.completed_at)}
        </span>
      )}
    </section>
  );
}
