// Owns the making of a schedule: what is asked for, by the same form that asks for it once, and when. Must not
// know what becomes of it.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useId, useMemo, useState } from 'react';
import { makeSchedule } from '../api/calls';
import { asProblem } from '../api/problem';
import type { Model, Schedule, Schema, Version } from '../api/types';
import { uploaded } from '../form/files';
import { withDefaults } from '../form/schema';
import { ProblemNotice, Skeleton } from '../parts/bits';
import { toast } from '../parts/toasts';
import { asked, NO_WISHES, TrainingWishes, type Wishes } from '../train/wishes';
import { KIND_WORDS } from './words';
import { FIRST_WHEN, When } from './when';
import '../style/run.css';
import '../style/schedule.css';

const ModelForm = lazy(() => import('../form/form'));

type Kind = Schedule['kind'];
type Values = Record<string, unknown>;

const TABLE: Record<string, Schema> = {
  Input: {
    type: 'object',
    required: ['table'],
    properties: {
      table: {
        type: 'string',
        title: 'Table',
        description: 'A dataset; without a version, each job takes the newest one.',
        'x-onstage-type': 'dataset',
      },
    },
  },
};

interface NewScheduleProps {
  model: Model;
  version: Version;
  schemas: Record<string, Schema>;
  onMade: () => void;
}

export function NewSchedule(props: NewScheduleProps) {
  const { version } = props;
  const [kind, setKind] = useState<Kind>('prediction');
  const kinds: Kind[] = version.schema?.training
    ? ['prediction', 'batch', 'training']
    : ['prediction', 'batch'];
  return (
    <section className="panel" aria-label="New schedule">
      <h2>Have it done by the clock</h2>
      <div className="chips" role="group" aria-label="What">
        {kinds.map((one) => (
          <button
            key={one}
            type="button"
            className="chip"
            aria-pressed={kind === one}
            onClick={() => setKind(one)}
          >
            {KIND_WORDS[one]}
          </button>
        ))}
      </div>
      <Asked key={kind} {...props} kind={kind} />
    </section>
  );
}

/** What the job's own form asks for; the schema object must stay the same while its version does. */
function useSchemas({ version, schemas }: NewScheduleProps, kind: Kind): Record<string, Schema> {
  return useMemo(
    () =>
      kind === 'batch'
        ? TABLE
        : kind === 'training'
          ? (version.schema?.training?.components?.schemas ?? {})
          : schemas,
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [version.id, kind],
  );
}

async function requestOf(kind: Kind, input: Values, wishes: Wishes): Promise<Values> {
  if (kind === 'batch') return { table: `onstage://datasets/${String(input.table)}` };
  // A schedule is kept for long and has room for words, not for files.
  const kept = await uploaded(input);
  return kind === 'training' ? { input: kept, ...asked(wishes) } : { input: kept };
}

function Asked(props: NewScheduleProps & { kind: Kind }) {
  const { model, kind, onMade } = props;
  const schemas = useSchemas(props, kind);
  const [values, setValues] = useState<Values>(() => withDefaults({}, schemas.Input ?? {}));
  const [when, setWhen] = useState(FIRST_WHEN);
  const [wishes, setWishes] = useState(NO_WISHES);
  const [more, setMore] = useState(NO_MORE);
  const queries = useQueryClient();
  const path = `${model.owner}/${model.name}`;
  const make = useMutation({
    mutationFn: async (input: Values) =>
      makeSchedule({
        model: path,
        kind,
        request: await requestOf(kind, input, wishes),
        ...when,
        ...(more.version ? { version: more.version } : {}),
        overlap: more.waits ? 'queue' : 'skip',
        catch_up: more.catchesUp,
      }),
    onSuccess: (made) => {
      toast(`Scheduled: ${made.said}.`);
      void queries.invalidateQueries({ queryKey: ['schedules'] });
      onMade();
    },
  });
  const problem = make.error ? asProblem(make.error) : null;
  return (
    <>
      {problem && <ProblemNotice problem={problem} />}
      <Suspense fallback={<Skeleton lines={6} label="Loading the form" />}>
        <ModelForm
          schemas={schemas}
          values={values}
          problem={problem}
          onChange={setValues}
          onSubmit={(next) => make.mutate(next)}
        >
          {kind === 'training' && <TrainingWishes model={path} value={wishes} onChange={setWishes} />}
          <When value={when} onChange={setWhen} />
          <MoreOptions model={model} value={more} onChange={setMore} />
          <div className="form-foot">
            <button type="submit" className="button primary" disabled={make.isPending}>
              {make.isPending ? 'Scheduling…' : 'Schedule'}
            </button>
          </div>
        </ModelForm>
      </Suspense>
    </>
  );
}

interface More {
  /** An alias; the live version when empty. */
  version: string;
  waits: boolean;
  catchesUp: boolean;
}
const NO_MORE: More = { version: '', waits: false, catchesUp: true };

function MoreOptions(props: { model: Model; value: More; onChange: (more: More) => void }) {
  const { model, value, onChange } = props;
  const id = useId();
  return (
    <details className="fold">
      <summary>More options</summary>
      <div className="fold-body">
        <div className="stack-tight">
          <label htmlFor={`${id}-version`}>Version</label>
          <select
            id={`${id}-version`}
            className="input"
            value={value.version}
            onChange={(e) => onChange({ ...value, version: e.target.value })}
          >
            <option value="">The one that is live then</option>
            {Object.keys(model.aliases ?? {}).map((alias) => (
              <option key={alias} value={alias}>
                The one named {alias} then
              </option>
            ))}
            {model.live_version_number && (
              <option value={`v${model.live_version_number}`}>
                Always v{model.live_version_number}, live now
              </option>
            )}
          </select>
        </div>
        <label className="check">
          <input
            type="checkbox"
            checked={value.waits}
            onChange={(e) => onChange({ ...value, waits: e.target.checked })}
          />
          <span>Make the next job also while the one before still runs</span>
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={value.catchesUp}
            onChange={(e) => onChange({ ...value, catchesUp: e.target.checked })}
          />
          <span>Make up for it when no server ran at the time</span>
        </label>
      </div>
    </details>
  );
}
