// Owns the Try tab: form, run, result, and waking the model while one still types. Must not know how inputs
// or outputs are drawn.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from 'react';
import { useSearchParams } from 'wouter';
import { prediction, warmup } from '../api/calls';
import type { Model, Schema, Version } from '../api/types';
import { fitting, withDefaults } from '../form/schema';
import { ProblemNotice, Skeleton } from '../parts/bits';
import { Result } from '../run/result';
import { useRun } from '../run/useRun';
import { isFinal } from '../run/view';
import { Waiting } from '../run/waiting';
import { Examples } from './examples';
import '../style/run.css';

const ModelForm = lazy(() => import('../form/form'));

type Values = Record<string, unknown>;
interface TryProps {
  model: Model;
  version: Version;
  schemas: Record<string, Schema>;
}

export default function Try(props: TryProps) {
  const [params] = useSearchParams();
  const from = params.get('from');
  const earlier = useQuery({
    queryKey: ['run', from],
    queryFn: () => prediction(from ?? ''),
    enabled: from !== null,
    staleTime: Infinity,
  });
  if (from && earlier.isPending) return <Skeleton lines={6} />;
  const start = earlier.data?.input ?? {};
  return <TryForm key={from ?? ''} {...props} start={start} />;
}

function TryForm({ model, version, schemas: newest, start }: TryProps & { start: Values }) {
  // The model is fetched again and again; its schema object must stay the same while its version does.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const schemas = useMemo(() => newest, [version.id]);
  const [values, setValues] = useState<Values>(() => formValues(start, newest));
  const [round, setRound] = useState(0);
  const run = useRun();
  const resultBox = useRef<HTMLDivElement>(null);
  useWarmup(model);
  const { view } = run;
  const finished = view !== null && isFinal(view.status);
  const submit = (next: Values): void => {
    run.start(model.owner, model.name, next);
    // On a phone the result lies below the form.
    requestAnimationFrame(() => {
      const box = resultBox.current;
      if (box && matchMedia('(max-width: 860px)').matches) box.scrollIntoView({ block: 'start' });
    });
  };
  const fill = (input: Values): void => {
    setValues(formValues(input, schemas));
    setRound(round + 1);
  };
  const ask = version.config?.feedback?.ask ?? [];
  return (
    <div className="try">
      <section className="panel" aria-label="Input">
        <Examples version={version} examples={version.examples ?? []} onPick={fill} />
        <Suspense fallback={<Skeleton lines={6} label="Loading the form" />}>
          <ModelForm
            key={round}
            schemas={schemas}
            values={values}
            problem={run.problem}
            onChange={setValues}
            onSubmit={submit}
          >
            <div className="form-foot">
              <button type="submit" className="button primary" disabled={run.busy}>
                {run.busy ? 'Running…' : 'Run'}
              </button>
              <span className="fine">{wakeWords(model)}</span>
            </div>
          </ModelForm>
        </Suspense>
      </section>
      <section className="panel panel-result" aria-label="Output" ref={resultBox} aria-live="polite">
        {run.problem && <ProblemNotice problem={run.problem} again={() => submit(values)} />}
        {view && !finished && <Waiting view={view} onCancel={run.cancel} background={model.background} />}
        {view && <Result view={view} schemas={schemas} ask={ask} onAgain={() => submit(values)} />}
        {!view && !run.problem && (
          <Placeholder model={model} examples={(version.examples ?? []).length > 0} />
        )}
      </section>
    </div>
  );
}

const formValues = (input: Values, schemas: Record<string, Schema>): Values =>
  withDefaults(fitting(input, schemas.Input ?? {}), schemas.Input ?? {});

function Placeholder({ model, examples }: { model: Model; examples: boolean }) {
  return (
    <div className="placeholder">
      <p>The result appears here.</p>
      <p className="fine">
        {model.background
          ? 'This model takes a while. Once it runs you may close the page: the result stays under Runs.'
          : examples
            ? 'Pick an example, then press Run, to see what this model does.'
            : 'Fill in the form and run it.'}
      </p>
    </div>
  );
}

/** A model that sleeps is woken while somebody fills the form. Background models start with their job. */
function useWarmup(model: Model): void {
  const queries = useQueryClient();
  const asked = useRef(false);
  const asleep = model.readiness?.state === 'asleep' && !model.background;
  const { owner, name } = model;
  useEffect(() => {
    if (!asleep || asked.current) return;
    asked.current = true;
    warmup(owner, name)
      .then(() => queries.invalidateQueries({ queryKey: ['model', owner, name] }))
      // Waking is a courtesy: a run wakes the model too, and tells when it cannot.
      .catch(() => undefined);
  }, [asleep, owner, name, queries]);
}

/** ", about 4 s" out of what the server says about a model that starts. */
const timeIn = (text = ''): string => /, about [\d.]+ (s|min)$/.exec(text)?.[0] ?? '';

function wakeWords(model: Model): string {
  if (model.background) return 'Runs in the background.';
  if (model.readiness?.state === 'starting')
    return `The model is waking up${timeIn(model.readiness.text)}. You can run it already.`;
  return '';
}
